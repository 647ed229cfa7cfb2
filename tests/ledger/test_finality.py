"""When hours are final is told to the database, as soon as there is one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import psycopg
import pytest

from services.analytics.finality import tell_final_after
from services.store.migrate import migrate
from services.store.pool import open_pool

pytestmark = pytest.mark.anyio


def final_after(url: str) -> timedelta:
    with psycopg.connect(url) as connection:
        [(after,)] = connection.execute("SELECT final_after FROM api.settings").fetchall()
        assert isinstance(after, timedelta)
        return after


async def test_it_is_told_once_the_database_is_there(empty_database_url: str) -> None:
    stop = asyncio.Event()
    async with open_pool(empty_database_url, name="test") as pool:
        telling = asyncio.create_task(tell_final_after(pool, timedelta(days=3), Random(1), stop))
        await migrate(empty_database_url)
        async with asyncio.timeout(60):
            await telling
    assert final_after(empty_database_url) == timedelta(days=3)


async def test_a_stop_is_heard_while_it_waits(empty_database_url: str) -> None:
    stop = asyncio.Event()
    async with open_pool(empty_database_url, name="test") as pool:
        telling = asyncio.create_task(tell_final_after(pool, timedelta(days=3), Random(1), stop))
        stop.set()
        async with asyncio.timeout(10):
            await telling


async def test_seven_days_where_nothing_was_said(database_url: str) -> None:
    assert final_after(database_url) == timedelta(days=7)
