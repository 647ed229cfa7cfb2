from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from services.store.pool import connect, open_pool

pytestmark = pytest.mark.anyio


async def test_sessions_are_in_utc_and_named(database_url: str) -> None:
    async with open_pool(database_url, name="carbonflow-x") as pool, pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT current_setting('timezone'), current_setting('application_name'), now()"
        )
        row = await cursor.fetchone()
        assert row is not None
        assert row[:2] == ("UTC", "carbonflow-x")
        assert isinstance(row[2], datetime)
        assert row[2].utcoffset() == datetime.now(UTC).utcoffset()


async def test_a_statement_that_takes_too_long_is_cancelled(database_url: str) -> None:
    async with await connect(database_url, name="x", statement_timeout_s=0.05) as connection:
        with pytest.raises(errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(30)")


async def test_a_pool_opens_while_the_database_is_away() -> None:
    async with open_pool("postgresql://nobody:x@127.0.0.1:1/none", name="x") as pool:
        with pytest.raises(PoolTimeout):
            async with pool.connection(timeout=0.05):
                pass


async def test_a_connection_that_was_ended_is_replaced(database_url: str) -> None:
    async with open_pool(database_url, max_size=1, name="x") as pool:
        async with pool.connection() as connection:
            pid = connection.info.backend_pid
        async with await connect(database_url, name="killer", autocommit=True) as killer:
            await killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        async with asyncio.timeout(20):
            while True:
                try:
                    async with pool.connection() as connection:
                        await connection.execute("SELECT 1")
                        break
                except psycopg.OperationalError:
                    continue  # the one that was ended is found out by using it
