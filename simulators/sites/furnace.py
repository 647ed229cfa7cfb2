"""A coal-fired unit: the belts that feed it, the furnace, and the gas in its stack.

The boiler burns evenly from a day bin; the belt that fills the bin stops now and then and makes up for it
within the clock hour. So the belt's mass and what is burnt agree over every whole clock hour, while for
minutes in between the two differ by what lies in the bin. The same holds for limestone and its slurry tank.
All carbon dioxide, of coal and of limestone, leaves by the stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.hashing import FloatArray, between, stable_key, uniform_at
from simulators.physics import factors, water
from simulators.process import BLOCK_S, Process, Series
from simulators.signals import Flicker, local_hour

DUCT_AREA_M2: Final = 15.9
LIMESTONE_PURITY: Final = 0.90
_UTC_OFFSET_H: Final = 8.0
_DRY_AIR_O2: Final = 0.2095
# CO2 of the dry gas without excess air, of bituminous coal.
_STOICHIOMETRIC_CO2: Final = 0.186
_LIMESTONE_T_PER_T_COAL: Final = 0.042
_LIMESTONE_KG_CO2_PER_T: Final = LIMESTONE_PURITY * factors.CALCIUM_CARBONATE_T_CO2_PER_T * 1000.0


@dataclass(frozen=True, slots=True)
class Belt:
    """A belt that brings within each clock hour what is used in it, and stands still for a few minutes in
    some hours."""

    key: int
    speed_m_s: float
    stop_chance: float
    unevenness: Flicker

    def running(self, t: FloatArray) -> FloatArray:
        """1 while it runs, 0 while it stands, over one clock hour."""
        hour = int(t[0] // BLOCK_S)
        if uniform_at(self.key, 3 * hour) >= self.stop_chance:
            return np.ones_like(t)
        begin_s = between(self.key, 300.0, 2700.0, 3 * hour + 1)
        stands_s = between(self.key, 150.0, 480.0, 3 * hour + 2)
        second = t - hour * BLOCK_S
        return np.where((second >= begin_s) & (second < begin_s + stands_s), 0.0, 1.0)

    def series(self, prefix: str, t: FloatArray, use_t_h: FloatArray) -> dict[str, FloatArray]:
        """`{prefix}_t_h`, `_running`, `_speed_m_s`, `_load_kg_m`; t is one clock hour."""
        running = self.running(t)
        wanted = use_t_h * (1.0 + 0.06 * self.unevenness(t))
        rate = running * wanted * (np.sum(use_t_h) / np.sum(running * wanted))
        return {
            f"{prefix}_t_h": rate,
            f"{prefix}_running": running,
            f"{prefix}_speed_m_s": self.speed_m_s * running,
            # What lies on the belt stays there while it stands.
            f"{prefix}_load_kg_m": wanted / 3.6 / self.speed_m_s,
        }


class CoalUnit(Process):
    """The unit, on one grid: belts, furnace and stack."""

    def __init__(self, seed: int) -> None:
        super().__init__()

        def flicker(name: str, *periods_s: float) -> Flicker:
            return Flicker.of(seed, f"plant/unit/{name}", *periods_s)

        def belt(name: str, speed_m_s: float, stop_chance: float) -> Belt:
            return Belt(stable_key(seed, "plant", name), speed_m_s, stop_chance, flicker(name, 300.0, 60.0))

        self._load = flicker("load", 21_600.0, 1800.0, 240.0)
        self._sulphur = flicker("sulphur", 28_800.0, 1800.0)
        self._air = flicker("air", 3600.0, 300.0, 60.0)
        self._stack_c = flicker("stack-temperature", 7200.0, 600.0)
        self._weather_pa = flicker("barometer", 180_000.0, 40_000.0)
        self._draught = flicker("draught", 1800.0, 120.0)
        self._cleaning = {name: flicker(name, 7200.0, 900.0, 120.0) for name in ("so2", "nox", "dust")}
        self._belts = {"coal": belt("coal", 2.0, 0.3), "limestone": belt("limestone", 0.8, 0.15)}

    def zero_drift_t_h(self, belt: str) -> float:
        """How far the rate of a standing belt may stray from zero [t/h]."""
        return {"coal": 0.25, "limestone": 0.01}[belt]

    def compute(self, t: FloatArray) -> Series:
        hour = local_hour(t, _UTC_OFFSET_H)
        # Peaks of demand in the morning and the evening, a valley at night.
        demand = np.cos(2.0 * np.pi * (hour - 20.0) / 24.0) + 0.5 * np.cos(4.0 * np.pi * (hour - 9.5) / 24.0)
        coal_t_h = 52.0 + 5.0 * demand + 6.5 * self._load(t)
        limestone_t_h = _LIMESTONE_T_PER_T_COAL * coal_t_h * (1.0 + 0.08 * self._sulphur(t))
        series = {
            **self._belts["coal"].series("coal", t, coal_t_h),
            **self._belts["limestone"].series("limestone", t, limestone_t_h),
        }
        burnt_kg_h = coal_t_h * factors.BITUMINOUS_KG_CO2_PER_T
        calcined_kg_h = limestone_t_h * _LIMESTONE_KG_CO2_PER_T
        return {
            **series,
            **self._stack(t, burnt_kg_h, calcined_kg_h),
            "burnt_t_h": coal_t_h,
            "dissolved_t_h": limestone_t_h,
            "coal_co2_kg_h": series["coal_t_h"] * factors.BITUMINOUS_KG_CO2_PER_T,
            "limestone_co2_kg_h": series["limestone_t_h"] * _LIMESTONE_KG_CO2_PER_T,
            "stack_co2_kg_h": burnt_kg_h + calcined_kg_h,
        }

    def _stack(self, t: FloatArray, burnt_kg_h: FloatArray, calcined_kg_h: FloatArray) -> Series:
        """The gas in the stack, saturated with water by the scrubber."""
        # Less air per coal at full load.
        o2_furnace = 0.058 - 4e-4 * (burnt_kg_h / factors.BITUMINOUS_KG_CO2_PER_T - 52.0)
        o2_furnace = o2_furnace + 0.006 * self._air(t)
        burnt_nm3_h = burnt_kg_h / factors.CO2_KG_PER_NM3
        furnace_gas = burnt_nm3_h / (_STOICHIOMETRIC_CO2 * (1.0 - o2_furnace / _DRY_AIR_O2))
        calcined_nm3_h = calcined_kg_h / factors.CO2_KG_PER_NM3
        dry_nm3_h = furnace_gas + calcined_nm3_h
        stack_c = 50.5 + 1.2 * self._stack_c(t)
        barometric = 92_000.0 + 900.0 * self._weather_pa(t)
        static = -180.0 + 60.0 * self._draught(t)
        pressure = barometric + static
        moisture = water.saturation_pressure_pa(stack_c) / pressure
        wet_m3_h = dry_nm3_h / (1.0 - moisture) * (101_325.0 / pressure) * ((273.15 + stack_c) / 273.15)
        return {
            "co2_pct": 100.0 * (burnt_nm3_h + calcined_nm3_h) / dry_nm3_h,
            "o2_pct": 100.0 * o2_furnace * furnace_gas / dry_nm3_h,
            "moisture_pct": 100.0 * moisture,
            "velocity_m_s": wet_m3_h / 3600.0 / DUCT_AREA_M2,
            "stack_c": stack_c,
            "static_pa": static,
            "barometric_pa": barometric,
            "dry_nm3_h": dry_nm3_h,
            "so2_mg_m3": 18.0 + 9.0 * self._cleaning["so2"](t),
            "nox_mg_m3": 34.0 + 10.0 * self._cleaning["nox"](t),
            "dust_mg_m3": 3.0 + 1.5 * self._cleaning["dust"](t),
        }
