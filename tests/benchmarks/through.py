"""From publishers through the broker to a consumer: how many messages a second, at what cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import psycopg

from tests.benchmarks.child import BenchError, Child, cpu_s, machine_busy_s, peak_rss_mb
from tests.benchmarks.generator import Load
from tests.benchmarks.peers.count import CLIENT_ID
from tests.benchmarks.publisher import forget_session
from tests.benchmarks.stack import Database, Stack, http_port

BACKLOG: Final = 60_000
"""Readings published and not yet done at most: enough that the consumer never waits, too few to burden the
broker with a queue."""
_POLL_S: Final = 0.02
_STALLED_S: Final = 60.0
_OWN: Final = "carbonflow_ingest_"
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time by process [s], and that of all programs that are not of this run."""

    consumer_s: float
    broker_s: float
    database_s: float
    generator_s: float
    others_s: float

    def since(self, before: Cost) -> Cost:
        """What was spent from `before` to now."""
        return Cost(
            self.consumer_s - before.consumer_s,
            self.broker_s - before.broker_s,
            self.database_s - before.database_s,
            self.generator_s - before.generator_s,
            self.others_s - before.others_s,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    readings: int
    seconds: float
    cost: Cost
    rss_mb: float

    @property
    def per_s(self) -> float:
        """Readings a second."""
        return self.readings / self.seconds

    def us_each(self, cpu_time_s: float) -> float:
        """CPU time of one reading [us]."""
        return cpu_time_s / self.readings * 1e6


class Consumer(Protocol):
    """What is measured."""

    @property
    def child(self) -> Child:
        """Its process."""

    async def count(self) -> int:
        """How many readings are done."""


class Peer:
    """A consumer that says itself how far it is."""

    def __init__(self, child: Child) -> None:
        self.child = child

    async def count(self) -> int:
        """The last number it printed."""
        self.child.check()
        return int(self.child.last)


class Ingest:
    """The service. What it has done is what the database's own account says, committed."""

    def __init__(self, child: Child, connection: psycopg.AsyncConnection, port: int) -> None:
        self.child = child
        self.connection = connection
        self._port = port

    async def metrics(self) -> dict[str, float]:
        """Its metrics without labels, by their names after `carbonflow_ingest_`."""
        self.child.check()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        lines = (await reader.read()).decode().splitlines()
        writer.close()
        own = [line.removeprefix(_OWN).split() for line in lines if line.startswith(_OWN) and "{" not in line]
        return {name: float(value) for name, value in own}

    async def count(self) -> int:
        """Readings in the account."""
        self.child.check()
        cursor = await self.connection.execute("SELECT coalesce(sum(received), 0) FROM core.ingest_total")
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def check(self, readings: int) -> None:
        """Raises BenchError where not every reading is stored, with its live emission and a dirty hour."""
        cursor = await self.connection.execute(_STORED)
        row = await cursor.fetchone()
        if row is None or row != (readings, readings, readings, True):
            raise BenchError(f"of {readings} readings the account, the tables and live emissions have {row}")


_STORED: Final = """
SELECT (SELECT sum(stored) FROM core.ingest_total),
    (SELECT count(*) FROM core.reading_meter) + (SELECT count(*) FROM core.reading_flowmeter)
        + (SELECT count(*) FROM core.reading_cems) + (SELECT count(*) FROM core.reading_beltscale),
    (SELECT count(*) FROM core.live_emission),
    EXISTS (SELECT FROM core.dirty)
"""


@asynccontextmanager
async def peer(stack: Stack, module: str, database: Database | None = None) -> AsyncIterator[Peer]:
    """A consumer of `tests.benchmarks.peers`, subscribed, stopped in the end."""
    environment = {"CARBONFLOW_MQTT_URL": stack.servers.operator_mqtt_url}
    if module == "ceiling":
        environment = {"CARBONFLOW_MQTT_URL": stack.ingest_mqtt_url}
    if database is not None:
        environment["CARBONFLOW_DATABASE_URL"] = database.owner_url
    child = await Child.start(module, ["-m", f"tests.benchmarks.peers.{module}"], environment, stack.logs)
    try:
        await child.first_line()
        yield Peer(child)
    finally:
        await child.stop()
        await forget_session(stack.operator, CLIENT_ID)


@asynccontextmanager
async def ingest(stack: Stack, database: Database) -> AsyncIterator[Ingest]:
    """The service with its shipped settings, ready, stopped in the end."""
    port = http_port()
    environment = {
        "CARBONFLOW_DATABASE_URL": database.ingest_url,
        "CARBONFLOW_MQTT_URL": stack.ingest_mqtt_url,
        "CARBONFLOW_INGEST_HTTP_PORT": str(port),
        "CARBONFLOW_INGEST_CLIENT_ID": CLIENT_ID,
        "CARBONFLOW_JOURNAL_DIR": str(stack.layout.local / "journal"),
    }
    child = await Child.start("ingest", ["-m", "services.cli.main", "ingest"], environment, stack.logs)
    try:
        await _ready(port, child)
        async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
            yield Ingest(child, connection, port)
    finally:
        await child.stop()
        await forget_session(stack.operator, CLIENT_ID)


async def _ready(port: int, child: Child) -> None:
    deadline = time.monotonic() + _STALLED_S
    while time.monotonic() < deadline:
        child.check()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_POLL_S)
            continue
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        if b" 200 " in answer:
            return
        await asyncio.sleep(_POLL_S)
    raise BenchError(f"ingest is not ready: {child.tail()}")


