"""An office campus in Shanghai: electricity with sub-meters, gas boilers, district heat."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.hashing import FloatArray
from simulators.physics import factors, water
from simulators.process import Process, Series
from simulators.signals import Flicker, Occupancy, Weather, soft_excess
from simulators.sites.electrical import Supply, meter
from simulators.spec import DeviceId, DeviceSpec, Gauge, Plan, Register, SourceSpec

SITE: Final = "campus"
UTC_OFFSET_H: Final = 8.0
_STANDARD_ATMOSPHERE_KPA: Final = 101.325
_20C_TO_0C: Final = 273.15 / 293.15


def weather(seed: int) -> Weather:
    """Shanghai: mean of the year 17 degC, July 28, January 5."""
    return Weather(17.0, 11.5, 3.5, UTC_OFFSET_H, Flicker.of(seed, "campus/weather", 90_000.0, 20_000.0))


class CampusPower(Process):
    """Three sub-meters and what is not sub-metered; the main meter sees their sum."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._weather = weather(seed)
        self._occupancy = Occupancy(UTC_OFFSET_H)
        self._load = {
            name: Flicker.of(seed, f"campus/{name}/load", 3600.0, 400.0, 45.0)
            for name in ("floor1", "floor2", "chiller", "unallocated")
        }
        self._supply = {
            name: Supply.of(seed, SITE, name, volts, factor)
            for name, volts, factor in (
                ("main", 10_000.0, 0.95),
                ("floor1", 400.0, 0.96),
                ("floor2", 400.0, 0.95),
                ("chiller", 400.0, 0.88),
            )
        }

    def compute(self, t: FloatArray) -> Series:
        busy, outdoor_c = self._occupancy(t), self._weather(t)

        def wavering(name: str, share: float) -> FloatArray:
            return np.asarray(1.0 + share * self._load[name](t))

        # Chillers follow the weather; their pumps never stop.
        cooling_kw = 24.0 * soft_excess(outdoor_c - 19.0, 1.5) * (0.25 + 0.75 * busy)
        power = {
            "floor1": (55.0 + 270.0 * busy) * wavering("floor1", 0.12),
            "floor2": (48.0 + 230.0 * busy) * wavering("floor2", 0.12),
            "chiller": (35.0 + np.minimum(cooling_kw, 700.0)) * wavering("chiller", 0.08),
        }
        # Lifts, outdoor lighting, losses of the transformer.
        unallocated = (42.0 + 60.0 * busy) * wavering("unallocated", 0.2)
        main = power["floor1"] + power["floor2"] + power["chiller"] + unallocated
        series: dict[str, FloatArray] = {
            "unallocated_kw": unallocated,
            "co2_kg_h": main * factors.GRID_SHANGHAI_KG_CO2_PER_KWH,
        }
        for name, kw in (("main", main), *power.items()):
            series.update(self._supply[name].series(name, t, kw))
        return series


