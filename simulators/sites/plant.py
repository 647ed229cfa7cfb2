"""A coal-fired plant in Shanxi: what goes in over belts, leaves by the stack, is sold and bought."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.hashing import FloatArray
from simulators.physics import factors, water
from simulators.process import Process, Series
from simulators.signals import Flicker
from simulators.sites.electrical import Supply, meter
from simulators.sites.furnace import CoalUnit
from simulators.spec import DeviceId, DeviceSpec, Flag, Gauge, Plan, Register, SourceSpec

SITE: Final = "plant"
ATMOSPHERE_KPA: Final = 92.0
"""What the steam meter's maker set; the weather moves the barometer of the stack around it."""


class SteamSold(Process):
    """Superheated steam to a neighbour: 1.0 MPa gauge, 250 degC."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._flow = Flicker.of(seed, "plant/steam/flow", 14_400.0, 1200.0, 120.0)
        self._temperature = Flicker.of(seed, "plant/steam/temperature", 5400.0, 600.0)
        self._pressure = Flicker.of(seed, "plant/steam/pressure", 3600.0, 300.0)

    def compute(self, t: FloatArray) -> Series:
        flow = 46.0 * (1.0 + 0.3 * self._flow(t))
        temperature = 250.0 + 7.0 * self._temperature(t)
        gauge_kpa = 1000.0 + 30.0 * self._pressure(t)
        enthalpy = water.superheated_enthalpy_kj_per_kg(temperature, (gauge_kpa + ATMOSPHERE_KPA) / 1000.0)
        heat_gj_h = flow * (enthalpy - factors.FEED_WATER_KJ_PER_KG) / 1000.0
        return {
            "flow_t_h": flow,
            "temperature_c": temperature,
            "pressure_kpa": gauge_kpa,
            "heat_gj_h": heat_gj_h,
            "co2_kg_h": heat_gj_h * factors.HEAT_KG_CO2_PER_GJ,
        }


class StationSupply(Process):
    """Power bought from the grid: standby all the time, now and then a start of large motors."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._standby = Flicker.of(seed, "plant/grid/standby", 3600.0, 600.0, 60.0)
        self._motors = Flicker.of(seed, "plant/grid/motors", 5400.0)
        self._supply = Supply.of(seed, SITE, "grid", 35_000.0, 0.9)

    def compute(self, t: FloatArray) -> Series:
        standby = 420.0 * (1.0 + 0.15 * self._standby(t))
        # A rare, smooth hump: only the tips of the slow noise.
        motors = 9000.0 * np.clip(self._motors(t) - 0.72, 0.0, None)
        power = standby + motors
        return {
            **self._supply.series("grid", t, power),
            "co2_kg_h": power * factors.GRID_SHANXI_KG_CO2_PER_KWH,
        }


def coal_belt(device: DeviceId, unit: CoalUnit) -> DeviceSpec:
    """A belt scale on the unit's coal."""
    return _belt(device, unit, "coal", 30, 10_000_000)


def _belt(device: DeviceId, unit: CoalUnit, prefix: str, interval_s: int, modulus: int) -> DeviceSpec:
    return DeviceSpec(
        device,
        interval_s,
        unit,
        registers=(Register("mass_t", f"{prefix}_t_h", 3, modulus, (1e5, 7e5)),),
        gauges=(
            Gauge("rate_t_h", f"{prefix}_t_h", 2, unit.zero_drift_t_h(prefix)),
            Gauge("speed_m_s", f"{prefix}_speed_m_s", 2),
            Gauge("load_kg_m", f"{prefix}_load_kg_m", 2, 0.02),
        ),
        flags=(Flag("running", f"{prefix}_running"),),
        phase_s=5,
        bridges=True,
    )


def cems(device: DeviceId, unit: CoalUnit) -> DeviceSpec:
    """A CEMS with a dry analyser in the unit's stack."""
    return DeviceSpec(
        device,
        30,
        unit,
        gauges=(
            Gauge("co2_pct", "co2_pct", 2, 0.03),
            Gauge("o2_pct", "o2_pct", 2, 0.03),
            Gauge("moisture_pct", "moisture_pct", 2, 0.05),
            Gauge("velocity_m_s", "velocity_m_s", 2, 0.06),
            Gauge("temperature_c", "stack_c", 1, 0.1),
            Gauge("static_pressure_pa", "static_pa", 0, 2.0),
            Gauge("barometric_pressure_pa", "barometric_pa", 0, 5.0),
            Gauge("so2_mg_m3", "so2_mg_m3", 1, 0.3),
            Gauge("nox_mg_m3", "nox_mg_m3", 1, 0.3),
            Gauge("dust_mg_m3", "dust_mg_m3", 2, 0.05),
        ),
        phase_s=10,
    )


def _steam(steam: SteamSold) -> DeviceSpec:
    return DeviceSpec(
        DeviceId(SITE, "flowmeter", "steam-sold"),
        30,
        steam,
        registers=(Register("mass_t", "flow_t_h", 3, 10_000_000, (1e5, 7e5)),),
        gauges=(
            Gauge("mass_flow_t_h", "flow_t_h", 3, 0.02),
            Gauge("temperature_c", "temperature_c", 1, 0.1),
            Gauge("pressure_kpa", "pressure_kpa", 1, 1.0),
        ),
        phase_s=15,
    )


def plant(seed: int) -> Plan:
    """The plant of the demo's registry."""
    unit, steam, supply = CoalUnit(seed), SteamSold(seed), StationSupply(seed)
    coal = coal_belt(DeviceId(SITE, "beltscale", "coal"), unit)
    limestone = _belt(DeviceId(SITE, "beltscale", "limestone"), unit, "limestone", 60, 1_000_000)
    stack, sold = cems(DeviceId(SITE, "cems", "stack-1"), unit), _steam(steam)
    grid = meter(
        DeviceId(SITE, "meter", "grid"),
        supply,
        "grid",
        modulus=100_000_000,
        digits=1,
        start=(1e5, 5e6),
        phase_s=25,
    )
    return Plan(
        (coal, limestone, stack, sold, grid),
        (
            SourceSpec(SITE, "coal", coal.id, unit, "coal_co2_kg_h"),
            SourceSpec(SITE, "desulphurisation", limestone.id, unit, "limestone_co2_kg_h"),
            SourceSpec(SITE, "stack", stack.id, unit, "stack_co2_kg_h", linear=False),
            SourceSpec(SITE, "steam-sold", sold.id, steam, linear=False),
            SourceSpec(SITE, "grid-electricity", grid.id, supply),
        ),
    )
