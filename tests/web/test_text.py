"""Numbers on the board."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analytics.web.text import (
    DASH,
    age_text,
    amount_text,
    count_text,
    difference_text,
    share_text,
    uncertainty_text,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, DASH),
        (float("nan"), DASH),
        (float("inf"), DASH),
        (0.0, "0"),
        (-0.0, "0"),
        (0.0123, "0.0123"),
        (1.0, "1.00"),
        (9.996, "10.00"),
        (12.34, "12.3"),
        (123.4, "123"),
        (198_340.0, "198,340"),
        (-41.25, "-41.2"),
    ],
)
def test_amount(value: float | None, expected: str) -> None:
    assert amount_text(value) == expected


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_amount_shown_is_within_half_a_percent(value: float) -> None:
    assert float(amount_text(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(("value", "expected"), [(None, DASH), (0, "0"), (1_284_113, "1,284,113")])
def test_count(value: int | None, expected: str) -> None:
    assert count_text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, DASH), (0.0, "0 %"), (0.999, "99 %"), (1.0, "100 %"), (0.29, "29 %"), (float("nan"), DASH)],
)
def test_share_is_never_rounded_up(value: float | None, expected: str) -> None:
    assert share_text(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, DASH),
        (-3.0, "0 s"),
        (0.4, "0 s"),
        (59.0, "59 s"),
        (90.0, "2 min"),
        (7200.0, "2 h"),
        (200_000.0, "2 d"),
    ],
)
def test_age(seconds: float | None, expected: str) -> None:
    assert age_text(seconds) == expected


@pytest.mark.parametrize(
    ("percent", "expected"), [(None, DASH), (2.04, "+2.0 %"), (-0.06, "-0.1 %"), (float("inf"), DASH)]
)
def test_difference(percent: float | None, expected: str) -> None:
    assert difference_text(percent) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, DASH),
        (float("nan"), DASH),
        (0.0, "± 0 %"),
        (5.38, "± 5.4 %"),
        (12.5, "± 12 %"),
        (250.0, "± 250 %"),
    ],
)
def test_uncertainty(value: float | None, expected: str) -> None:
    assert uncertainty_text(value) == expected