@asynccontextmanager
async def generator(stack: Stack, load: Load, module: str = "generator") -> AsyncIterator[Child]:
    """The publishers, connected, with everything they will say made already (`steady`: as it is due)."""
    child = await Child.start(module, ["-m", f"tests.benchmarks.{module}"], {}, stack.logs)
    child.tell(load.as_json())
    try:
        await child.first_line()
        yield child
    finally:
        await child.stop()


def yesterday_s() -> int:
    """Six o'clock UTC of yesterday: a day's readings from there on fall into one chunk."""
    morning = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    return int((morning - timedelta(days=1)).timestamp())


async def drain(stack: Stack, consumer: Consumer, load: Load, warm_up: int, progress: OnProgress) -> Run:
    """Let the consumer do all of a load, and measure it after the first `warm_up` messages.

    The publishers stay `BACKLOG` readings ahead. Raises BenchError where it stalls.
    """
    each = load.array or 1
    async with generator(stack, load) as publishers:
        feed = _Feed(publishers, consumer, load.messages, each, progress)
        await feed.until(warm_up)
        before, busy_before, started = _cost(stack, consumer, publishers), machine_busy_s(), time.monotonic()
        done_before = await consumer.count()
        await feed.until(load.messages)
        seconds = time.monotonic() - started
        cost = _cost(stack, consumer, publishers).since(before)
        spent = cost.consumer_s + cost.broker_s + cost.database_s + cost.generator_s
        others_s = max(0.0, machine_busy_s() - busy_before - spent)
        cost = Cost(cost.consumer_s, cost.broker_s, cost.database_s, cost.generator_s, others_s)
        readings = load.messages * each - done_before
        return Run(readings, seconds, cost, peak_rss_mb(consumer.child.pid))


class _Feed:
    """Keeps the publishers a little ahead of the consumer."""

    def __init__(
        self, publishers: Child, consumer: Consumer, total: int, each: int, progress: OnProgress
    ) -> None:
        self._publishers, self._consumer, self._total, self._each = publishers, consumer, total, each
        self._progress = progress

    async def until(self, messages: int) -> None:
        """Go on until so many messages are done."""
        done, moved_at = -1, time.monotonic()
        while done < messages * self._each:
            count = await self._consumer.count()
            if count > done:
                done, moved_at = count, time.monotonic()
                self._publishers.tell(str(min(messages, (count + BACKLOG) // self._each)))
                self._progress(count, self._total * self._each)
            elif time.monotonic() - moved_at > _STALLED_S:
                raise BenchError(f"stalled at {count} of {messages * self._each} readings")
            self._publishers.check()
            if done < messages * self._each:
                await asyncio.sleep(_POLL_S)


def _cost(stack: Stack, consumer: Consumer, publishers: Child) -> Cost:
    return Cost(
        consumer_s=cpu_s(consumer.child.pid),
        broker_s=cpu_s(stack.broker_pid),
        database_s=cpu_s(stack.database_pid),
        generator_s=cpu_s(publishers.pid),
        others_s=0.0,
    )
