"""COPY rows made by columns are what PostgreSQL understands."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.store.binary_copy import (
    HEADER,
    TRAILER,
    Column,
    encode,
    fields_row,
    floats,
    instants,
    integer_array,
    integers,
    text,
)
from services.store.pool import connect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(10**15), 10**16),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.integers(-(2**15), 2**15 - 1),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, word=st.none() | st.text("abcé", min_size=1, max_size=5))
def test_what_goes_in_comes_out(
    empty_database_url: str, rows: list[tuple[Any, ...]], word: str | None
) -> None:
    numbers, times_us, values, small = zip(*rows, strict=True)
    columns = [
        integers(numbers, 4),
        instants(np.array(times_us, np.int64)),
        floats(np.array(values, np.float64)),
        Column(
            integers([0 if each is None else each for each in small], 2).data,
            np.array([each is not None for each in small]),
        ),
        text(word, len(rows)),
    ]

    async def steps() -> list[tuple[Any, ...]]:
        async with await connect(empty_database_url, name="test") as connection:
            await connection.execute(
                "CREATE TEMPORARY TABLE t (a integer, b timestamptz, c double precision, d smallint, e text)"
            )
            async with (
                connection.cursor() as cursor,
                cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy,
            ):
                await copy.write(HEADER + encode(columns) + TRAILER)
            return await (await connection.execute("SELECT * FROM t")).fetchall()

    expected = [(a, EPOCH + timedelta(microseconds=b), c, d, word) for a, b, c, d in rows]
    assert sorted(asyncio.run(steps()), key=repr) == sorted(expected, key=repr)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=50))
def test_an_array_comes_out_as_it_went_in(empty_database_url: str, values: list[int]) -> None:
    field = integer_array(np.array(values, np.int64))

    async def steps() -> tuple[Any, ...] | None:
        async with await connect(empty_database_url, name="test") as connection:
            await connection.execute("CREATE TEMPORARY TABLE t (a integer[], b integer[])")
            async with (
                connection.cursor() as cursor,
                cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy,
            ):
                await copy.write(HEADER + fields_row(field, field) + TRAILER)
            return await (await connection.execute("SELECT a, b, a[1], array_lower(a, 1) FROM t")).fetchone()

    assert asyncio.run(steps()) == (values, values, values[0], 1)
