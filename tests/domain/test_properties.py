"""What holds for every formula and factor, whatever the values."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.arrays import FloatArray, column
from services.domain.conditions import BASE_TEMPERATURE_K, base_state_ratio, volume_at_base
from services.domain.emission_factor import EmissionFactor
from services.domain.factors import FactorBook, Found
from services.domain.formulas import Formula
from services.domain.methods.fuel_factor import emission_factor
from services.domain.quantities import QUANTITIES, Kind
from services.domain.registry.model import BaseState, FuelProperties
from services.domain.units import FACTOR_UNITS
from tests.domain.samples import FORMULAS, PARAMS, range_of

_LIMITS = {each.name: (each.minimum, each.maximum) for kind in Kind for each in QUANTITIES[kind]}
_EVERY = pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.name)
_DAY = date(2026, 1, 1)
_AMOUNTS = st.one_of(st.just(0.0), st.floats(1e-9, 1e6))


class Rows(NamedTuple):
    """Arguments of a formula, one element each per row."""

    x: FloatArray
    inputs: list[FloatArray]
    params: list[FloatArray]

    def at(self, index: int | list[int]) -> Rows:
        chosen = [index] if isinstance(index, int) else index
        return Rows(self.x[chosen], [v[chosen] for v in self.inputs], [v[chosen] for v in self.params])


def _evaluate(formula: Formula, rows: Rows) -> FloatArray:
    with np.errstate(all="ignore"):
        return formula.evaluate(rows.x, rows.inputs, rows.params)


def _role(formula: Formula, role: str, *, wild: bool) -> st.SearchStrategy[float]:
    usual = st.floats(*range_of(formula, role))
    if not wild:
        return usual
    low, high = _LIMITS[role]
    extremes = st.sampled_from([math.nan, 0.0, low or 0.0, high or 1.0])
    return st.one_of(usual, extremes, st.floats(low, high))


@st.composite
def _rows(draw: st.DrawFn, formula: Formula, size: int, *, wild: bool) -> Rows:
    amounts = st.one_of(_AMOUNTS, st.sampled_from([math.nan, 0.0, 1e15])) if wild else _AMOUNTS

    def many(values: st.SearchStrategy[float]) -> FloatArray:
        return column(draw(st.lists(values, min_size=size, max_size=size)))

    return Rows(
        many(amounts),
        [many(_role(formula, role, wild=wild)) for role in formula.inputs],
        [many(st.sampled_from(PARAMS[name])) for name in formula.params],
    )


@_EVERY
@given(data=st.data())
@settings(max_examples=15)
def test_a_value_alone_in_company_and_in_any_order_is_the_same_to_the_bit(
    formula: Formula, data: st.DataObject
) -> None:
    rows = data.draw(_rows(formula, 7, wild=True))
    order = data.draw(st.permutations(range(7)))
    many = _evaluate(formula, rows)
    mixed = _evaluate(formula, rows.at(order))
    for place, index in enumerate(order):
        assert _evaluate(formula, rows.at(index)).tobytes() == many[[index]].tobytes()
        assert mixed[[place]].tobytes() == many[[index]].tobytes()


@_EVERY
@given(data=st.data())
@settings(max_examples=15)
def test_unknown_is_never_a_number(formula: Formula, data: st.DataObject) -> None:
    rows = data.draw(_rows(formula, 1, wild=False))
    assert np.isnan(_evaluate(formula, rows._replace(x=column(math.nan)))).all()
    for place, role in enumerate(formula.inputs):
        if role not in formula.optional:
            inputs = [column(math.nan) if k == place else v for k, v in enumerate(rows.inputs)]
            assert np.isnan(_evaluate(formula, rows._replace(inputs=inputs))).all(), role
    scale = [column(math.nan), *rows.params[1:]]
    assert np.isnan(_evaluate(formula, rows._replace(params=scale, x=rows.x + 1.0))).all()


@_EVERY
@given(data=st.data(), more=_AMOUNTS)
@settings(max_examples=15)
def test_monotonic_in_the_activity(formula: Formula, data: st.DataObject, more: float) -> None:
    """More is more (or, of water colder than its datum, more negative), and nothing is nothing."""
    rows = data.draw(_rows(formula, 1, wild=False))
    [sign] = np.sign(_evaluate(formula, rows._replace(x=column(1.0))))
    if np.isnan(sign):
        return
    [less], [much] = _evaluate(formula, rows), _evaluate(formula, rows._replace(x=rows.x + more))
    assert (much - less) * sign >= 0.0
    assert _evaluate(formula, rows._replace(x=column(0.0)))[0] == 0.0


@_EVERY
@given(data=st.data(), parts=st.lists(_AMOUNTS, min_size=1, max_size=12))
@settings(max_examples=15)
def test_additive_over_a_split_of_the_time(formula: Formula, data: st.DataObject, parts: list[float]) -> None:
    """What holds for a day holds for its quarter hours together."""
    rows = data.draw(_rows(formula, 1, wild=False))
    whole = _evaluate(formula, rows._replace(x=column(math.fsum(parts))))[0]
    split = _evaluate(formula, rows.at([0] * len(parts))._replace(x=column(parts)))
    if np.isnan(whole):
        assert np.isnan(split[np.array(parts) != 0.0]).all()  # steam of a cold line: nothing of nothing
    else:
        assert math.fsum(split) == pytest.approx(whole, rel=1e-12, abs=1e-12)


@_EVERY
@given(data=st.data(), power=st.integers(-8, 8), ratio=st.floats(0.01, 100.0))
@settings(max_examples=15)
def test_linear_in_the_scale(formula: Formula, data: st.DataObject, power: int, ratio: float) -> None:
    """A CT x PT ratio or a base state's; to the bit where the ratio is a power of two."""
    rows = data.draw(_rows(formula, 1, wild=False))
    [once] = _evaluate(formula, rows)

    def scaled(by: float) -> float:
        [found] = _evaluate(formula, rows._replace(params=[rows.params[0] * by, *rows.params[1:]]))
        return float(found)

    if np.isnan(once):
        return
    assert scaled(2.0**power) == once * 2.0**power
    assert scaled(ratio) == pytest.approx(once * ratio, rel=1e-12, abs=1e-300)


