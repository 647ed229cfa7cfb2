"""Lineage is a function of readings, registry and factors: the same alone, among others, in any order."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.ledger.hours import HOUR_US, to_us
from services.domain.ledger.lineages import Lineage, lineages
from services.domain.ledger.readings import readings_of
from services.domain.ledger.rows import SourceBasis
from services.domain.ledger.used import Hours, used
from services.domain.lineage import Recipes
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import T0, World, reading, site_of
from tests.ledger.test_order_free import DEVICES, EVENTS, SOURCES, some_readings

METER = DeviceKey("s", Kind.METER, "m")
BEGIN_US = to_us(T0)


@pytest.fixture(scope="module")
def plant(factors: Any) -> World:
    return World(factors, {"s": site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)})


def traced(world: World, rows: list[Reading]) -> dict[tuple[SourceBasis, Any], Lineage]:
    """By source and hour, as the ledger does it."""
    found = world.ledger(rows).emission_hours
    batches = [
        readings_of(kind, sorted({row.device for row in of_kind}), of_kind)
        for kind in Kind
        if (of_kind := [row for row in rows if row.device.kind is kind])
    ]
    made = lineages(world.plan, Recipes(world.plan), batches, found)
    return {(row.source, row.hour): Lineage(*each) for row, each in zip(found, made.rows, strict=True)}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
def test_the_order_does_not_matter(plant: World, seed: int, order: Any) -> None:
    rows = some_readings(seed)
    shuffled = list(rows)
    order.shuffle(shuffled)
    first, again = traced(plant, rows), traced(plant, shuffled)
    assert first == again
    for (_, hour), each in first.items():
        assert (each.readings == 0) == (each.read_from is None)
        if each.read_from is not None and each.read_to is not None:
            assert each.read_from <= each.read_to
            # Held into the hour at least.
            assert each.read_to >= hour - timedelta(minutes=30)
            assert each.read_from <= hour + timedelta(hours=1)


def test_a_recipe_is_what_it_says(plant: World) -> None:
    recipes = Recipes(plant.plan)
    basis = SourceBasis("s", "grid", "market")
    hour = [recipes.of(basis, begin, begin + HOUR_US) for begin in (BEGIN_US, BEGIN_US + HOUR_US)]
    assert hour[0].id != hour[1].id  # a contract begins
    for recipe in hour:
        assert recipe.id.bytes == sha256(recipe.document.encode()).digest()[:16]
        assert recipe.feeds == ((METER, "energy_import_kwh"),)
        assert recipe.document == Recipes(plant.plan).of(basis, *_hour(hour.index(recipe))).document
    later = json.loads(hour[1].document)
    assert [each.get("from") for each in later["stretches"]] == [
        None,
        (T0 + timedelta(minutes=65)).isoformat(),
        (T0 + timedelta(minutes=100)).isoformat(),
    ]
    assert later["stretches"][1]["contracts"][0]["certificate"] == "c"
    assert [each["parts"][0]["formula"]["params"] for each in later["stretches"]] == [
        {"scale": 1.0},
        {"scale": 1.0},
        {"scale": 3.0},
    ]


def _hour(number: int) -> tuple[int, int]:
    return BEGIN_US + number * HOUR_US, BEGIN_US + (number + 1) * HOUR_US


def test_a_stock_change_is_in_the_hours_it_spans(plant: World) -> None:
    recipes = Recipes(plant.plan)
    basis = SourceBasis("s", "balance", "none")
    stocks = [json.loads(recipes.of(basis, *_hour(number)).document)["stocks"] for number in range(6)]
    assert [len(each["changes"]) for each in stocks] == [1, 1, 2, 1, 1, 0]
    assert [each["inventory_awaited"] for each in stocks] == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("seconds", "quantity", "expected"),
    [
        ([-7200, 600, 5000], "energy_import_kwh", (-7200, 5000, 3)),
        ([-7200, 9000], "energy_import_kwh", (-7200, 9000, 2)),
        ([600, 1200], "energy_import_kwh", (600, 1200, 2)),
        ([-7200], "energy_import_kwh", None),
        ([9000], "energy_import_kwh", None),
        ([0, 3600], "energy_import_kwh", (0, 3600, 2)),
        ([-600, 600, 3700], "power_kw", (-600, 600, 2)),
        ([-7200, 600], "power_kw", (600, 600, 1)),
        ([-600, 3600], "power_kw", (-600, -600, 1)),
        ([], "power_kw", None),
    ],
)
def test_the_readings_that_an_hour_rests_on(
    seconds: list[float], quantity: str, expected: tuple[int, int, int] | None
) -> None:
    other = DeviceKey("s", Kind.METER, "other")
    sent: dict[str, Any] = {quantity: 1.0}
    rows = [reading(METER, each, **sent) for each in seconds]
    rows += [reading(METER, 900, Status.FAULT, **sent)]
    rows += [reading(other, each, **sent) for each in (-100.0, 100.0, 4000.0)]
    batch = readings_of(Kind.METER, (METER, other), rows)
    one = np.array([1], np.int64)
    hours = Hours(0 * one, BEGIN_US * one, (BEGIN_US + HOUR_US) * one, 1_800_000_000 * one, -one)
    found = used(batch, quantity, hours)
    if expected is None:
        assert found.readings.tolist() == [0]
        return
    first, last, count = expected
    assert found.readings.tolist() == [count]
    assert found.first_us.tolist() == [BEGIN_US + first * 1_000_000]
    assert found.last_us.tolist() == [BEGIN_US + last * 1_000_000]
