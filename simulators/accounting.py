"""What somebody finds who has the readings only: the plainest calculation of each source, to show how far
readings can be from the truth at all (resolution, sampling, instrument noise).

`python -m simulators.accounting 20` prints the largest error over that many seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from simulators.device import Device
from simulators.hashing import FloatArray
from simulators.physics import factors, water
from simulators.sites.catalogue import SITES, demo_sites
from simulators.sites.furnace import DUCT_AREA_M2, LIMESTONE_PURITY
from simulators.sites.plant import ATMOSPHERE_KPA
from simulators.spec import DeviceSpec, Reading

_STANDARD_ATMOSPHERE_KPA: Final = 101.325
_20C_TO_0C: Final = 273.15 / 293.15


def column(readings: Sequence[Reading], quantity: str) -> FloatArray:
    """One quantity of all readings."""
    return np.array([reading.values[quantity] for reading in readings], dtype=np.float64)


def movements(readings: Sequence[Reading], spec: DeviceSpec) -> FloatArray:
    """Movement of the first register from each reading to the next, over its end where it rolls over."""
    register = spec.registers[0]
    steps = np.diff(column(readings, register.quantity))
    return np.asarray(np.where(steps < 0.0, steps + register.modulus, steps))


def _by_register(kg_per_unit: float) -> Callable[[Sequence[Reading], DeviceSpec], float]:
    return lambda readings, spec: float(np.sum(movements(readings, spec))) * kg_per_unit


def _closed_loop(readings: Sequence[Reading], spec: DeviceSpec) -> float:
    supply_c, return_c = (column(readings, name) for name in ("temperature_c", "return_temperature_c"))
    pressure = column(readings, "pressure_kpa") + _STANDARD_ATMOSPHERE_KPA
    drop = water.liquid_enthalpy_kj_per_kg(supply_c, pressure)
    drop = drop - water.liquid_enthalpy_kj_per_kg(return_c, pressure)
    gj_per_m3 = water.liquid_density_kg_per_m3(supply_c, pressure) * drop / 1e6
    return float(np.sum(movements(readings, spec) * gj_per_m3[:-1])) * factors.HEAT_KG_CO2_PER_GJ


def _steam(readings: Sequence[Reading], spec: DeviceSpec) -> float:
    pressure_mpa = (column(readings, "pressure_kpa") + ATMOSPHERE_KPA) / 1000.0
    enthalpy = water.superheated_enthalpy_kj_per_kg(column(readings, "temperature_c"), pressure_mpa)
    gj_per_t = (enthalpy - factors.FEED_WATER_KJ_PER_KG) / 1000.0
    return float(np.sum(movements(readings, spec) * gj_per_t[:-1])) * factors.HEAT_KG_CO2_PER_GJ


def _stack(readings: Sequence[Reading], _spec: DeviceSpec) -> float:
    """HJ 75, annex: dry flow at 0 degC from velocity, temperature, pressure and moisture; each value holds
    until the next."""
    pressure = column(readings, "barometric_pressure_pa") + column(readings, "static_pressure_pa")
    flow = 3600.0 * DUCT_AREA_M2 * column(readings, "velocity_m_s")
    flow *= 273.0 / (273.0 + column(readings, "temperature_c")) * pressure / 101_325.0
    flow *= 1.0 - column(readings, "moisture_pct") / 100.0
    kg_h = flow * column(readings, "co2_pct") / 100.0 * 44.0 / 22.4
    hours = np.diff(np.array([reading.ts for reading in readings])) / 3600.0
    return float(np.sum(kg_h[:-1] * hours))


CALCULATIONS: Final[Mapping[tuple[str, str], Callable[[Sequence[Reading], DeviceSpec], float]]] = (
    MappingProxyType(
        {
            ("campus", "grid-electricity"): _by_register(factors.GRID_SHANGHAI_KG_CO2_PER_KWH),
            ("campus", "boilers"): _by_register(_20C_TO_0C * factors.NATURAL_GAS_KG_CO2_PER_NM3_0C),
            ("campus", "district-heat"): _closed_loop,
            ("plant", "coal"): _by_register(factors.BITUMINOUS_KG_CO2_PER_T),
            ("plant", "desulphurisation"): _by_register(
                LIMESTONE_PURITY * factors.CALCIUM_CARBONATE_T_CO2_PER_T * 1000.0
            ),
            ("plant", "stack"): _stack,
            ("plant", "steam-sold"): _steam,
            ("plant", "grid-electricity"): _by_register(factors.GRID_SHANXI_KG_CO2_PER_KWH),
        }
    )
)
"""CO2 [kg] of each source of the demo, between its device's first and last reading."""


def errors_pct(seed: int, begin: float, seconds: float = 86_400.0) -> dict[tuple[str, str], float]:
    """By how many per cent each source's calculation differs from the truth, over the given time."""
    plan = demo_sites(tuple(SITES), seed)
    specs = {spec.id: spec for spec in plan.devices}
    errors = {}
    for source in plan.sources:
        spec = specs[source.device]
        readings = Device.new(spec, seed, begin).advance(begin + seconds)
        found = CALCULATIONS[source.site, source.source](readings, spec)
        truth = source.process.integral(source.series, readings[0].ts, readings[-1].ts)
        errors[source.site, source.source] = 100.0 * (found - truth) / truth
    return errors


def main(seeds: int, begin: float = 1_795_132_800.0) -> None:
    """Print the largest error of each source over seeds 0 to `seeds` - 1, one day each, a week apart."""
    worst: dict[tuple[str, str], float] = dict.fromkeys(CALCULATIONS, 0.0)
    for seed in range(seeds):
        for source, error in errors_pct(seed, begin + seed * 7.3 * 86_400.0).items():
            worst[source] = max(worst[source], abs(error))
    for name, largest in worst.items():
        sys.stdout.write(f"{'/'.join(name):28s} {largest:.5f} %\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
