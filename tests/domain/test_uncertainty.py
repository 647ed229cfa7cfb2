"""IPCC approach 1: the guideline's rules, correlation by what is shared, and unknown never taken for none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.uncertainty import (
    Summand,
    Uncertain,
    grouped_sum_pct,
    groups,
    product_pct,
    shared_sum_pct,
    sum_pct,
    total,
)

percents = st.floats(0.0, 60.0)
kilograms = st.floats(1e-3, 1e6)
lists = st.lists(st.tuples(kilograms, percents), min_size=1, max_size=8)


def test_product_of_the_worked_example() -> None:
    # Activity 0.5, NCV 1.5, carbon content 2.0, oxidation rate 0.5 %
    assert f"{float(product_pct(0.5, 1.5, 2.0, 0.5)):.3f}" == "2.598"


def test_sums() -> None:
    amounts, parts = np.array([100.0, 50.0]), np.array([3.0, 8.0])
    assert float(sum_pct(amounts, parts)) == pytest.approx(math.hypot(300, 400) / 150)
    assert float(shared_sum_pct(amounts, parts)) == pytest.approx(700 / 150)
    # An output of a mass balance, by the same scale as the input: what it errs cancels.
    assert float(shared_sum_pct(np.array([100.0, -50.0]), np.array([2.0, 2.0]))) == pytest.approx(2.0)
    # Two of one group, one of another: the two add up, then the squares.
    three, pct = np.array([100.0, 50.0, 10.0]), np.array([1.0, 2.0, 15.0])
    assert float(grouped_sum_pct(three, pct, np.array([0, 0, 1]))) == pytest.approx(
        math.hypot(200, 150) / 160
    )


def test_arrays_of_sums_are_taken_row_by_row() -> None:
    amounts = np.array([[100.0, 50.0], [1.0, 3.0]])
    parts = np.array([[3.0, 8.0], [np.nan, 1.0]])
    found = grouped_sum_pct(amounts, parts, np.array([0, 1]))
    assert found[0] == sum_pct(amounts[0], parts[0])
    assert np.isnan(found[1])
    assert product_pct(amounts, parts).shape == (2, 2)


def test_what_sums_up_to_nothing_has_no_share() -> None:
    assert np.isnan(sum_pct(np.array([1.0, -1.0]), np.array([2.0, 2.0])))


@given(lists)
def test_sharing_never_makes_a_sum_of_like_signs_more_certain(values: list[tuple[float, float]]) -> None:
    amounts, parts = (np.array(column) for column in zip(*values, strict=True))
    apart, together = float(sum_pct(amounts, parts)), float(shared_sum_pct(amounts, parts))
    assert apart <= together * (1 + 1e-12)
    assert together <= max(parts) * (1 + 1e-12)
    every = np.arange(len(values))
    assert float(grouped_sum_pct(amounts, parts, every)) == pytest.approx(apart)
    assert float(grouped_sum_pct(amounts, parts, every * 0)) == pytest.approx(together)


@given(lists, st.integers(1, 20))
def test_hours_of_one_source_are_as_uncertain_as_each(values: list[tuple[float, float]], pct: int) -> None:
    hours = [Summand("boiler", ("gas",), kg, kg * pct / 100, kg * 0.02) for kg, _ in values]
    found = total(hours)
    assert found.uncertainty_pct == pytest.approx(math.hypot(pct, 2.0))


def summand(source: str, factor: str, amount: float, activity: float, of_factor: float) -> Summand:
    return Summand(source, (factor,), amount, amount * activity / 100, amount * of_factor / 100)


def test_two_sources_by_one_factor_share_its_error() -> None:
    apart = total([summand("a", "x", 100, 1, 5), summand("b", "y", 100, 1, 5)])
    shared = total([summand("a", "x", 100, 1, 5), summand("b", "x", 100, 1, 5)])
    assert apart.uncertainty_pct == pytest.approx(math.sqrt(2 * (1 + 25)) / 2)
    assert shared.uncertainty_pct == pytest.approx(math.hypot(math.sqrt(2) / 2, 5.0))


def test_unknown_is_not_certain() -> None:
    known, unknown = summand("a", "x", 100, 3, 4), summand("b", "y", 10, math.nan, 0)
    both = total([known, unknown])
    assert (both.amount, both.uncertainty_pct, both.assessed_amount) == (110.0, None, 100.0)
    assert both.assessed_uncertainty_pct == pytest.approx(5.0)
    assert total([unknown]) == Uncertain(10.0, None, 0.0, None)
    assert total([]) == Uncertain(None, None, 0.0, None)
    # A boiler that stood still adds none, whatever its meter is worth.
    assert total([known, summand("b", "y", 0.0, math.nan, 0)]).uncertainty_pct == pytest.approx(5.0)
    assert total([summand("b", "y", 0.0, 1, 1)]) == Uncertain(0.0, None, 0.0, None)


def test_groups_join_through_what_they_share() -> None:
    assert groups([("a",), ("b",), ("a", "b"), ("c",)]).tolist() == [0, 0, 0, 1]
    assert groups([("a",), ("b",), ("c", "b")]).tolist() == [0, 1, 1]
    assert groups([(), ("b",)]).tolist() == [0, 1]
    assert groups([]).tolist() == []
