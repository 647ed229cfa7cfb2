"""Enthalpy and density of water and steam by IAPWS-IF97, on arrays.

Pressures are absolute, in MPa; temperatures in degC; enthalpies in kJ/kg; densities in kg/m3. What lies
outside the range of the formulation, or in the other phase than the one asked for, is NaN: never the value of
the wrong phase.

The library (seuif97) has no array call. Masks and ranges are done on arrays; only the library's own function
runs per value, mapped in C over plain floats (docs/methods.md has the measured cost).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Final

import numpy as np
import numpy.typing as npt
import seuif97

from services.domain.arrays import FloatArray

TRIPLE_POINT_MPA: Final = 0.000611657
CRITICAL_MPA: Final = 22.064
CRITICAL_C: Final = 373.946
TRIPLE_POINT_C: Final = 0.01
MAXIMUM_MPA: Final = 100.0
REGION_2_MAXIMUM_C: Final = 800.0
REGION_1_MAXIMUM_C: Final = 350.0
SATURATION_TOLERANCE_K: Final = 2.0
"""Steam said to be superheated and measured at most so far below saturation is taken as saturated: that is
what the sensors' accuracy allows. Further below it is water or a sensor fault."""
_PHASE_MARGIN_K: Final = 1e-6
"""So near to saturation the library's choice of the phase hangs on the last bit: the saturated value is
taken."""

# Water at most so hot under at least so much pressure is liquid: Tsat(0.1 MPa) is 99.6 degC.
_COLD_ABOVE_MPA = 0.1
_COLD_UP_TO_C = 99.0

# The library reports an error as one of its codes, -9999 and the like; no enthalpy or volume comes near.
_ERROR_BELOW = -1000.0


def saturation_temperature(pressure_mpa: FloatArray) -> FloatArray:
    """Tsat(p), IF97 region 4 [degC]; NaN above the critical and below the triple point."""
    return _dry(seuif97.px2t, _two_phase_pressure(pressure_mpa))


def saturation_pressure(temperature_c: FloatArray) -> FloatArray:
    """psat(T), IF97 region 4 [MPa]; NaN above the critical and below the triple point."""
    return _dry(seuif97.tx2p, _two_phase_temperature(temperature_c))


def saturated_vapour_enthalpy_by_pressure(pressure_mpa: FloatArray) -> FloatArray:
    """h''(p). Not monotonic: its maximum is 2803.29 kJ/kg at 3.08 MPa."""
    return _dry(seuif97.px2h, _two_phase_pressure(pressure_mpa))


def saturated_vapour_enthalpy_by_temperature(temperature_c: FloatArray) -> FloatArray:
    """h''(T)."""
    return _dry(seuif97.tx2h, _two_phase_temperature(temperature_c))


def saturated_vapour_density_by_pressure(pressure_mpa: FloatArray) -> FloatArray:
    return 1.0 / _dry(seuif97.px2v, _two_phase_pressure(pressure_mpa))


def saturated_vapour_density_by_temperature(temperature_c: FloatArray) -> FloatArray:
    return 1.0 / _dry(seuif97.tx2v, _two_phase_temperature(temperature_c))


def wet_steam_enthalpy_by_pressure(pressure_mpa: FloatArray, dryness_fraction: FloatArray) -> FloatArray:
    """h(p, x) = h' + x (h'' - h') of steam of which the mass fraction x is vapour, 0 < x <= 1."""
    return _evaluate(seuif97.px2h, _two_phase_pressure(pressure_mpa), _dryness(dryness_fraction))


def wet_steam_enthalpy_by_temperature(temperature_c: FloatArray, dryness_fraction: FloatArray) -> FloatArray:
    """h(T, x), as `wet_steam_enthalpy_by_pressure`."""
    return _evaluate(seuif97.tx2h, _two_phase_temperature(temperature_c), _dryness(dryness_fraction))


def wet_steam_density_by_pressure(pressure_mpa: FloatArray, dryness_fraction: FloatArray) -> FloatArray:
    """rho(p, x) = 1/(v' + x (v'' - v')) of water and vapour that flow equally fast."""
    return 1.0 / _evaluate(seuif97.px2v, _two_phase_pressure(pressure_mpa), _dryness(dryness_fraction))


def wet_steam_density_by_temperature(temperature_c: FloatArray, dryness_fraction: FloatArray) -> FloatArray:
    """rho(T, x), as `wet_steam_density_by_pressure`."""
    return 1.0 / _evaluate(seuif97.tx2v, _two_phase_temperature(temperature_c), _dryness(dryness_fraction))


def superheated_enthalpy(pressure_mpa: FloatArray, temperature_c: FloatArray) -> FloatArray:
    """h(p, T) of superheated steam; h''(p) up to 2 K below saturation, NaN below that.

    Above the critical pressure there is no saturation: steam is what is hotter than the critical point.
    """
    return _superheated(seuif97.pt2h, seuif97.px2h, pressure_mpa, temperature_c)