@given(
    pair=st.tuples(st.sampled_from(BaseState), st.sampled_from(BaseState)),
    volume=st.floats(1e-3, 1e9),
    temperature_c=st.floats(-40.0, 80.0),
    pressure_kpa=st.floats(1.0, 1e4),
)
def test_base_states_there_and_back(
    pair: tuple[BaseState, BaseState], volume: float, temperature_c: float, pressure_kpa: float
) -> None:
    one, other = pair
    assert volume * base_state_ratio(one, other) * base_state_ratio(other, one) == pytest.approx(volume)
    measured = (column(volume), column(temperature_c), column(pressure_kpa))
    at_one, at_other = (volume_at_base(*measured, BASE_TEMPERATURE_K[state])[0] for state in pair)
    assert at_one * base_state_ratio(one, other) == pytest.approx(at_other, rel=1e-12)


@pytest.mark.parametrize("unit", FACTOR_UNITS)
@given(amount=st.floats(1e-6, 1e12))
@settings(max_examples=10)
def test_units_of_factors_there_and_back(unit: str, amount: float) -> None:
    size = FACTOR_UNITS[unit].size
    assert amount / size * size == pytest.approx(amount, rel=1e-15)


def _coal(book: FactorBook, **measured: float) -> EmissionFactor:
    found = book.find("IPCC_2006", "anthracite", None, _DAY)
    assert isinstance(found, Found)
    properties: dict[str, Any] = {**measured, "source": "lab 7"}
    return emission_factor(found, FuelProperties.model_validate(properties), "AR6")


@given(
    parts=st.tuples(st.floats(5.0, 50.0), st.floats(0.01, 0.05), st.floats(0.01, 1.0)),
    ratio=st.floats(0.1, 1.0),
    which=st.integers(0, 2),
)
def test_a_fuels_factor_is_linear_in_each_of_its_parts(
    book: FactorBook, parts: tuple[float, float, float], ratio: float, which: int
) -> None:
    names = ("ncv_gj_per_t", "carbon_content_t_per_gj", "oxidation_rate")
    whole = dict(zip(names, parts, strict=True))
    less = {**whole, names[which]: whole[names[which]] * ratio}
    one, other = _coal(book, **whole), _coal(book, **less)
    assert other.co2_kg_per_unit == pytest.approx(one.co2_kg_per_unit * ratio, rel=1e-12)
    assert other.co2_kg_per_unit <= one.co2_kg_per_unit * (1.0 + 1e-15)
    assert other.co2e_kg_per_unit <= one.co2e_kg_per_unit * (1.0 + 1e-15)


@given(share=st.floats(0.0, 1.0), more=st.floats(0.0, 1.0))
def test_more_biomass_counts_less(book: FactorBook, share: float, more: float) -> None:
    one = _coal(book, biogenic_fraction=share)
    other = _coal(book, biogenic_fraction=share + (1.0 - share) * more)
    assert other.co2_kg_per_unit <= one.co2_kg_per_unit
    assert other.biogenic_co2_kg_per_unit >= one.biogenic_co2_kg_per_unit
    assert other.co2_kg_per_unit + other.biogenic_co2_kg_per_unit == pytest.approx(2624.61)
