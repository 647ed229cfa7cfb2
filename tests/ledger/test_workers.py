"""Several workers of the ledger at once: they share the work, lose no update and are killed at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from services.analytics.claims import Budget
from services.analytics.recompute import Budgets, Recomputer, Round
from services.domain.factors import parse_factors_csv
from services.domain.ledger.hours import QUARTER_US, to_us
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.store.factor_loading import load_table
from services.store.ledger_queue import take_in
from services.store.pool import Connection, connect
from tests.ledger.conftest import T0, Database, approx, reading, site_of
from tests.ledger.test_emission_hours import GRID
from tests.ledger.test_order_free import DEVICES, EVENTS, SOURCES, some_readings

pytestmark = pytest.mark.anyio

METERS = [DeviceKey("s", Kind.METER, f"m{number}") for number in range(12)]
OF_EACH = site_of(
    {f"meter/m{number}": {"interval_s": 900} for number in range(12)},
    {f"grid{number}": {**GRID, "devices": [f"meter/m{number}"]} for number in range(12)},
)
"""A source of its own for each of twelve meters."""
OTHER = DeviceKey("s", Kind.METER, "other")
HELD = 1751477348
"""The lock (see `held_up`) under which a test holds a worker up."""


def an_hour(amount: float = 1.0) -> list[Reading]:
    return [reading(meter, 900 * i, energy_import_kwh=amount * i) for meter in METERS for i in range(5)]


def always(amount: float) -> Budgets:
    """So much in each transaction, however long it takes."""
    return Budgets(*(Budget(amount, least=amount, most=amount, target_s=1.0) for _ in Budgets._fields))


@asynccontextmanager
async def workers(
    url: str, count: int, amount: float = 1000
) -> AsyncIterator[list[tuple[Recomputer, Connection]]]:
    async with AsyncExitStack() as stack:
        yield [
            (
                Recomputer(budgets=always(amount)),
                await stack.enter_async_context(await connect(url, name="a worker")),
            )
            for _ in range(count)
        ]


async def forget(database: Database) -> None:
    """Everything but registry and factors."""
    for table in (
        *("device_hour", "energy_hour", "emission_hour", "stack_hour", "finding_hour"),
        *("emission_day", "energy_day", "dirty_quarter", "dirty", "dirty_range"),
    ):
        await database.connection.execute(f"TRUNCATE core.{table}".encode())
    for kind in Kind:
        await database.connection.execute(f"TRUNCATE core.reading_{kind}".encode())
    await database.connection.commit()


async def at_once(database: Database, rows: Sequence[Reading]) -> list[list[tuple[Any, ...]]]:
    """The ledger of the readings, by one worker; then all is forgotten."""
    await database.receive(rows)
    await database.run()
    ledger = await database.ledger()
    assert all(ledger[:1])
    await forget(database)
    return ledger


@asynccontextmanager
async def held_up(database_url: str, database: Database) -> AsyncIterator[Connection]:
    """A worker that has read and computed, and is to write emissions, waits until this ends."""
    await database.connection.execute(
        "CREATE FUNCTION core.held() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1751477348); RETURN NULL; END $$"
    )
    await database.connection.execute(
        "CREATE TRIGGER held BEFORE INSERT ON core.emission_hour EXECUTE FUNCTION core.held()"
    )
    await database.connection.commit()
    async with await connect(database_url, name="holds up") as holder, holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", [HELD])
        yield holder


async def waits(connection: Connection) -> None:
    """Until some session waits for the lock of a worker held up."""
    async with asyncio.timeout(20):
        while True:
            cursor = await connection.execute(
                "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE d.datname = current_database() AND locktype = 'advisory' AND objid = %s"
                " AND NOT granted",
                [HELD],
            )
            if await cursor.fetchone() is not None:
                return
            await asyncio.sleep(0.01)


async def test_what_comes_while_it_is_computed_is_not_lost(database_url: str, database: Database) -> None:
    await database.apply({"s": OF_EACH})
    late = [reading(meter, 4500, energy_import_kwh=9.0) for meter in METERS]
    expected = await at_once(database, [*an_hour(), *late])
    await database.receive(an_hour())
    async with workers(database_url, 2) as ((first, connection), (second, other)):
        async with held_up(database_url, database) as holder:
            working = asyncio.create_task(first.run_once(connection))
            await waits(holder)
            # The first has read the hour: these come too late for it, and nobody else may compute them yet.
            await database.receive(late)
            assert (await second.run_once(other)).late == 0
            assert not working.done()
        assert (await working).late == 12 * 5
        while await second.run_once(other) != Round():
            pass
    assert await database.ledger() == expected


async def test_workers_share_devices_and_none_waits_for_another(
    database_url: str, database: Database
) -> None:
    await database.apply({"s": OF_EACH})
    await database.receive(an_hour())
    async with workers(database_url, 2, 5) as ((first, connection), (second, other)):
        async with held_up(database_url, database) as holder:
            working = asyncio.create_task(first.run_once(connection))
            await waits(holder)
            # The second finds what the first has not: it, too, is held up at its end.
            sharing = asyncio.create_task(second.run_once(other))
            await at_work(holder, 2)
        one, two = await working, await sharing
    # A device has five quarter hours of the hour and the next.
    assert (one.late, two.late) == (5, 5)
    assert await database.fetch("SELECT count(DISTINCT device_id) FROM core.dirty_quarter") == [(10,)]
    await database.run()
    rows = await database.fetch("SELECT count(*), min(activity) FROM core.emission_hour WHERE hour = %s", T0)
    assert rows == [(12, approx(4.0))]


async def at_work(connection: Connection, count: int) -> None:
    """Until so many workers have devices of their own."""
    async with asyncio.timeout(20):
        while True:
            cursor = await connection.execute(
                "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE d.datname = current_database() AND locktype = 'advisory' AND classid = %s"
                " AND objsubid = 2 AND granted",
                [0x6C65_6467],
            )
            if await cursor.fetchone() == (count,):
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", [5, 23])
async def test_the_same_rows_by_three_workers_in_any_order(
    database_url: str, database: Database, seed: int
) -> None:
    site = site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)
    await database.apply({"s": site, "t": OF_EACH})
    chance = random.Random(seed)
    rows = [
        *some_readings(seed),
        *(each._replace(device=each.device._replace(site="t")) for each in an_hour()),
    ]
    expected = await at_once(database, rows)
    chance.shuffle(rows)
    ended = asyncio.Event()

    async def work(recomputer: Recomputer, connection: Connection) -> None:
        while not ended.is_set():
            await recomputer.run_once(connection)

    async with workers(database_url, 3, 20) as them, asyncio.TaskGroup() as tasks:
        for recomputer, connection in them:
            tasks.create_task(work(recomputer, connection))
        while rows:
            count = chance.randint(1, 40)
            await database.receive(rows[:count])
            rows = rows[count:]
        ended.set()
    await database.run()
    assert await database.ledger() == expected


def before_the_registry_knew() -> dict[str, Any]:
    """The site of DEVICES earlier on: a device and two sources fewer, without events nor the later ratio."""
    first = {**DEVICES, "meter/m": {"facts": DEVICES["meter/m"]["facts"][:1]}}
    del first["cems/c"]
    return site_of(first, {name: SOURCES[name] for name in ("grid", "steam")}, "Asia/Kolkata")


GRID_OF_2026 = parse_factors_csv(
    "factor_set,fuel,region,unit,gas,basis,co2_kg_per_unit,valid_from,valid_to,source,verified\n"
    "CN_MEE_PROVINCE_2026,electricity_CN-SH,CN-SH,kWh,CO2,average,0.5,2026-01-01,2026-12-31,doc,transcribed\n"
)


@pytest.mark.parametrize("seed", range(int(os.environ.get("LEDGER_ORDERS", "3"))))
async def test_registry_and_factors_before_among_or_after_the_readings(
    database_url: str, database: Database, seed: int
) -> None:
    """In any order, by workers that remember nothing, the rows are those of all at once. LEDGER_ORDERS=100
    in the environment tries more orders."""
    chance = random.Random(seed)
    whole = site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)
    rows = some_readings(seed)
    chance.shuffle(rows)

    async def know_all() -> None:
        await database.apply({"s": whole})

    async def load_factors() -> None:
        await load_table(database.connection, GRID_OF_2026)

    steps: list[Callable[[], Awaitable[None]]] = [
        know_all,
        load_factors,
        *(partial(database.receive, rows[first : first + 50]) for first in range(0, len(rows), 50)),
    ]
    chance.shuffle(steps)
    await database.apply({"s": before_the_registry_knew()})
    for step in steps:
        await step()
        async with workers(database_url, 2, chance.choice([5, 50])) as them:
            rounds = [recomputer.run_once(connection) for recomputer, connection in them]
            await asyncio.gather(*rounds[: chance.randint(0, 2)])
            for unused in rounds:
                unused.close()
    await database.run()
    found = await database.ledger()
    await forget(database)
    assert found == await at_once(database, rows)


async def test_a_registry_waits_for_the_rounds_that_follow_the_old_one(
    database_url: str, database: Database
) -> None:
    await database.apply({"s": OF_EACH})
    await database.receive(an_hour())
    ratio = site_of(
        {f"meter/m{number}": {"interval_s": 900, "multiplier": 3} for number in range(12)},
        {f"grid{number}": {**GRID, "devices": [f"meter/m{number}"]} for number in range(12)},
    )
    async with workers(database_url, 1) as ((first, connection),):
        async with held_up(database_url, database) as holder:
            working = asyncio.create_task(first.run_once(connection))
            await waits(holder)
            applying = asyncio.create_task(database.apply({"s": ratio}))
            await asyncio.sleep(0.2)
            assert not applying.done()
        await working
        await applying
    await database.run()
    rows = await database.fetch("SELECT DISTINCT activity FROM core.emission_hour WHERE hour = %s", T0)
    assert rows == [(approx(12.0),)]


async def test_the_running_hour_comes_before_what_is_late(database: Database) -> None:
    await database.apply({"s": OF_EACH})
    database.recomputer = Recomputer(budgets=always(50))
    await database.receive(an_hour())
    now = datetime.now(UTC)
    await database.receive([reading(OTHER, now - timedelta(seconds=30), energy_import_kwh=7.0)])
    done = await database.recomputer.run_once(database.connection)
    assert (done.live, done.late, done.was_full) == (1, 50, True)
    [(found,)] = await database.fetch(
        "SELECT count(*) FROM core.device_hour WHERE hour > %s", now - timedelta(hours=2)
    )
    assert found == 1
    backlog = await database.fetch("SELECT flushes, quarters, ranges FROM api.ledger_backlog")
    assert backlog == [(0, 10, 0)]


async def test_stretches_are_computed_in_portions(database: Database) -> None:
    await database.apply({"s": OF_EACH})
    days = 5
    await database.receive(
        reading(meter, 6 * 3600 * i, energy_import_kwh=1.0 * i) for meter in METERS for i in range(4 * days)
    )
    await database.run()
    before = await database.ledger()
    await database.connection.execute("UPDATE core.emission_hour SET activity = 0, revision = revision - 1")
    await database.connection.execute(
        "INSERT INTO core.dirty_range (device_id, from_time, to_time, reason)"
        " SELECT device_id, %s, now(), 'test' FROM core.device",
        [T0],
    )
    await database.connection.commit()
    database.recomputer = Recomputer(budgets=always(1))
    done = await database.recomputer.run_once(database.connection)
    assert done.ranges > 0
    assert done.was_full
    left = await database.fetch("SELECT DISTINCT from_time, reason FROM core.dirty_range ORDER BY 1")
    assert (T0 + timedelta(days=1), "test") in left
    while (await database.recomputer.run_once(database.connection)) != Round():
        pass
    assert await database.ledger() == before
    assert await database.fetch("SELECT backlog FROM api.ledger_backlog") == [(0,)]


async def test_notes_are_taken_in_once_each(database: Database) -> None:
    await database.receive(an_hour())
    await database.receive([reading(METERS[0], 60, power_kw=1.0)])
    assert await take_in(database.connection) == 2
    assert await take_in(database.connection) == 0
    quarters = await database.fetch(
        "SELECT count(*), count(DISTINCT (device_id, quarter)), min(quarter) FROM core.dirty_quarter"
    )
    assert quarters == [(60, 60, to_us(T0) // QUARTER_US)]


WORKER = """
import asyncio, sys
from random import Random
from prometheus_client import CollectorRegistry
from services.analytics.recompute import Recomputer
from services.analytics.worker import Metrics, Worker
from services.store.pool import open_pool

