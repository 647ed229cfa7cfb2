"""Movements of a register between two readings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.arrays import column
from services.domain.ledger.hours import HOUR_US
from services.domain.ledger.registers import MovementKind, movement, movements, too_much
from tests.ledger.conftest import approx


@pytest.mark.parametrize(
    ("previous", "current", "modulus", "resolution", "amount", "kind"),
    [
        (100.0, 103.5, None, None, 3.5, MovementKind.NORMAL),
        (100.0, 100.0, 1e6, 0.01, 0.0, MovementKind.NORMAL),
        # domain facts, registers: 999,998.75 -> 12.50 with modulus 1e6 is 13.75
        (999_998.75, 12.5, 1e6, 0.01, 13.75, MovementKind.ROLLOVER),
        (999_998.75, 12.5, None, 0.01, None, MovementKind.UNEXPLAINED),
        # from 0.85 of the modulus, or to 0.2 of it: no rollover but a reset
        (850_000.0, 12.5, 1e6, 0.01, None, MovementKind.UNEXPLAINED),
        (999_998.75, 200_000.0, 1e6, 0.01, None, MovementKind.UNEXPLAINED),
        (0.30, 0.29, None, 0.01, 0.0, MovementKind.JITTER),
        (1_000_000.02, 1_000_000.01, None, 0.01, 0.0, MovementKind.JITTER),
        (0.30, 0.27, None, 0.01, None, MovementKind.UNEXPLAINED),
        (0.30, 0.29, None, None, None, MovementKind.UNEXPLAINED),
        (5000.0, 0.0, 1e6, 0.01, None, MovementKind.UNEXPLAINED),
    ],
)
def test_movement(
    previous: float,
    current: float,
    modulus: float | None,
    resolution: float | None,
    amount: float | None,
    kind: MovementKind,
) -> None:
    result = movement(previous, current, modulus=modulus, resolution=resolution)
    assert result.kind is kind
    assert result.amount == (None if amount is None else approx(amount, abs=1e-9))


def test_the_vectorised_form_is_the_scalar_one() -> None:
    rows = [
        (1.0, 2.0, math.nan, math.nan),
        (999_998.75, 12.5, 1e6, 0.01),
        (9.0, 1.0, 1e6, 0.01),
        (0.3, 0.29, 1e6, 0.01),
    ]
    amounts, kinds = movements(*(np.array(each) for each in zip(*rows, strict=True)))
    for row, amount, kind in zip(rows, amounts, kinds, strict=True):
        modulus, resolution = (None if math.isnan(value) else value for value in row[2:])
        single = movement(row[0], row[1], modulus=modulus, resolution=resolution)
        assert single.kind == kind
        assert single.amount == (None if np.isnan(amount) else amount)


@given(
    modulus=st.sampled_from([1e5, 1e6, 1e8]),
    start=st.floats(0.0, 0.999),
    moved=st.floats(0.0, 0.05),
)
@settings(max_examples=100)
def test_what_passed_the_register_is_what_it_moved_by(modulus: float, start: float, moved: float) -> None:
    previous = start * modulus
    amount = moved * modulus
    result = movement(previous, (previous + amount) % modulus, modulus=modulus)
    assert result.amount == approx(amount, abs=modulus * 1e-12)


@pytest.mark.parametrize(
    ("amount", "max_per_h", "expected"),
    [
        (10.0, 600.0, False),  # 30 s at 600/h and one interval more, half as much again: 15
        (14.9, 600.0, False),
        (15.1, 600.0, True),
        (53_700.0, 600.0, True),  # a reset read as consumption
        (53_700.0, math.nan, False),  # no rating: nothing to hold it against
        (math.nan, 600.0, False),
    ],
)
def test_more_than_the_rating_allows(amount: float, max_per_h: float, expected: bool) -> None:
    interval_us = np.array([HOUR_US // 120])
    result = too_much(column(amount), column(max_per_h), column(math.nan), interval_us, interval_us)
    assert result.tolist() == [expected]
