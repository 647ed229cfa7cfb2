"""The formulas that turn a reading into an activity: each exists once, for the live stream and for the
ledger.

A formula takes `x`, the movement of a register or a rate, and gives the activity of the one or the activity
per hour of the other: all are linear in `x` (for `x` of 0 and more). Parameters are numbers of the registry,
one value per row, so that one call serves the readings of many devices. NaN in an argument the result hangs
on gives NaN.

Every formula's first parameter is `scale`: what the device does not apply itself (CT x PT ratio), base states
and units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.domain import liquids, steam
from services.domain.arrays import FloatArray
from services.domain.conditions import volume_at_base
from services.domain.methods import cems, heat

Evaluate: TypeAlias = Callable[[FloatArray, Sequence[FloatArray], Sequence[FloatArray]], FloatArray]


Holds: TypeAlias = Callable[[Sequence[FloatArray], Sequence[FloatArray]], npt.NDArray[np.bool_]]


class Fault(NamedTuple):
    """Inputs that are known and yet give no activity: why, for people, and where that is so of (inputs,
    params)."""

    reason: str
    holds: Holds


@dataclass(frozen=True, slots=True)
class Formula:
    """One way of computing an activity.

    `inputs` are the quantities besides the activity one, `params` the names of the parameters. `optional`
    inputs may be NaN (the device does not send them) and the result is known all the same: take what is
    covered from the result, not from the inputs. `faults` explain NaN from inputs that are known.
    """

    name: str
    inputs: tuple[str, ...]
    params: tuple[str, ...]
    evaluate: Evaluate = field(repr=False, compare=False)
    optional: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = field(default=(), repr=False, compare=False)


def _linear(x: FloatArray, _inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    return x * params[0]


def _one_way(x: FloatArray, _inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    return np.maximum(x * params[0], 0.0)


def _belt(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    scale, only_running = params
    return np.where((only_running != 0.0) & (inputs[0] == 0.0) & ~np.isnan(x), 0.0, x * scale)


def _gas_line(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    scale, pressure_offset_kpa, base_temperature_k, compressibility_ratio = params
    temperature_c, pressure_kpa = inputs
    return volume_at_base(
        x * scale,
        temperature_c,
        pressure_kpa + pressure_offset_kpa,
        base_temperature_k,
        compressibility_ratio,
    )


LINEAR: Final = Formula("linear", (), ("scale",), _linear)
"""activity = x scale"""

ONE_WAY: Final = Formula("one_way", (), ("scale",), _one_way)
"""activity = max(x scale, 0): what is imported. Power fed back is not a negative purchase."""

BELT: Final = Formula("belt", ("running",), ("scale", "only_running"), _belt, frozenset({"running"}))
"""activity = x scale; with `only_running` 1 it is 0 while the belt stands still (the zero drift of an idle
belt is no coal). Registers have `only_running` 0."""

GAS_LINE: Final = Formula(
    "gas_line",
    ("temperature_c", "pressure_kpa"),
    ("scale", "pressure_offset_kpa", "base_temperature_k", "compressibility_ratio"),
    _gas_line,
)
"""Volume at a base state from the volume at line conditions (`conditions.volume_at_base`)."""


def _liquid_line(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    scale, *expansion = params
    return x * scale * liquids.volume_correction(inputs[0], *expansion)


LIQUID_LINE: Final = Formula(
    "liquid_line",
    ("temperature_c",),
    ("scale", "density_at_c", "expansion_per_k", "curvature"),
    _liquid_line,
    faults=(
        Fault(
            f"liquid outside {liquids.LOWEST_C:g} to {liquids.HIGHEST_C:g} degC, where no expansion is known",
            liquids.out_of_range,
        ),
    ),
)
"""Volume at line temperature to that at the temperature of the density (`liquids.volume_correction`); the
density is in `scale`."""


def _heat(
    name: str,
    inputs: tuple[str, ...],
    gj: Callable[..., FloatArray],
    optional: frozenset[str] = frozenset(),
    faults: Mapping[str, Callable[..., npt.NDArray[np.bool_]]] = MappingProxyType({}),
    further: tuple[str, ...] = (),
) -> Formula:
    """A heat formula: `gj(x, *inputs, *further)` with pressure made absolute and in MPa where it is among the
    inputs, and `further` parameters as they are; `faults` by reason, of the same inputs."""

    def measured(values: Sequence[FloatArray], params: Sequence[FloatArray]) -> list[FloatArray]:
        pressure_offset_kpa = params[1]
        return [
            (value + pressure_offset_kpa) / 1000.0 if role == "pressure_kpa" else value
            for role, value in zip(inputs, values, strict=True)
        ]

    def evaluate(x: FloatArray, values: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
        return gj(x * params[0], *measured(values, params), *params[2:])

    def fault(reason: str, of: Callable[..., npt.NDArray[np.bool_]]) -> Fault:
        return Fault(reason, lambda values, params: of(*measured(values, params)))

    explained = tuple(fault(reason, of) for reason, of in faults.items())
    return Formula(name, inputs, ("scale", "pressure_offset_kpa", *further), evaluate, optional, explained)


def _boils(pressure_mpa: FloatArray, temperature_c: FloatArray, *_: FloatArray) -> npt.NDArray[np.bool_]:
    return steam.boils(heat.circuit_pressure(pressure_mpa), temperature_c)


_WET: Final = MappingProxyType(
    {"steam colder than saturation at its pressure: water, or a sensor at fault": steam.too_cold}
)
_BOILING: Final = MappingProxyType(
    {"water hotter than saturation at its pressure: it would boil, or a sensor is at fault": _boils}
)
_CIRCUIT: Final[Mapping[str, Callable[..., npt.NDArray[np.bool_]]]] = MappingProxyType(
    {"return warmer than the supply: sensors swapped, or a circuit that cools": heat.swapped, **_BOILING}
)


_P: Final = ("pressure_kpa",)
_T: Final = ("temperature_c",)
_PT: Final = ("pressure_kpa", "temperature_c")
_PTR: Final = ("pressure_kpa", "temperature_c", "return_temperature_c")
_NO_PRESSURE: Final = frozenset({"pressure_kpa"})
_DRYNESS: Final = ("dryness_fraction",)

STEAM_SUPERHEATED: Final = _heat("steam_superheated", _PT, heat.superheated_steam_gj, faults=_WET)
STEAM_SUPERHEATED_VOLUME: Final = _heat(
    "steam_superheated_volume", _PT, heat.superheated_steam_volume_gj, faults=_WET
)
STEAM_SATURATED_P: Final = _heat(
    "steam_saturated_p", _P, heat.saturated_steam_by_pressure_gj, further=_DRYNESS
)
STEAM_SATURATED_P_VOLUME: Final = _heat(
    "steam_saturated_p_volume", _P, heat.saturated_steam_volume_by_pressure_gj, further=_DRYNESS
)
STEAM_SATURATED_T: Final = _heat(
    "steam_saturated_t", _T, heat.saturated_steam_by_temperature_gj, further=_DRYNESS
)
STEAM_SATURATED_T_VOLUME: Final = _heat(
    "steam_saturated_t_volume", _T, heat.saturated_steam_volume_by_temperature_gj, further=_DRYNESS
)
"""Saturated steam by pressure or by temperature; of `dryness_fraction` 1, or wet."""
HOT_WATER_OPEN: Final = _heat("hot_water_open", _T, heat.hot_water_open_gj)
HOT_WATER_OPEN_VOLUME: Final = _heat(
    "hot_water_open_volume", _PT, heat.hot_water_open_volume_gj, _NO_PRESSURE, _BOILING
)
HOT_WATER_CLOSED: Final = _heat(
    "hot_water_closed",
    _PTR,
    heat.hot_water_closed_volume_gj,
    _NO_PRESSURE,
    _CIRCUIT,
    further=("meter_in_return",),
)
HOT_WATER_CLOSED_MASS: Final = _heat(
    "hot_water_closed_mass", _PTR, heat.hot_water_closed_gj, _NO_PRESSURE, _CIRCUIT
)


def _stack_velocity(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    temperature_c, static_pa, barometric_pa, moisture_pct, co2_pct, operating_fraction = inputs
    scale, duct_area_m2, analyser_wet = params
    flow = cems.dry_flow_nm3_h(
        x * scale, duct_area_m2, temperature_c, barometric_pa, static_pa, moisture_pct / 100.0
    )
    co2_dry = np.where(analyser_wet != 0.0, cems.dry_concentration(co2_pct, moisture_pct / 100.0), co2_pct)
    return cems.co2_t_h(flow, co2_dry) * _ran(operating_fraction)


def _stack_flow(x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]) -> FloatArray:
    moisture_pct, co2_pct, operating_fraction = inputs
    scale, flow_wet, analyser_wet = params
    dry_share = cems.dry_share(moisture_pct / 100.0)
    # Flow and concentration on the same basis need no moisture: what the one is larger the other is smaller.
    ratio = np.where(
        (flow_wet != 0.0) == (analyser_wet != 0.0), 1.0, np.where(flow_wet != 0.0, dry_share, 1.0 / dry_share)
    )
    return cems.co2_t_h(x * scale * ratio, co2_pct) * _ran(operating_fraction)


def _ran(operating_fraction: FloatArray) -> FloatArray:
    return np.where(np.isnan(operating_fraction), 1.0, operating_fraction)


HJ75: Final = Formula(
    "hj75",
    (
        "temperature_c",
        "static_pressure_pa",
        "barometric_pressure_pa",
        "moisture_pct",
        "co2_pct",
        "operating_fraction",
    ),
    ("scale", "duct_area_m2", "analyser_wet"),
    _stack_velocity,
    frozenset({"operating_fraction"}),
)
"""t CO2/h from the stack velocity [m/s] (HJ 75-2017 annex C), times the operating fraction where one is
sent."""

HJ75_FLOW: Final = Formula(
    "hj75_flow",
    ("moisture_pct", "co2_pct", "operating_fraction"),
    ("scale", "flow_wet", "analyser_wet"),
    _stack_flow,
    frozenset({"moisture_pct", "operating_fraction"}),
)
"""t CO2/h from a flow the stack's own computer has brought to 0 degC [Nm3/h], wet or dry. Moisture is needed
only where flow and analyser differ in that."""

FORMULAS: Final = (
    LINEAR,
    ONE_WAY,
    BELT,
    GAS_LINE,
    LIQUID_LINE,
    STEAM_SUPERHEATED,
    STEAM_SUPERHEATED_VOLUME,
    STEAM_SATURATED_P,
    STEAM_SATURATED_P_VOLUME,
    STEAM_SATURATED_T,
    STEAM_SATURATED_T_VOLUME,
    HOT_WATER_OPEN,
    HOT_WATER_OPEN_VOLUME,
    HOT_WATER_CLOSED,
    HOT_WATER_CLOSED_MASS,
    HJ75,
    HJ75_FLOW,
)