def superheated_density(pressure_mpa: FloatArray, temperature_c: FloatArray) -> FloatArray:
    """rho(p, T) of superheated steam, with the same rule at saturation as `superheated_enthalpy`."""
    return 1.0 / _superheated(seuif97.pt2v, seuif97.px2v, pressure_mpa, temperature_c)


def too_cold(pressure_mpa: FloatArray, temperature_c: FloatArray) -> npt.NDArray[np.bool_]:
    """Where what is said to be superheated steam is colder than saturation by more than the tolerance."""
    return temperature_c < saturation_temperature(pressure_mpa) - SATURATION_TOLERANCE_K


def boils(pressure_mpa: FloatArray, temperature_c: FloatArray) -> npt.NDArray[np.bool_]:
    """Where what is said to be water is at saturation or hotter."""
    return temperature_c > saturation_temperature(pressure_mpa) - _PHASE_MARGIN_K


def water_enthalpy(pressure_mpa: FloatArray, temperature_c: FloatArray) -> FloatArray:
    """h(p, T) of liquid water, IF97 region 1; NaN where it would boil."""
    return _evaluate(seuif97.pt2h, *_liquid(pressure_mpa, temperature_c))


def water_density(pressure_mpa: FloatArray, temperature_c: FloatArray) -> FloatArray:
    """rho(p, T) of liquid water, IF97 region 1; NaN where it would boil."""
    return 1.0 / _evaluate(seuif97.pt2v, *_liquid(pressure_mpa, temperature_c))


def _two_phase_pressure(pressure_mpa: FloatArray) -> FloatArray:
    inside = (pressure_mpa >= TRIPLE_POINT_MPA) & (pressure_mpa <= CRITICAL_MPA)
    return np.where(inside, pressure_mpa, np.nan)


def _two_phase_temperature(temperature_c: FloatArray) -> FloatArray:
    inside = (temperature_c >= TRIPLE_POINT_C) & (temperature_c <= CRITICAL_C)
    return np.where(inside, temperature_c, np.nan)


def _dryness(fraction: FloatArray) -> FloatArray:
    """At x = 0 there is no steam."""
    return np.where((fraction > 0.0) & (fraction <= 1.0), fraction, np.nan)


def _liquid(pressure_mpa: FloatArray, temperature_c: FloatArray) -> tuple[FloatArray, FloatArray]:
    # What heating circuits carry needs no look at the saturation line: it spares a third of the calls.
    surely = (pressure_mpa >= _COLD_ABOVE_MPA) & (temperature_c <= _COLD_UP_TO_C)
    boiling = np.where(
        pressure_mpa > CRITICAL_MPA,
        REGION_1_MAXIMUM_C,
        np.minimum(saturation_temperature(np.where(surely, np.nan, pressure_mpa)), REGION_1_MAXIMUM_C),
    )
    in_range = (pressure_mpa <= MAXIMUM_MPA) & (temperature_c >= 0.0)
    liquid = in_range & (surely | (temperature_c <= boiling - _PHASE_MARGIN_K))
    return np.where(liquid, pressure_mpa, np.nan), np.where(liquid, temperature_c, np.nan)


def _superheated(
    of_pressure_and_temperature: Callable[[float, float], float],
    of_pressure_and_quality: Callable[[float, float], float],
    pressure_mpa: FloatArray,
    temperature_c: FloatArray,
) -> FloatArray:
    in_range = (pressure_mpa > 0.0) & (pressure_mpa <= MAXIMUM_MPA) & (temperature_c <= REGION_2_MAXIMUM_C)
    supercritical = in_range & (pressure_mpa > CRITICAL_MPA) & (temperature_c > CRITICAL_C)
    above_saturation = temperature_c - saturation_temperature(pressure_mpa)
    dry = in_range & (above_saturation > _PHASE_MARGIN_K)
    saturated = (
        in_range & (above_saturation <= _PHASE_MARGIN_K) & (above_saturation >= -SATURATION_TOLERANCE_K)
    )
    superheated = _evaluate(
        of_pressure_and_temperature, np.where(dry | supercritical, pressure_mpa, np.nan), temperature_c
    )
    if not saturated.any():
        return superheated
    at_saturation = _dry(of_pressure_and_quality, np.where(saturated, pressure_mpa, np.nan))
    return np.where(saturated, at_saturation, superheated)


def _evaluate(function: Callable[[float, float], float], first: FloatArray, second: FloatArray) -> FloatArray:
    """`function` where both are known, NaN elsewhere and where the library reports an error."""
    first, second = np.broadcast_arrays(first, second)
    known = np.isfinite(first) & np.isfinite(second)
    return _called(known, map(function, first[known].tolist(), second[known].tolist()))


def _dry(function: Callable[[float, float], float], first: FloatArray) -> FloatArray:
    """`function` of saturated vapour (quality 1) where `first` is known."""
    known = np.isfinite(first)
    return _called(known, map(function, first[known].tolist(), repeat(1.0)))


def _called(known: npt.NDArray[np.bool_], values: Iterable[float]) -> FloatArray:
    found = np.fromiter(values, np.float64, int(np.count_nonzero(known)))
    result = np.full(known.shape, np.nan)
    result[known] = np.where(found > _ERROR_BELOW, found, np.nan)
    return result
