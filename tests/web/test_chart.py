"""Geometry of the hourly charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analytics.web.chart import HEIGHT, WIDTH, Chart, draw
from services.analytics.web.summary import Hour, Part

START = datetime(2026, 11, 22, tzinfo=UTC)
MEMBERS = ["coal", "lime", "grid"]

amounts = st.none() | st.floats(min_value=-1e7, max_value=1e7, allow_subnormal=False)


def chart_of(hours: list[dict[str, float | None]]) -> Chart:
    made = [
        Hour(
            begin=START + timedelta(hours=index),
            local=START + timedelta(hours=index),
            running=index == len(hours) - 1,
            parts=tuple(Part(of, amount, 1.0, False, "no valid reading") for of, amount in hour.items()),
        )
        for index, hour in enumerate(hours)
    ]
    return draw("emissions", made, MEMBERS, "kg")


def test_a_stack_grows_from_zero_in_the_members_order() -> None:
    chart = chart_of([{"coal": 60.0, "lime": 40.0, "grid": 100.0}])
    assert [tick.label for tick in chart.ticks] == ["200", "150", "100", "50.0", "0"]
    coal, lime, grid = chart.columns[0].bars
    assert (coal.height, lime.height, grid.height) == pytest.approx(
        (HEIGHT * 0.3, HEIGHT * 0.2, HEIGHT * 0.5)
    )
    assert coal.y + coal.height == HEIGHT
    assert lime.y + lime.height == pytest.approx(coal.y)
    assert grid.y == pytest.approx(0.0)


def test_what_leaves_hangs_below_zero() -> None:
    chart = chart_of([{"coal": 100.0, "lime": -100.0}])
    assert [tick.zero for tick in chart.ticks] == [False, False, True, False, False]
    coal, lime = chart.columns[0].bars
    assert coal.y + coal.height == pytest.approx(HEIGHT / 2) == pytest.approx(lime.y)


@pytest.mark.parametrize(
    ("hour", "state"),
    [
        ({}, "unknown"),
        ({"coal": None, "lime": None, "grid": None}, "unknown"),
        ({"coal": 1.0}, "partly"),
        ({"coal": 1.0, "lime": None, "grid": 2.0}, "partly"),
        ({"coal": 0.0, "lime": 0.0, "grid": 0.0}, "known"),
    ],
)
def test_unknown_is_a_state_not_a_bar_of_no_height(hour: dict[str, float | None], state: str) -> None:
    column = chart_of([hour]).columns[0]
    assert column.state == state
    assert len(column.bars) == sum(amount is not None for amount in hour.values())


def test_a_title_says_why_an_amount_is_unknown() -> None:
    title = chart_of([{"coal": None, "lime": 12.5}]).columns[0].title
    assert title.splitlines() == [
        "22 Nov, 00:00, running",
        "coal: — (no valid reading)",
        "lime: 12.5 kg, coverage 100 %",
        "grid: — (no readings)",
    ]


@settings(max_examples=80)
@given(st.lists(st.dictionaries(st.sampled_from(MEMBERS), amounts), min_size=1, max_size=24))
def test_every_bar_is_inside_and_as_high_as_its_share(hours: list[dict[str, float | None]]) -> None:
    chart = chart_of(hours)
    values = [float(tick.label.replace(",", "")) for tick in (chart.ticks[0], chart.ticks[-1])]
    assert chart.ticks[0].y == 0
    assert chart.ticks[-1].y == pytest.approx(HEIGHT)
    assert values[0] > values[1]
    for hour, column in zip(hours, chart.columns, strict=True):
        known = [hour[of] for of in MEMBERS if hour.get(of) is not None]
        for amount, bar in zip(known, column.bars, strict=True):
            assert amount is not None
            assert bar.x >= column.x >= 0
            assert bar.x + bar.width <= column.x + column.width + 0.01 <= WIDTH + 0.3
            assert -0.01 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.02
            share = abs(amount) / (values[0] - values[1])
            assert bar.height == pytest.approx(HEIGHT * share, rel=0.01, abs=0.02)
