"""Which hours are computed together, and which readings they need."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analytics.ledger import (
    NOTHING_NEAR,
    Near,
    Pace,
    chunks,
    disjoint,
    needed,
    portions,
    touched_days,
    touched_hours,
    widened,
    with_members,
)
from services.domain.ledger.hours import HOUR_US, QUARTER_US, SECOND_US, to_us
from services.domain.ledger.track import Window
from services.domain.quantities import Kind, quantity
from services.domain.reading import DeviceKey
from tests.ledger.conftest import T0, MakeWorld, World

METER = DeviceKey("s", Kind.METER, "m")
OTHER = DeviceKey("s", Kind.METER, "n")
IMPORT = quantity(Kind.METER, "energy_import_kwh").code
EXPORT = quantity(Kind.METER, "energy_export_kwh").code
BEGIN = to_us(T0)


@pytest.fixture(scope="module")
def site(world: MakeWorld) -> World:
    source: dict[str, Any] = {
        "scope": 2,
        "method": "electricity",
        "carrier": "electricity",
        "devices": ["meter/m", "meter/n"],
        "factor_set": "CN_MEE_PROVINCE",
    }
    devices = {"meter/m": {"interval_s": 60}, "meter/n": {"interval_s": 60}}
    return world(devices, {"grid": source}, "Asia/Kathmandu")


def hours(begin: int, end: int) -> Window:
    """Hours of +05:45 from the one that begins 15 minutes after T0 on."""
    return Window(BEGIN + QUARTER_US + begin * HOUR_US, BEGIN + QUARTER_US + end * HOUR_US)


@given(
    touched=st.lists(
        st.tuples(st.sampled_from([METER, OTHER]), st.integers(0, 24 * 4 * 400)), min_size=1, max_size=60
    ),
    at_most=st.sampled_from([1.0, 100.0, 5000.0, 1e6]),
)
@settings(max_examples=60)
def test_every_touched_quarter_is_in_a_chunk(
    site: World, touched: list[tuple[DeviceKey, int]], at_most: float
) -> None:
    found = [
        each
        for device in (METER, OTHER)
        for each in touched_hours(
            site.plan,
            device,
            np.array([quarter + BEGIN // QUARTER_US for of, quarter in touched if of == device], np.int64),
        )
    ]
    portions = list(chunks(Pace(site.plan), found, at_most))
    for device, quarter in touched:
        time = BEGIN + quarter * QUARTER_US
        inside = [each[device] for each in portions if device in each]
        assert any(window.begin_us <= time < window.end_us for window in inside)
    grid = site.plan.history(METER).grid
    for each in portions:
        for window in each.values():
            assert (grid.floor(window.begin_us), grid.ceil(window.end_us)) == window
            # Nothing is computed only because it lies between.
            assert window.end_us - window.begin_us <= max(25, at_most / 60) * HOUR_US + 24 * HOUR_US


@given(first=st.integers(-30, 30), count=st.integers(1, 900), at_most=st.sampled_from([1.0, 2000.0, 1e6]))
@settings(max_examples=60)
def test_portions_are_the_whole_in_order(site: World, first: int, count: int, at_most: float) -> None:
    window = hours(first, first + count)
    parts = [each[METER] for each in portions(site.plan, Pace(site.plan), {METER: window}, at_most)]
    assert parts[0].begin_us == window.begin_us
    assert parts[-1].end_us == window.end_us
    assert all(one.end_us == next_.begin_us for one, next_ in pairwise(parts))


def test_portions_are_of_what_was_sent_not_of_what_was_expected(site: World) -> None:
    stranger = DeviceKey("elsewhere", Kind.METER, "x")
    window = Window(BEGIN, BEGIN + 24 * HOUR_US)
    counted = {METER: (24 * 3600, 24 * HOUR_US), stranger: (3600, HOUR_US)}
    pace = Pace(site.plan, counted)
    assert pace.of_all({METER: window, stranger: window}) == 2 * 24 * 3600
    assert (pace.of(OTHER, window), Pace(site.plan).of(stranger, window)) == (24 * 60, 24 * 120)
    days = [
        touched
        for device in (METER, stranger)
        for touched in touched_days(site.plan, device, BEGIN + 3 * HOUR_US, BEGIN + 75 * HOUR_US)
    ]
    assert max(pace.of_all(each) for each in chunks(pace, days, 50_000)) < 100_000
    assert len(list(chunks(Pace(site.plan), days, 50_000))) == 1


def test_a_stretch_reopens_hours_that_may_have_begun_elsewhere(site: World) -> None:
    days = list(touched_days(site.plan, METER, BEGIN, BEGIN + 30 * HOUR_US))
    assert [each.day for each in days] == [BEGIN // (24 * HOUR_US) + i for i in (-1, 0, 1)]
    assert days[0].window.begin_us <= BEGIN - HOUR_US - 180 * SECOND_US
    assert days[-1].window.end_us >= BEGIN + 31 * HOUR_US + 180 * SECOND_US
    assert days[0].window.end_us >= days[1].window.begin_us


def test_a_step_reaches_to_its_other_reading(site: World) -> None:
    grid = site.plan.history(METER).grid
    near = Near({IMPORT: hours(-9, 0).begin_us}, {}, frozenset(), heard_before=hours(-2, 0).begin_us + 5)
    assert widened(grid, hours(0, 1), near, {IMPORT}, []) == hours(-9, 1)
    # A register that is not among what came leaves its steps as they are.
    assert widened(grid, hours(0, 1), near, {EXPORT}, []) == hours(-2, 1)
    # What was there before counts, too: it may have been taken away.
    gone = near._replace(inside=frozenset({IMPORT}), after={IMPORT: hours(5, 0).begin_us})
    assert widened(grid, hours(0, 1), gone, (), []) == hours(-9, 6)
    # The first reading of a device: the hours up to those of its source's others have rows, too.
    assert widened(grid, hours(0, 1), NOTHING_NEAR, (), [near]) == hours(-2, 1)


def test_a_source_needs_all_its_devices(site: World) -> None:
    [source] = site.plan.sources_of(METER)
    everything, sources = with_members(site.plan, {METER: hours(0, 2), OTHER: hours(5, 6)})
    assert everything == {METER: hours(0, 6), OTHER: hours(0, 6)}
    assert sources == {source: hours(0, 6)}
    stranger = DeviceKey("elsewhere", Kind.METER, "x")
    assert with_members(site.plan, {stranger: hours(0, 2)}) == ({stranger: hours(0, 2)}, {})


def test_the_readings_of_a_window(site: World) -> None:
    history = site.plan.history(METER)
    hold, back = 180 * SECOND_US, history.memory_us
    assert back == 4140 * SECOND_US  # an hour of minutes, for a value that is stuck, and three holds
    window = hours(0, 1)
    assert needed(history, window, NOTHING_NEAR) == [Window(window.begin_us - back, window.end_us + hold)]
    heard_us = hours(-3, 0).begin_us + 5
    near = Near({IMPORT: hours(-9, 0).begin_us}, {}, frozenset(), heard_before=heard_us)
    far = hours(-9, -8)
    assert needed(history, window, near) == [
        Window(far.begin_us - back, far.end_us + hold),
        Window(heard_us, heard_us + 1),
        Window(window.begin_us - back, window.end_us + hold),
    ]


def test_windows_that_touch_are_one() -> None:
    assert disjoint([Window(5, 9), Window(0, 3), Window(3, 4), Window(6, 7)]) == [Window(0, 4), Window(5, 9)]
