from __future__ import annotations

import pytest

from services.domain.factors import Factor
from services.domain.units import (
    FACTOR_UNITS,
    GJ_PER_KWH,
    HEATING_VALUE_UNITS,
    M3_PER_GALLON,
    M3_PER_SCF,
    Dimension,
)


def test_every_unit_of_the_shipped_table_has_a_conversion(factors: tuple[Factor, ...]) -> None:
    assert {factor.unit for factor in factors} <= FACTOR_UNITS.keys()
    named = {factor.ncv_unit for factor in factors if factor.ncv_unit is not None}
    assert named <= HEATING_VALUE_UNITS.keys()


def test_every_heating_value_is_per_a_known_unit() -> None:
    assert {unit for unit, _ in HEATING_VALUE_UNITS.values()} <= FACTOR_UNITS.keys()


@pytest.mark.parametrize(
    ("unit", "dimension", "size"),
    [
        ("t", Dimension.MASS, 1.0),
        ("short ton", Dimension.MASS, 0.90718474),
        ("1e4 Nm3", Dimension.GAS, 10_000.0),
        ("scf", Dimension.GAS, 0.0283168466),
        ("gal", Dimension.LIQUID, 0.003785411784),
        ("m3", Dimension.VOLUME, 1.0),
        ("kWh", Dimension.ENERGY, 0.0036),
        ("MJ", Dimension.ENERGY, 0.001),
        ("GJ", Dimension.ENERGY, 1.0),
        ("mmBtu", Dimension.ENERGY, 1.05505585),
    ],
)
def test_sizes(unit: str, dimension: Dimension, size: float) -> None:
    assert FACTOR_UNITS[unit].dimension is dimension
    assert FACTOR_UNITS[unit].size == pytest.approx(size, rel=1e-8)


def test_no_unit_lacks_a_case_above() -> None:
    [sizes] = [mark for mark in getattr(test_sizes, "pytestmark") if mark.name == "parametrize"]  # noqa: B009
    assert {case[0] for case in sizes.args[1]} == FACTOR_UNITS.keys()


def test_definitions() -> None:
    assert pytest.approx(231 * 0.0254**3, rel=1e-12) == M3_PER_GALLON
    assert pytest.approx((12 * 0.0254) ** 3, rel=1e-12) == M3_PER_SCF
    assert GJ_PER_KWH * 1000 == 3.6
