"""Devices that are computed together, and how much of the work one round takes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analytics.claims import Budget, earliest
from services.analytics.ledger import Pace
from services.analytics.stretches import Open, portion_end_us, touched_until
from services.domain.factors import FactorBook
from services.domain.ledger.groups import BUCKETS, Groups
from services.domain.ledger.hours import DAY_US, HOUR_US, to_us
from services.domain.ledger.plan import Plan
from services.domain.ledger.track import Window
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.store.ledger_queue import Notes

DAY_0 = to_us(datetime(2026, 3, 1, tzinfo=UTC)) // DAY_US
READINGS_A_DAY = 2880
"""Of a device that nobody said more of: one in 30 s."""


def meter(number: int) -> DeviceKey:
    return DeviceKey("s", Kind.METER, f"m{number}")


def test_sources_join_devices_directly_and_by_way_of_others() -> None:
    groups = Groups([[meter(5), meter(2)], [meter(7), meter(8)], [meter(2), meter(8)], [meter(4)], []])
    assert {groups.head(meter(number)) for number in (5, 2, 7, 8)} == {meter(2)}
    assert groups.head(meter(4)) == meter(4)
    assert groups.head(meter(99)) == meter(99)


def test_a_bucket_is_the_same_in_every_process() -> None:
    # crc32 of "s/meter/m2", as any other program computes it.
    assert Groups(()).bucket(meter(2)) == 0x1A1E57FD % BUCKETS


@given(
    st.lists(
        st.lists(st.integers(0, 30), max_size=4).map(lambda of: [meter(each) for each in of]), max_size=30
    )
)
def test_a_group_is_whole_and_no_larger(joined: list[list[DeviceKey]]) -> None:
    groups = Groups(joined)
    devices = [meter(number) for number in range(31)]
    reached = {device: {device} for device in devices}
    for _ in joined:
        for together in joined:
            everyone = {device for each in together for device in reached[each]}
            for each in everyone:
                reached[each] = reached[each] | everyone
    assert {device: groups.head(device) for device in devices} == {
        device: min(of) for device, of in reached.items()
    }


def test_a_budget_follows_the_time_that_work_takes() -> None:
    budget = Budget(1000, least=50, most=3000, target_s=1.0)
    budget.learn(1000, 2.0)
    assert budget.amount == 500
    budget.learn(500, 100.0)
    assert budget.amount == 125
    budget.learn(100, 1000.0)
    assert budget.amount == 50
    for _ in range(9):
        budget.learn(budget.amount, 0.1)
    assert budget.amount == 3000
    # A round that had little to do was quick for that alone.
    budget = Budget(1000, least=50, most=3000, target_s=1.0)
    budget.learn(10, 0.01)
    assert budget.amount == 1000


def notes(*quarters: int) -> Notes:
    numbers = np.arange(len(quarters), dtype=np.int64)
    return Notes(numbers, np.array(quarters, np.int64), numbers)


@pytest.mark.parametrize(
    ("budget", "taken"),
    [(9, [9, 4, 5, 0, 1, 8]), (4, [4, 5, 0, 1]), (5, [4, 5, 0, 1]), (3, [0, 1]), (2, [0, 1]), (1, [0, 1])],
)
def test_the_earliest_hours_come_first_and_whole(budget: int, taken: list[int]) -> None:
    assert earliest(notes(9, 4, 5, 0, 1, 8), budget).quarters.tolist() == taken


def stretches() -> list[Open]:
    """Two devices, of ten days each; the second from the fifth day on."""
    return [
        Open(
            meter(number), Window((DAY_0 + first) * DAY_US + HOUR_US, (DAY_0 + first + 10) * DAY_US + HOUR_US)
        )
        for number, first in ((1, 0), (2, 4))
    ]


def test_a_portion_ends_with_a_day_of_all_devices() -> None:
    plan = Plan(Registry(version=1), FactorBook(()))
    pace = Pace(plan)
    opened = stretches()
    assert portion_end_us(pace, opened, 1) == (DAY_0 + 1) * DAY_US
    assert portion_end_us(pace, opened, 4.5 * READINGS_A_DAY) == (DAY_0 + 5) * DAY_US
    assert portion_end_us(pace, opened, 7.5 * READINGS_A_DAY) == (DAY_0 + 6) * DAY_US
    assert portion_end_us(pace, opened, 100 * READINGS_A_DAY) is None
    assert portion_end_us(pace, [], 1) is None
    end_us = (DAY_0 + 2) * DAY_US
    touched = touched_until(plan, opened, end_us)
    assert {each.device for each in touched} == {meter(1)}
    # An hour around it, for hours may have begun elsewhere.
    assert max(each.window.end_us for each in touched) == end_us + HOUR_US