class GasBoilers(Process):
    """Hot water and heating by natural gas, metered at 20 degC and 101.325 kPa."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._weather = weather(seed)
        self._occupancy = Occupancy(UTC_OFFSET_H, arrive_h=6.5, leave_h=18.0, weekend=0.3)
        self._burner = Flicker.of(seed, "campus/boilers/burner", 1800.0, 240.0, 60.0)

    def compute(self, t: FloatArray) -> Series:
        busy, outdoor_c = self._occupancy(t), self._weather(t)
        heating = 13.0 * soft_excess(17.0 - outdoor_c, 2.0) * (0.55 + 0.45 * busy)
        hot_water = 60.0 + 55.0 * busy
        flow_20c = np.minimum(heating + hot_water, 800.0) * (1.0 + 0.1 * self._burner(t))
        return {
            "gas_20c_m3_h": flow_20c,
            "co2_kg_h": flow_20c * _20C_TO_0C * factors.NATURAL_GAS_KG_CO2_PER_NM3_0C,
        }


class DistrictHeat(Process):
    """A closed loop from the heat network, the volume meter in the supply: flow and supply temperature follow
    the weather, domestic hot water takes some heat all year."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._weather = weather(seed)
        self._occupancy = Occupancy(UTC_OFFSET_H, arrive_h=6.0, leave_h=19.0, weekend=0.5)
        self._flow = Flicker.of(seed, "campus/heat/flow", 3600.0, 600.0, 120.0)
        self._supply = Flicker.of(seed, "campus/heat/supply", 7200.0, 900.0)
        self._return = Flicker.of(seed, "campus/heat/return", 5400.0, 900.0)
        self._pressure = Flicker.of(seed, "campus/heat/pressure", 3600.0, 300.0)

    def compute(self, t: FloatArray) -> Series:
        busy = self._occupancy(t)
        demand = np.minimum(soft_excess(17.0 - self._weather(t), 2.0) / 22.0, 1.0) * (0.6 + 0.4 * busy)
        flow = (45.0 + 20.0 * busy + 190.0 * demand) * (1.0 + 0.05 * self._flow(t))
        supply_c = 78.0 + 20.0 * demand + 1.0 * self._supply(t)
        return_c = supply_c - (17.0 + 10.0 * demand) + 0.8 * self._return(t)
        gauge_kpa = 600.0 + 8.0 * self._pressure(t)
        pressure = gauge_kpa + _STANDARD_ATMOSPHERE_KPA
        density = water.liquid_density_kg_per_m3(supply_c, pressure)
        drop_kj_per_kg = water.liquid_enthalpy_kj_per_kg(supply_c, pressure)
        drop_kj_per_kg = drop_kj_per_kg - water.liquid_enthalpy_kj_per_kg(return_c, pressure)
        heat_gj_h = flow * density * drop_kj_per_kg / 1e6
        return {
            "flow_m3_h": flow,
            "supply_c": supply_c,
            "return_c": return_c,
            "pressure_kpa": gauge_kpa,
            "heat_gj_h": heat_gj_h,
            "co2_kg_h": heat_gj_h * factors.HEAT_KG_CO2_PER_GJ,
        }


def _meters(power: CampusPower) -> tuple[DeviceSpec, ...]:
    def sub(device: str, prefix: str) -> DeviceSpec:
        identity = DeviceId(SITE, "meter", device)
        return meter(identity, power, prefix, modulus=1_000_000, start=(1e5, 9e5))

    main = meter(DeviceId(SITE, "meter", "main"), power, "main", modulus=100_000_000, start=(2e6, 3e7))
    return (main, sub("floor-1", "floor1"), sub("floor-2", "floor2"), sub("floor-3", "chiller"))


def _gas(boilers: GasBoilers) -> DeviceSpec:
    return DeviceSpec(
        DeviceId(SITE, "flowmeter", "boiler-gas"),
        60,
        boilers,
        # A small display, which a new meter shows near its end: it rolls over within the first days.
        registers=(Register("volume_nm3", "gas_20c_m3_h", 3, 100_000, (95_000.0, 99_800.0)),),
        phase_s=20,
        bridges=True,
    )


def _heat(heat: DistrictHeat) -> DeviceSpec:
    return DeviceSpec(
        DeviceId(SITE, "flowmeter", "district-heat"),
        60,
        heat,
        registers=(Register("volume_m3", "flow_m3_h", 3, 10_000_000, (1e5, 9e5)),),
        gauges=(
            Gauge("flow_m3_h", "flow_m3_h", 2, 0.2),
            Gauge("temperature_c", "supply_c", 2, 0.03),
            Gauge("return_temperature_c", "return_c", 2, 0.03),
            Gauge("pressure_kpa", "pressure_kpa", 1, 0.5),
        ),
        phase_s=50,
    )


def campus(seed: int) -> Plan:
    """The campus of the demo's registry."""
    power, boilers, heat = CampusPower(seed), GasBoilers(seed), DistrictHeat(seed)
    meters, gas, loop = _meters(power), _gas(boilers), _heat(heat)
    return Plan(
        (*meters, gas, loop),
        (
            SourceSpec(SITE, "grid-electricity", meters[0].id, power),
            SourceSpec(SITE, "boilers", gas.id, boilers),
            SourceSpec(SITE, "district-heat", loop.id, heat, linear=False),
        ),
    )
