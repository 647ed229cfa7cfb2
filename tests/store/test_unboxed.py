"""Arrays from lists of objects: the quick way finds what the slow one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.ledger.hours import to_us
from services.store.unboxed import matrix, times_us

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-5, minutes=-30))])
# Hypothesis wants the limits without a zone.
ANY = st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001
WHOLE = ANY.map(lambda time: time.replace(microsecond=0))
TIMES = WHOLE | ANY


@given(st.lists(WHOLE) | st.lists(TIMES))
def test_instants_are_their_microseconds(times: list[datetime]) -> None:
    assert times_us(times).tolist() == [to_us(time) for time in times]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 70_000])
def test_of_any_number(count: int) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    times = [start + timedelta(milliseconds=250 * number) for number in range(count)]
    assert times_us(times).tolist() == [to_us(start) + 250_000 * number for number in range(count)]
    rows = [(float(number), None) for number in range(count)]
    assert matrix(rows, 2)[:, 0].tolist() == list(range(count))


CELLS = st.none() | st.floats(allow_nan=False) | st.booleans()


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1)
    | st.lists(st.tuples(st.floats(allow_nan=False), st.none(), st.booleans()), min_size=1)
)
def test_rows_are_a_matrix(rows: list[tuple[float | bool | None, ...]]) -> None:
    expected = np.array([[*row, None] for row in rows], np.float64)
    np.testing.assert_array_equal(matrix(rows, 3), expected)
