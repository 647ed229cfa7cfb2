"""Dead letters within bounds of age and bytes: the oldest go, settled ones first, and each is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from services.analytics.letters import LetterBounds, LetterKeeper, LetterMetrics
from services.store.dead_letters import DeadLetter, keep_dead_letters
from services.store.letter_bounds import MOST_LETTERS, drop_letters, letter_bounds_lock, measure_letters
from services.store.pool import Connection, connect, open_pool
from services.store.totals import add_totals

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KIB = 1024
FOR_EVER = timedelta(days=10_000)


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Connection]:
    async with await connect(url, name="test", autocommit=True) as connection:
        yield connection


async def reject(
    connection: Connection, days: list[float], size: int = 100, client: str = "c", first: int = 0
) -> None:
    """Dead letters received so many days ago, of so many bytes that do not compress, counted as rejected."""
    random = Random(first)
    letters = []
    for number, age in enumerate(days, first):
        payload = b"%d " % number + random.randbytes(size)
        digest = sha256(payload).digest()
        topic, received_at = f"telemetry/v1/s/meter/m{number}", NOW - timedelta(days=age)
        letters.append(DeadLetter(received_at, topic, "not_json", "no", payload, len(payload), digest))
    async with connection.transaction():
        assert len(await keep_dead_letters(connection, client, letters)) == len(days)
        await add_totals(connection, client, stored=0, duplicate=0, rejected=len(days))


async def settle(connection: Connection, *numbers: int) -> None:
    """As a replay or a person does."""
    for number in numbers:
        column = psycopg.sql.Identifier("replayed_at" if number % 2 else "accepted_at")
        await connection.execute(
            psycopg.sql.SQL("UPDATE core.dead_letter SET {} = now() WHERE topic LIKE %s").format(column),
            [f"%/m{number}"],
        )


async def kept(connection: Connection) -> list[int]:
    """The numbers of the letters that are there."""
    cursor = await connection.execute("SELECT topic FROM core.dead_letter")
    return sorted(int(topic.rpartition("m")[2]) for (topic,) in await cursor.fetchall())


async def dropped(connection: Connection) -> dict[tuple[str, str, str], int]:
    cursor = await connection.execute("SELECT client, state, bound, letters FROM api.dead_letters_dropped")
    return {(client, state, bound): letters for client, state, bound, letters in await cursor.fetchall()}


async def unexplained(connection: Connection) -> list[tuple[object, ...]]:
    """Clients whose rejected units are not their dead letters and those that were dropped."""
    cursor = await connection.execute("""
        SELECT t.client FROM core.ingest_total t
        WHERE t.rejected <> (SELECT count(*) FROM core.dead_letter l WHERE l.client = t.client)
            + (SELECT coalesce(sum(letters), 0) FROM api.dead_letters_dropped d WHERE d.client = t.client)
    """)
    return await cursor.fetchall()


def keeper(bounds: LetterBounds, registry: CollectorRegistry | None = None, url: str = "") -> LetterKeeper:
    metrics = LetterMetrics(registry or CollectorRegistry(), bounds)
    return LetterKeeper(open_pool(url, name="test"), bounds, metrics, Random(1), lambda: NOW)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(30):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


async def test_by_age_each_state_has_its_own(database_url: str) -> None:
    async with session(database_url) as connection:
        await reject(connection, [500, 401, 399, 91, 89, 1])
        await settle(connection, 3, 4)
        bounds = LetterBounds(2**40, settled=90 * DAY, open=400 * DAY)
        await keeper(bounds).run_once(connection, asyncio.Event())
        assert await kept(connection) == [2, 4, 5]
        assert await dropped(connection) == {("c", "open", "age"): 2, ("c", "settled", "age"): 1}
        assert not await unexplained(connection)


async def test_by_bytes_the_settled_go_first_then_the_oldest(database_url: str) -> None:
    async with session(database_url) as connection:
        await reject(connection, [9 - n for n in range(10)], 100 * KIB)
        await settle(connection, 6, 8)
        registry = CollectorRegistry()
        bounds = LetterBounds(700 * KIB, FOR_EVER, FOR_EVER)
        looking = keeper(bounds, registry)
        await looking.run_once(connection, asyncio.Event())
        # 1,000 KiB and something: 300 to go, and 35 more so that not each look finds a little too much.
        assert await kept(connection) == [2, 3, 4, 5, 7, 9]
        assert await dropped(connection) == {("c", "open", "bytes"): 2, ("c", "settled", "bytes"): 2}
        assert not await unexplained(connection)
        labels = {"state": "open", "bound": "bytes"}
        assert registry.get_sample_value("carbonflow_dead_letters_dropped_total", labels) == 2
        await looking.run_once(connection, asyncio.Event())
        assert len(await kept(connection)) == 6
        found = registry.get_sample_value("carbonflow_dead_letter_bytes", {"state": "open"})
        assert found == pytest.approx(600 * KIB, rel=0.02)


async def test_within_the_bounds_nothing_goes(database_url: str) -> None:
    async with session(database_url) as connection:
        await reject(connection, [5, 4, 3])
        await keeper(LetterBounds(KIB * KIB, FOR_EVER, FOR_EVER)).run_once(connection, asyncio.Event())
        assert await kept(connection) == [0, 1, 2]
        assert await dropped(connection) == {}


async def test_no_transaction_drops_more_than_a_portion(database_url: str) -> None:
    count = MOST_LETTERS + 500
    async with session(database_url) as connection:
        await reject(connection, [1 + n / 10_000 for n in range(count)], client="a")
        await reject(connection, [3], client="b", first=count)
        first = await drop_letters(connection, "open", "age", before=NOW, size_bytes=2**40)
        assert first.letters == MOST_LETTERS
        assert await dropped(connection) == {
            ("a", "open", "age"): MOST_LETTERS - 1,
            ("b", "open", "age"): 1,
        }
        await keeper(LetterBounds(1, FOR_EVER, FOR_EVER)).run_once(connection, asyncio.Event())
        assert await kept(connection) == []
        assert not await unexplained(connection)


async def test_a_letter_replayed_at_that_moment_is_counted_as_what_it_was(database_url: str) -> None:
    """The delete waits for the replay, sees that the letter is open no more, and leaves it."""
    async with session(database_url) as connection, session(database_url) as replay:
        await reject(connection, [5, 4])
        async with replay.transaction():
            await settle(replay, 0)
            dropping = asyncio.create_task(
                drop_letters(connection, "open", "age", before=NOW, size_bytes=2**40)
            )
            await eventually(lambda: somebody_waits(database_url))
        assert (await dropping).letters == 1
        assert await kept(connection) == [0]
        assert not await unexplained(connection)


async def somebody_waits(url: str) -> bool:
    async with session(url) as connection:
        cursor = await connection.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return await cursor.fetchone() is not None


async def test_what_letters_take_is_about_what_is_measured(database_url: str) -> None:
    """Small ones are mostly row and index entries, large ones payload."""
    for size, count in ((100, 10_000), (20 * KIB, 300)):
        async with session(database_url) as connection:
            await connection.execute("TRUNCATE core.dead_letter")
            await reject(connection, [1.0] * count, size, first=size)
            cursor = await connection.execute("SELECT pg_total_relation_size('core.dead_letter')")
            row = await cursor.fetchone()
            assert row is not None
            found = await measure_letters(connection)
            assert found.open.letters == count
            assert found.size_bytes == pytest.approx(row[0], rel=0.3)


async def test_one_at_a_time(database_url: str) -> None:
    async with session(database_url) as one, session(database_url) as other:
        async with letter_bounds_lock(one) as first, letter_bounds_lock(other) as second:
            assert (first, second) == (True, False)
        async with letter_bounds_lock(other) as again:
            assert again


async def test_it_goes_on_under_the_rights_of_analytics(
    database_url: str, role_url: Callable[[str], str]
) -> None:
    registry = CollectorRegistry()
    bounds = LetterBounds(2**40, 5 * DAY, 5 * DAY)
    stop = asyncio.Event()
    async with session(database_url) as connection:
        await connection.execute("ALTER TABLE core.dead_letter_dropped RENAME TO away")
        async with open_pool(role_url("carbonflow_analytics"), name="test") as pool:
            metrics = LetterMetrics(registry, bounds)
            working = LetterKeeper(pool, bounds, metrics, Random(1), lambda: NOW, 0.02)
            task = asyncio.create_task(working.run(stop))
            await reject(connection, [9, 4])

            async def failed() -> bool:
                return registry.get_sample_value("carbonflow_dead_letter_bounds_working") == 0

            async def fewer() -> bool:
                return await kept(connection) == [1]

            await eventually(failed)
            assert await kept(connection) == [0, 1]
            await connection.execute("ALTER TABLE core.away RENAME TO dead_letter_dropped")
            await eventually(fewer)
            stop.set()
            await asyncio.wait_for(task, 30)
