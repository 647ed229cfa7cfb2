"""Corrections laid over readings: each action, what cannot be corrected, and that the order says nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.ledger.hours import to_us
from services.domain.ledger.kernel import compute
from services.domain.ledger.overlay import Action, Correction, Overlay, clash, problem
from services.domain.ledger.readings import Readings, State, readings_of
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey
from tests.ledger.conftest import T0, MakeWorld, approx, reading

METER = DeviceKey("s", Kind.METER, "m")
OTHER = DeviceKey("s", Kind.METER, "n")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
START = to_us(T0)
SECOND = 1_000_000
ENERGY = "energy_import_kwh"


def correction(
    action: Action,
    begin_s: float = 0,
    end_s: float = 1e6,
    quantity: str | None = "power_kw",
    value: float | None = None,
    device: DeviceKey = METER,
) -> Correction:
    begin_us, end_us = START + int(begin_s * SECOND), START + int(end_s * SECOND)
    return Correction(device, begin_us, end_us, quantity, action, value)


def some() -> Readings:
    return readings_of(
        Kind.METER,
        [METER, OTHER],
        [
            reading(METER, 0, power_kw=10.0, energy_import_kwh=5.0),
            reading(METER, 60, Status.FAULT, power_kw=20.0),
            reading(METER, 120, energy_import_kwh=6.0),
            reading(OTHER, 60, power_kw=30.0),
        ],
    )


def shown(readings: Readings, name: str) -> list[tuple[float | None, int]]:
    column = readings.columns[name]
    return [
        (None if math.isnan(value) else value, state)
        for value, state in zip(column.value.tolist(), column.state.tolist(), strict=True)
    ]


V, M, X, A = State.VALID, State.MANUAL, State.INVALID, State.ABSENT


@pytest.mark.parametrize(
    ("what", "power", "energy"),
    [
        (correction(Action.VOID), [(10, X), (20, X), (None, A), (30, V)], [(5, V), (None, A), (6, V)]),
        (
            correction(Action.VOID, quantity=None),
            [(10, X), (20, X), (None, A), (30, V)],
            [(5, X), (None, A), (6, X)],
        ),
        (
            correction(Action.SET, value=7.0),
            [(7, V), (7, V), (None, A), (30, V)],
            [(5, V), (None, A), (6, V)],
        ),
        (
            correction(Action.SET, 100, quantity=ENERGY, value=7.0),
            [(10, V), (20, X), (None, A), (30, V)],
            [(5, V), (None, A), (7, M)],
        ),
        (
            correction(Action.ADD, value=-2.0),
            [(8, V), (18, X), (None, A), (30, V)],
            [(5, V), (None, A), (6, V)],
        ),
        (
            correction(Action.SCALE, 0, 60, value=3.0),
            [(30, V), (20, X), (None, A), (30, V)],
            [(5, V), (None, A), (6, V)],
        ),
        # A register shows nothing below 0: such a value is not made up.
        (
            correction(Action.ADD, quantity=ENERGY, value=-5.5),
            [(10, V), (20, X), (None, A), (30, V)],
            [(-0.5, X), (None, A), (0.5, V)],
        ),
    ],
)
def test_each_action(what: Correction, power: Any, energy: Any) -> None:
    stored = some()
    before = [shown(stored, name) for name in stored.columns]
    made = Overlay([what]).applied(stored)
    assert shown(made, "power_kw") == power
    assert shown(made, ENERGY)[:3] == energy
    assert [shown(stored, name) for name in stored.columns] == before, "what was stored stays"


def test_a_void_goes_before_any_other() -> None:
    both = [correction(Action.SET, value=7.0), correction(Action.VOID, 0, 30)]
    for order in (both, both[::-1]):
        assert shown(Overlay(order).applied(some()), "power_kw")[:2] == [(7, X), (7, V)]


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        (correction(Action.VOID, 60, 60), "ends before"),
        (correction(Action.VOID, quantity="flow_m3_h"), "a meter has no quantity flow_m3_h"),
        (correction(Action.SET, quantity=None, value=1.0), "say which one"),
        (correction(Action.ADD), "and the number"),
        (correction(Action.ADD, value=math.nan), "no number"),
        (correction(Action.SCALE, quantity=ENERGY, value=2.0), "multiplier in the registry"),
        (correction(Action.SET, quantity="power_factor", value=2.0), "physically impossible"),
        (correction(Action.ADD, quantity="running", value=1.0, device=BELT), "1 or 0"),
        (correction(Action.SET, quantity="running", value=1.0, device=BELT), None),
        (correction(Action.VOID, quantity=None), None),
        (correction(Action.ADD, quantity=ENERGY, value=12.0), None),
    ],
)
def test_what_cannot_be_corrected(what: Correction, wrong: str | None) -> None:
    found = problem(what)
    assert found == wrong if wrong is None else found is not None and wrong in found


def test_corrections_clash_where_the_order_would_matter() -> None:
    one = correction(Action.ADD, 0, 60, value=1.0)
    assert clash(one, correction(Action.SCALE, 59, 120, value=2.0))
    assert not clash(one, correction(Action.SCALE, 60, 120, value=2.0))
    assert not clash(one, correction(Action.SET, 0, 60, "voltage_v", 2.0))
    assert not clash(one, correction(Action.VOID, 0, 60))
    assert not clash(one, one._replace(device=OTHER))


CORRECTIONS = st.builds(
    correction,
    st.sampled_from(Action),
    st.floats(0, 600),
    st.floats(601, 2000),
    st.sampled_from(["power_kw", "voltage_v"]),
    st.floats(0.1, 10),
    st.sampled_from([METER, OTHER]),
)


@given(st.lists(CORRECTIONS, max_size=6), st.randoms())
def test_the_order_of_entry_says_nothing(corrections: list[Correction], chance: Any) -> None:
    rows = [
        reading(device, 37.0 * i, power_kw=float(i), voltage_v=230.0)
        for device in (METER, OTHER)
        for i in range(40)
    ]
    stored = readings_of(Kind.METER, [METER, OTHER], rows)
    made = Overlay(corrections).applied(stored)
    shuffled = list(corrections)
    chance.shuffle(shuffled)
    again = Overlay(shuffled).applied(stored)
    for name, column in made.columns.items():
        np.testing.assert_array_equal(column.value, again.columns[name].value)
        np.testing.assert_array_equal(column.state, again.columns[name].state)


def test_a_register_goes_on_from_the_reading_before_what_is_void(world: MakeWorld) -> None:
    site = world({"meter/m": {"interval_s": 900, "registers": {ENERGY: {"modulus": 1e6}}}})
    rows = [reading(METER, 900 * i, energy_import_kwh=100.0 + i) for i in range(9)]
    rows[3] = reading(METER, 2700, energy_import_kwh=9e5)
    spoilt = site.hours(rows, ENERGY)[T0].consumption
    assert spoilt is None or spoilt > 10
    windows, sources = site.windows(rows)
    stored = readings_of(Kind.METER, [METER], rows)
    made = Overlay([correction(Action.VOID, 2700, 2701, ENERGY)]).applied(stored)
    hours = {
        row.hour: row.consumption
        for row in compute(site.plan, [made], windows, sources).device_hours
        if row.quantity == 1 and row.hour >= T0
    }
    assert list(hours.values())[:2] == [approx(4.0), approx(4.0)]
