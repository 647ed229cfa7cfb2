"""Hours of stacks with substitution hang on what is stored, not on its order nor on how much is computed at
once: a missing hour follows from hours far before it, and from the first valid one after it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.conversion import SourceKey
from services.domain.ledger.histories import ItemKey, history_of
from services.domain.ledger.hours import HOUR_US, to_us
from services.domain.ledger.kernel import Ledger, complete, measure
from services.domain.ledger.readings import readings_of
from services.domain.ledger.rows import StackHour
from services.domain.ledger.track import Window
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.domain.substitution import History
from tests.ledger.conftest import T0, MakeWorld, World, reading

CEMS = DeviceKey("s", Kind.CEMS, "c")
HOURS = 48
WHOLE = Window(to_us(T0), to_us(T0) + HOURS * HOUR_US)
POLICIES = ("us_part75", "eu_art45", "hjt75_2007", "hj75_2017", "none")
EVIDENCE = {"o2_pct": {"at_least": 19}}


def stacks() -> dict[str, Any]:
    """One device in a source of each policy."""
    head = {"scope": 1, "method": "cems", "carrier": "flue_gas", "devices": ["cems/c"]}
    validity = ("quadrant", "45min", "80pct", "45min", "quadrant")
    return {
        policy.replace("_", "-"): {
            **head,
            "quantity": "flow_nm3_h",
            "stack": {"hour_validity": how, "substitution": policy, "stopped_evidence": EVIDENCE},
        }
        for policy, how in zip(POLICIES, validity, strict=True)
    }


DEVICES = {"cems/c": {"interval_s": 600, "analyser": "dry"}}


@pytest.fixture(scope="module")
def plant(world: MakeWorld) -> World:
    return world(DEVICES, stacks(), timezone="UTC")


def some_stack_readings(seed: int) -> list[Reading]:
    """Two days in which every hour is whole, or its analyser or all of it fails, or the unit stands still."""
    chance = random.Random(seed)
    rows: list[Reading] = []
    for hour in range(HOURS):
        fate = chance.choice(["whole"] * 5 + ["calibration", "calibration", "silent", "stopped"])
        for minute in range(0, 60, 10):
            values: dict[str, Any] = {
                "flow_nm3_h": chance.uniform(8e5, 1.2e6),
                "co2_pct": chance.uniform(8, 13),
                "o2_pct": 20.5 if fate == "stopped" else 8.0,
            }
            status: Any = Status.STOPPED if fate == "stopped" else Status.VALID
            if fate == "calibration" and minute < 40:
                status = {"co2_pct": "calibration"}
            if fate != "silent":
                rows.append(reading(CEMS, 3600 * hour + 60 * minute, status, **values))
    return rows


def of_window(
    plant: World, rows: Sequence[Reading], window: Window, stored: Iterable[StackHour] = ()
) -> Ledger:
    """The hours of a window, from the readings its windows need and from the stored hours alone."""
    hold_us = 3 * 600 * 1_000_000
    first, last = min(row.time for row in rows), max(row.time for row in rows)
    near = [
        row
        for row in rows
        if window.begin_us - hold_us <= to_us(row.time) < window.end_us + hold_us or row.time in (first, last)
    ]
    sources = dict.fromkeys(plant.plan.sources_of(CEMS), window)
    draft = measure(plant.plan, [readings_of(Kind.CEMS, [CEMS], near)], {CEMS: window}, sources)
    return complete(draft, histories(stored))


def histories(rows: Iterable[StackHour]) -> dict[ItemKey, History]:
    of_item: defaultdict[ItemKey, list[StackHour]] = defaultdict(list)
    for row in rows:
        of_item[ItemKey(row.source, row.device, row.item)].append(row)
    return {
        key: history_of(
            key.item,
            np.array([to_us(row.hour) for row in of_key]),
            np.array([row.ran_h for row in of_key]),
            np.array([row.measured for row in of_key], np.float64),
        )
        for key, of_key in of_item.items()
    }


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_the_order_of_arrival_says_nothing(plant: World, seed: int) -> None:
    rows = some_stack_readings(seed)
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    assert of_window(plant, shuffled, WHOLE) == of_window(plant, rows, WHOLE)


@given(seed=st.integers(0, 10**6), first=st.integers(0, HOURS - 1), count=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_a_few_hours_alone_have_the_bits_they_have_among_all(
    plant: World, seed: int, first: int, count: int
) -> None:
    rows = some_stack_readings(seed)
    whole = of_window(plant, rows, WHOLE)
    window = Window(
        WHOLE.begin_us + first * HOUR_US, min(WHOLE.begin_us + (first + count) * HOUR_US, WHOLE.end_us)
    )
    alone = of_window(plant, rows, window, whole.stack_hours)
    pairs: Any = zip(alone, whole, strict=True)
    for part, among_all in pairs:
        assert list(part) == [row for row in among_all if window.begin_us <= to_us(row.hour) < window.end_us]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_measured_and_substituted_are_apart_and_one_of_them_is_reported(plant: World, seed: int) -> None:
    ledger = of_window(plant, some_stack_readings(seed), WHOLE)
    reported = {(SourceKey(*row.source[:2]), row.hour): row for row in ledger.emission_hours}
    emissions = [row for row in ledger.stack_hours if row.item == "co2_kg"]
    assert emissions
    for row in emissions:
        assert row.measured is None or row.substituted is None
        hour = reported[row.source, row.hour]
        known = row.measured if row.measured is not None else row.substituted
        assert hour.co2_kg == known
        assert (hour.missing_reason, hour.estimated) == (row.reason, row.substituted is not None)
        assert (row.reason is None) == (known is not None)
        assert (row.method is None) == (row.substituted is None)