async def main():
    async with open_pool(sys.argv[1], name="to be killed") as pool:
        worker = Worker(pool, Recomputer(), Metrics(CollectorRegistry()), Random(1), poll_s=0.01)
        print("works", flush=True)
        await worker.run(asyncio.Event())

asyncio.run(main())
"""


async def started(database_url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, database_url, stdout=asyncio.subprocess.PIPE
    )


async def test_workers_that_are_killed_lose_nothing(database_url: str, database: Database) -> None:
    """Two processes, killed at any moment and started again, while readings come."""
    site = site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)
    await database.apply({"s": site, "t": OF_EACH})
    chance = random.Random(11)
    rows = [
        *some_readings(3),
        *(each._replace(device=each.device._replace(site="t")) for each in an_hour()),
    ]
    expected = await at_once(database, rows)
    chance.shuffle(rows)
    portions = [rows[first : first + 15] for first in range(0, len(rows), 15)]
    processes = [await started(database_url), await started(database_url)]
    try:
        for process in processes:
            assert process.stdout is not None
            await process.stdout.readline()
        for number, portion in enumerate(portions):
            await database.receive(portion)
            if number % max(1, len(portions) // 4) == 1:
                victim = processes.pop(0)
                await asyncio.sleep(chance.uniform(0.0, 0.1))
                victim.kill()
                await victim.wait()
                processes.append(await started(database_url))
    finally:
        for process in processes:
            process.kill()
            await process.wait()
    await database.run()
    assert await database.ledger() == expected
