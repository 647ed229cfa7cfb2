"""A connection whose server says nothing any more."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from services.ingest.link import Link
from services.store.errors import Failure, classify


def test_a_transaction_that_hangs_is_given_up_and_the_next_one_works(database_url: str) -> None:
    async def steps() -> None:
        link = Link(database_url, "test", hung_s=0.3)
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as caught:
            async with link.transaction() as connection:
                await connection.execute("SELECT pg_sleep(20)")
        assert classify(caught.value) is Failure.TRANSIENT
        assert time.monotonic() - started < 5
        async with link.transaction() as connection:
            cursor = await connection.execute("SELECT 1")
            assert await cursor.fetchone() == (1,)
        await link.close()

    asyncio.run(steps())
