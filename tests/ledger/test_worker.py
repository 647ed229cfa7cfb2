"""The worker and the process around it: they wait, work, wait out failures, and stop in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from services.analytics.recompute import Recomputer
from services.analytics.worker import Metrics, Worker
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.store.pool import Pool, open_pool
from tests.ledger.conftest import Database, approx, reading

pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
PATIENCE_S = 30


@asynccontextmanager
async def working(pool: Pool, metrics: CollectorRegistry) -> AsyncIterator[None]:
    """A worker in the background, stopped in order at the end."""
    stop = asyncio.Event()
    worker = Worker(pool, Recomputer(), Metrics(metrics), Random(1), poll_s=0.02)
    task = asyncio.create_task(worker.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(task, PATIENCE_S)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds, for PATIENCE_S at most."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


async def until(database: Database, count: int) -> None:
    """Wait for so many rows of the ledger, and for no work to be left."""

    async def done() -> bool:
        rows = await database.fetch(
            "SELECT (SELECT count(*) FROM core.device_hour), backlog FROM api.ledger_backlog"
        )
        return rows == [(count, 0)]

    await eventually(done)


async def test_the_worker_computes_what_comes(database_url: str, database: Database) -> None:
    metrics = CollectorRegistry()
    async with open_pool(database_url, name="worker") as pool, working(pool, metrics):
        await database.receive([reading(METER, 0, power_kw=1.0)])
        await until(database, 1)
        await database.receive([reading(METER, 3600, power_kw=1.0)])
        await until(database, 2)
    assert metrics.get_sample_value("carbonflow_ledger_working") == 1
    assert metrics.get_sample_value("carbonflow_ledger_failures_total") == 0
    assert metrics.get_sample_value("carbonflow_ledger_rows_changed_total") == approx(2)


async def test_what_fails_is_tried_again(database_url: str, database: Database) -> None:
    metrics = CollectorRegistry()
    await database.receive([reading(METER, 0, power_kw=1.0)])
    await database.connection.execute("ALTER TABLE core.device_hour RENAME TO away")
    await database.connection.commit()
    async with open_pool(database_url, name="worker") as pool, working(pool, metrics):

        async def failed() -> bool:
            return bool(metrics.get_sample_value("carbonflow_ledger_failures_total"))

        await eventually(failed)
        assert metrics.get_sample_value("carbonflow_ledger_working") == 0
        await database.connection.execute("ALTER TABLE core.away RENAME TO device_hour")
        await database.connection.commit()
        await until(database, 1)
    assert metrics.get_sample_value("carbonflow_ledger_working") == 1


async def test_a_connection_that_dies_is_replaced(database_url: str, database: Database) -> None:
    async with open_pool(database_url, name="a worker to kill") as pool, working(pool, CollectorRegistry()):
        await database.receive([reading(METER, 0, power_kw=1.0)])
        await until(database, 1)
        await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'a worker to kill' AND datname = current_database()"
        )
        await database.receive([reading(METER, 3600, power_kw=1.0)])
        await until(database, 2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "CARBONFLOW_DATABASE_URL": database_url,
        "CARBONFLOW_ANALYTICS_HTTP_PORT": str(free_port()),
    }


async def started(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from services.cli.analytics import analytics; analytics()",
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )


def get(environment: dict[str, str], path: str) -> Any:
    port = environment["CARBONFLOW_ANALYTICS_HTTP_PORT"]
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


async def reachable(fetch: Callable[[], str]) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await asyncio.to_thread(fetch)
            except OSError:
                await asyncio.sleep(0.05)


async def test_the_process_serves_works_and_stops(environment: dict[str, str], database: Database) -> None:
    process = await started(environment)
    try:
        ready = json.loads(await reachable(lambda: get(environment, "/readyz")))
        assert ready["ready"] is True
        await database.receive([reading(METER, 0, power_kw=1.0)])
        await until(database, 1)
        metrics = await asyncio.to_thread(get, environment, "/metrics")
        assert "carbonflow_ledger_working 1.0" in metrics
        assert "carbonflow_database_up 1.0" in metrics
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, log.decode()
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["stopping", "stopped"]


async def test_a_port_that_is_taken_is_named(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["CARBONFLOW_ANALYTICS_HTTP_PORT"])))
        taken.listen()
        process = await started(environment)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 1
    assert b"CARBONFLOW_ANALYTICS_HTTP_PORT" in log
