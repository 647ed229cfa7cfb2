"""Packed arrays say to the server what their numbers say."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.ledger.hours import to_us
from services.store import packed_arrays
from services.store.pool import connect

INSTANTS = [datetime(1999, 12, 31, 23, tzinfo=UTC), datetime(2026, 3, 1, 0, 0, 0, 123_456, tzinfo=UTC)]


@pytest.mark.anyio
async def test_the_server_reads_what_was_packed(database_url: str) -> None:
    columns = [
        packed_arrays.integers(np.array([1, -(2**31)])),
        packed_arrays.smallints(np.array([-3, 4])),
        packed_arrays.floats(np.array([np.nan, 0.1])),
        packed_arrays.booleans(np.array([True, False])),
        packed_arrays.instants(np.array([to_us(each) for each in INSTANTS])),
        packed_arrays.texts([None, "Öl"]),
    ]
    statement = """
        SELECT * FROM unnest(%b::integer[], %b::smallint[], %b::float8[], %b::boolean[], %b::timestamptz[],
            %b::text[])
    """
    async with (
        await connect(database_url, name="test of arrays") as connection,
        packed_arrays.cursor_of(connection) as cursor,
    ):
        rows = await (await cursor.execute(statement, columns)).fetchall()
    assert rows == [(1, -3, None, True, INSTANTS[0], None), (-(2**31), 4, 0.1, False, INSTANTS[1], "Öl")]


@given(values=st.lists(st.one_of(st.just(float("nan")), st.floats(allow_nan=False)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_each_value_takes_its_length_and_its_bytes(values: list[float]) -> None:
    packed = packed_arrays.floats(np.array(values, np.float64))
    known = [each for each in values if each == each]
    assert len(packed) == 20 + 4 * len(values) + 8 * len(known)
    assert packed[4:8] == (len(known) < len(values)).to_bytes(4, "big")


def test_a_zero_has_no_sign() -> None:
    assert packed_arrays.floats(np.array([-0.0])) == packed_arrays.floats(np.array([0.0]))
