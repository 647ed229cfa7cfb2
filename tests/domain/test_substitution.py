"""Each rung of each ladder, the edges between them, and what holds for all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.substitution import ITEMS, History, Policy, Substitute, fill

HOUR_US = 3_600_000_000
NAN = math.nan


def history(values: Sequence[float], stood: Sequence[int] = ()) -> History:
    ran = np.ones(len(values), np.bool_)
    ran[list(stood)] = False
    return History(np.arange(len(values)) * HOUR_US, ran, np.array(values, np.float64))


def of_gap(
    policy: Policy,
    values: Sequence[float],
    hour: int,
    *,
    item: str = "co2_pct",
    stood: Sequence[int] = (),
    most: float | None = None,
) -> Substitute:
    found = fill(policy, item, history(values, stood), hour * HOUR_US, (hour + 1) * HOUR_US, most)
    assert list(found) == [hour * HOUR_US]
    return found[hour * HOUR_US]


def ramp(valid: int, gap: int, *, earlier: int = 0, after: float = 9.0) -> list[float]:
    """`valid` hours that end on 10.0, ..., a gap, and a valid hour; before all that `earlier` missing ones.
    The last 720 valid hours rise from 10.01 to 17.20."""
    rising = [10.0 + 0.01 * i for i in range(1, 721)]
    return [10.0] * (valid - 720) + [NAN] * earlier + rising + [NAN] * gap + [after]


def us(gap: int, available_pct: float, *, after: float = 9.0, most: float | None = 18.0) -> Substitute:
    """Of a history in which just that share of the last 8,760 hours of running was valid."""
    missing = round(8760 * (1 - available_pct / 100))
    values = ramp(12_000, gap, earlier=missing - gap, after=after)
    found = of_gap(Policy.US_PART75, values, len(values) - 2, most=most)
    assert found.availability_pct == pytest.approx(available_pct, abs=0.006)
    assert found.gap_h == gap
    return found


MEAN = (17.2 + 9.0) / 2


@pytest.mark.parametrize(
    ("gap", "available", "after", "value", "method"),
    [
        (1, 99.0, 9.0, MEAN, "mean"),
        (24, 95.0, 9.0, MEAN, "mean"),
        (25, 95.0, 9.0, 10 + 0.01 * 648, "90th"),  # 90 % of 720
        (25, 95.0, 17.0, 17.1, "mean"),  # which is above it
        (8, 94.9, 9.0, MEAN, "mean"),
        (9, 94.9, 9.0, 10 + 0.01 * 684, "95th"),
        (9, 90.0, 9.0, 10 + 0.01 * 684, "95th"),
        (1, 89.9, 9.0, 17.2, "maximum of 720 h"),
        (1, 80.0, 9.0, 17.2, "maximum of 720 h"),
        (1, 79.9, 9.0, 18.0, "maximum potential"),
    ],
)
def test_the_ladder_of_part_75(gap: int, available: float, after: float, value: float, method: str) -> None:
    found = us(gap, available, after=after)
    assert found.value == pytest.approx(value)
    assert found.method is not None
    assert found.method.startswith(f"us_part75: {method}")


def test_below_80_percent_the_maximum_potential_must_be_named() -> None:
    found = us(1, 79.9, most=None)
    assert (found.value, found.method) == (None, None)
    assert found.reason == "availability below 80 % and no maximum potential is named"


def test_the_first_720_hours_of_part_75() -> None:
    values = [10.0] * 719 + [NAN] * 200 + [12.0]
    found = of_gap(Policy.US_PART75, values, 800)
    assert (found.value, found.method) == (11.0, "us_part75: mean of the hours before and after, first 720 h")
    one_more = of_gap(Policy.US_PART75, [10.0, *values], 800)
    assert one_more.reason == "availability below 80 % and no maximum potential is named"


def test_hours_older_than_three_years_say_nothing() -> None:
    lately = [10.0] * 26_000 + [NAN] + [12.0]
    old = [NAN] * 20_000
    assert of_gap(Policy.US_PART75, old + lately, 46_000) == of_gap(
        Policy.US_PART75, [NAN] * 279 + lately, 26_279
    )


def test_oxygen_is_worst_where_it_is_lowest() -> None:
    values = [-value for value in ramp(12_000, 25)]
    found = of_gap(Policy.US_PART75, values, len(values) - 2, item="o2_pct")
    assert found.value == pytest.approx(-(10 + 0.01 * 648))
    values = [-value for value in ramp(12_000, 1, earlier=2000)]
    assert of_gap(Policy.US_PART75, values, len(values) - 2, item="o2_pct", most=-18.0).value == -18.0


@pytest.mark.parametrize("policy", [Policy.US_PART75, Policy.HJT75_2007, Policy.HJ75_2017])
def test_a_gap_that_is_not_closed_stays_unknown(policy: Policy) -> None:
    found = of_gap(policy, [10.0] * 50 + [NAN] * 3, 51)
    assert found == Substitute(None, None, "the gap is not closed")
    assert of_gap(policy, [10.0] * 50 + [NAN] * 2, 51) == found  # however it goes on


@pytest.mark.parametrize("policy", [Policy.US_PART75, Policy.EU_ART45, Policy.HJT75_2007, Policy.HJ75_2017])
def test_nothing_stands_in_before_the_first_valid_hour(policy: Policy) -> None:
    assert of_gap(policy, [NAN, 10.0], 0).value is None


def test_hours_of_standstill_are_neither_missing_nor_available() -> None:
    values = [10.0, 10.0, NAN, NAN, NAN, 12.0]
    found = of_gap(Policy.HJT75_2007, values, 4, stood=[3])
    assert (found.value, found.gap_h, found.availability_pct) == (11.0, 2, 50.0)
    assert fill(Policy.HJT75_2007, "co2_pct", history(values, [3]), 3 * HOUR_US, 4 * HOUR_US, None) == {}


def test_the_mean_of_hj_t_75_ends_at_24_hours() -> None:
    assert of_gap(Policy.HJT75_2007, [10.0] + [NAN] * 24 + [12.0], 5).value == 11.0
    longer = of_gap(Policy.HJT75_2007, [10.0] + [NAN] * 25 + [12.0], 5)
    assert (longer.value, longer.reason) == (None, "a gap above 24 h, for which HJ/T 75-2007 has no mean")


def test_mean_and_two_sigma_of_the_year_before() -> None:
    found = of_gap(Policy.EU_ART45, [8.0, 10.0, 12.0, NAN], 3)
    assert found.value == pytest.approx(10.0 + 2 * 2.0)  # and needs no hour after it
    old = [100.0] * 50 + [NAN] * 8757 + [8.0, 10.0, 12.0, NAN, 1.0]
    assert of_gap(Policy.EU_ART45, old, len(old) - 2).value == pytest.approx(14.0)
    assert of_gap(Policy.EU_ART45, [8.0, NAN], 1).value is None


@pytest.mark.parametrize(
    ("gap", "earlier", "value", "method"),
    [
        (24, 0, 31.0, "maximum of 180 h"),
        (25, 0, 32.0, "maximum of 720 h"),
        (24, 216 - 24, 31.0, "maximum of 180 h"),  # 90 % of 2,160 h of running
        (24, 217 - 24, 33.0, "maximum of 2160 h"),
        (24, 540 - 24, 33.0, "maximum of 2160 h"),  # 75 %
        (24, 541 - 24, None, None),
    ],
)
def test_maxima_of_hj_75(gap: int, earlier: int, value: float | None, method: str | None) -> None:
    values = [10.0] * 3000
    values[-100], values[-500], values[-1500] = 31.0, 32.0, 33.0
    values = values[:-800] + [NAN] * earlier + values[-800:] + [NAN] * gap + [9.0]
    found = of_gap(Policy.HJ75_2017, values, len(values) - 2, item="co2_kg")
    assert found.value == value
    assert found.method == (method and f"hj75_2017: {method}")


def test_no_policy_fills_nothing() -> None:
    assert of_gap(Policy.NONE, [1.0, NAN, 1.0], 1).value is None
    assert ITEMS.keys() == set(Policy)


@given(
    values=st.lists(st.one_of(st.just(NAN), st.floats(5.0, 15.0)), min_size=1, max_size=60),
    policy=st.sampled_from(Policy),
    more=st.lists(st.one_of(st.just(NAN), st.floats(5.0, 15.0)), max_size=5),
    begin=st.integers(0, 60),
    count=st.integers(1, 20),
)
@settings(max_examples=150, deadline=None)
def test_a_part_has_the_bits_it_has_in_the_whole(
    values: list[float], policy: Policy, more: list[float], begin: int, count: int
) -> None:
    """Hours beyond the first valid one after the gap, and how much is asked for at once, say nothing."""
    whole = history([*values, 10.0, *more])
    every = fill(policy, "co2_pct", whole, 0, len(whole.hour_us) * HOUR_US, 20.0)
    missing = {int(hour) for hour in whole.hour_us[np.isnan(whole.value)]}
    assert every.keys() == missing
    low, high = begin * HOUR_US, (begin + count) * HOUR_US
    shorter = history([*values, 10.0])
    high = min(high, len(values) * HOUR_US)
    assert fill(policy, "co2_pct", shorter, low, high, 20.0) == {
        hour: each for hour, each in every.items() if low <= hour < high
    }
    for each in every.values():
        assert (each.value is None) == (each.reason is not None) == (each.method is None)
        if each.value is not None and policy is not Policy.EU_ART45:
            assert 5.0 <= each.value <= 20.0
