"""Liquids: the volume at line temperature brought to the temperature of a known density.

V_ref = V exp(-a dt (1 + k a dt)), dt = t - t_ref: the volume correction factor of ISO 91-1:1992 (ASTM
D1250-80 tables 54, API MPMS 11.1), with k 0.8, t_ref 15 degC and a(15 degC) from the density: a = K0/rho^2 +
K1/rho + K2, rho in kg/m3. GB/T 1885 and ISO 91-2 print the same for densities at 20 degC. With k 0 it is a
constant coefficient of cubic expansion, for liquids that the tables do not know. The pressure of the line is
left out: it is worth less than 0.1 % per MPa.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.domain.arrays import FloatArray, column
from services.domain.registry.model import PetroleumGroup

TABLE_C: Final = 15.0
"""The temperature to which the tables' coefficients belong."""
TABLE_CURVATURE: Final = 0.8
LOWEST_C: Final = -50.0
HIGHEST_C: Final = 150.0
"""The range of API MPMS 11.1; outside it there is no volume."""

_TERMS: Final = 16
"""exp of what the range and the largest expansion allow (0.6) is then exact to the last bit."""
_ITERATIONS: Final = 30
_TURNS_TO_FIND_ROW: Final = 10


class _Row(NamedTuple):
    """Densities at 15 degC below `below` [kg/m3], and the coefficients of their expansion."""

    below: float
    k0: float
    k1: float = 0.0
    k2: float = 0.0


# ISO 91-1:1992 tables 54A, 54B (gasolines, transition, jet fuels, fuel oils) and 54D. They are the
# coefficients of API MPMS 11.1 (2004), per degF at 60 degF, times 1.8 and rounded.
_LIGHTEST: Final = MappingProxyType(
    {PetroleumGroup.CRUDE: 610.5, PetroleumGroup.PRODUCTS: 653.0, PetroleumGroup.LUBRICANTS: 800.0}
)
_TABLES: Final = MappingProxyType(
    {
        PetroleumGroup.CRUDE: (_Row(1075.0, 613.9723),),
        PetroleumGroup.PRODUCTS: (
            _Row(770.5, 346.4228, 0.4388),
            _Row(788.0, 2680.3206, k2=-0.00336312),
            _Row(839.0, 594.5418),
            _Row(1075.0, 186.9696, 0.4862),
        ),
        PetroleumGroup.LUBRICANTS: (_Row(1164.0, 0.0, 0.6278),),
    }
)


class Expansion(NamedTuple):
    """A density [t/m3] at a temperature, and how the liquid expands from there."""

    density_t_per_m3: float
    at_c: float
    per_k: float
    curvature: float


def by_coefficient(density_t_per_m3: float, at_c: float, expansion_per_k: float) -> Expansion:
    """A liquid with a stated coefficient of cubic expansion."""
    return Expansion(density_t_per_m3, at_c, expansion_per_k, 0.0)


def by_table(group: PetroleumGroup, density_t_per_m3: float, at_c: float) -> Expansion | None:
    """Oil of the group, by ISO 91-1 from its density at any temperature; None outside the table."""
    if not LOWEST_C <= at_c <= HIGHEST_C:
        return None
    density = density_15 = density_t_per_m3 * 1000.0
    row: _Row | None = None
    for turn in range(_ITERATIONS):
        # The rows of a table do not quite meet: between two of them the last one found is kept to.
        row = _row(group, density_15) if turn < _TURNS_TO_FIND_ROW else row
        if row is None:
            return None
        before = density_15
        density_15 = density / _at(at_c, TABLE_C, _coefficient(row, before), TABLE_CURVATURE)
        if density_15 == before:
            break
    if row is None:
        return None
    return Expansion(density_15 / 1000.0, TABLE_C, _coefficient(row, density_15), TABLE_CURVATURE)


def _row(group: PetroleumGroup, density_15_kg_per_m3: float) -> _Row | None:
    if density_15_kg_per_m3 < _LIGHTEST[group]:
        return None
    return next((row for row in _TABLES[group] if density_15_kg_per_m3 < row.below), None)


def _coefficient(row: _Row, density_15_kg_per_m3: float) -> float:
    return row.k0 / density_15_kg_per_m3**2 + row.k1 / density_15_kg_per_m3 + row.k2


def _at(temperature_c: float, at_c: float, per_k: float, curvature: float) -> float:
    return float(volume_correction(column(temperature_c), column(at_c), column(per_k), column(curvature))[0])


def density_at(expansion: Expansion, temperature_c: float) -> float:
    """The density [t/m3] at another temperature; NaN outside -50 to 150 degC."""
    factor = _at(temperature_c, expansion.at_c, expansion.per_k, expansion.curvature)
    return expansion.density_t_per_m3 * factor


def volume_correction(
    temperature_c: FloatArray, at_c: FloatArray, per_k: FloatArray, curvature: FloatArray
) -> FloatArray:
    """V(at_c)/V(temperature_c); NaN outside -50 to 150 degC.

    The exponential is its series in Horner's form: multiplications and additions alone give the same bits for
    one value and for many, on every machine.
    """
    dt = np.where(outside(temperature_c), np.nan, temperature_c - at_c)
    expansion = per_k * dt
    exponent = -expansion * (1.0 + curvature * expansion)
    result: FloatArray = np.ones_like(exponent)
    for n in range(_TERMS, 0, -1):
        result = 1.0 + result * exponent * (1.0 / n)
    return result


def outside(temperature_c: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a temperature is known and outside the range."""
    found: npt.NDArray[np.bool_] = (temperature_c < LOWEST_C) | (temperature_c > HIGHEST_C)
    return found


def out_of_range(inputs: Sequence[FloatArray], _params: Sequence[FloatArray]) -> npt.NDArray[np.bool_]:
    """`outside` as the formula's fault: its only input is the temperature."""
    return outside(inputs[0])
