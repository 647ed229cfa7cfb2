"""How long from a device's publish until the reading is visible in SQL.

Probes are readings of a device of its own, published among the others. A session that asks all the time for
the newest of them sees when each has become visible; what it shows is an upper bound, by up to a poll.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

import numpy as np
import psycopg

from tests.benchmarks.child import BenchError, peak_rss_mb
from tests.benchmarks.generator import Load
from tests.benchmarks.publisher import Publisher, connect
from tests.benchmarks.stack import Stack
from tests.benchmarks.through import OnProgress, generator, ingest
from tests.benchmarks.traffic import reading

_TOPIC: Final = "telemetry/v1/bench-000/meter/probe"
_POLL_S: Final = 0.002
_PROBE_EVERY_S: Final = 0.02
_GIVEN_UP_S: Final = 30.0
_NEWEST: Final = """
SELECT r.seq FROM core.reading_meter r
WHERE r.device_id = (SELECT device_id FROM core.device WHERE site = 'bench-000' AND device = 'probe')
    AND r.time > now() - interval '10 minutes'
ORDER BY r.time DESC LIMIT 1
"""


@dataclass(slots=True)
class Probes:
    """Sends probes and notes when each was published and when it was seen."""

    publisher: Publisher
    connection: psycopg.AsyncConnection
    published: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)

    def send(self) -> None:
        """Publish the next one."""
        number = len(self.published)
        ts = datetime.now(UTC).isoformat(timespec="microseconds")
        payload = reading("meter", 0, number, ts).encode()
        self.published.append(time.perf_counter())
        self.publisher.publish(_TOPIC, payload)

    async def look(self) -> None:
        """Note those that have become visible."""
        cursor = await self.connection.execute(_NEWEST)
        row = await cursor.fetchone()
        if row is not None:
            now = time.perf_counter()
            self.seen += [now] * (row[0] + 1 - len(self.seen))

    async def until_all_seen(self) -> None:
        """Look until every probe is visible. Raises BenchError."""
        deadline = time.perf_counter() + _GIVEN_UP_S
        while len(self.seen) < len(self.published):
            if time.perf_counter() > deadline:
                raise BenchError(f"{len(self.published) - len(self.seen)} probes never became visible")
            await self.look()
            await asyncio.sleep(_POLL_S)

    def latencies_ms(self, first: int = 0) -> list[float]:
        """From publish to visible, from probe `first` on [ms]."""
        return [
            1000 * (seen - published)
            for published, seen in zip(self.published[first:], self.seen[first:], strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles [ms], and memory."""

    p50_ms: float
    p99_ms: float
    rss_mb: float


async def under_load(stack: Stack, load: Load, seconds: float, progress: OnProgress) -> Latency:
    """Latency while `load` is published at its rate."""
    async with (
        stack.database() as database,
        ingest(stack, database) as service,
        generator(stack, load) as publishers,
    ):
        probes = Probes(await connect(stack.devices, "bench-probe"), service.connection)
        probes.send()
        await probes.until_all_seen()
        publishers.tell("go")
        # The first second is that of new devices.
        warm = await _probe(probes, 1.0, progress)
        await _probe(probes, seconds, progress)
        probes.publisher.close()
        p50, p99 = np.percentile(probes.latencies_ms(warm), [50, 99])
        return Latency(float(p50), float(p99), peak_rss_mb(service.child.pid))


async def _probe(probes: Probes, seconds: float, progress: OnProgress) -> int:
    """Send probes at random moments while looking; returns how many there are."""
    random = Random(len(probes.published))
    now = time.perf_counter()
    end, next_at = now + seconds, now
    while now < end:
        if now >= next_at:
            probes.send()
            next_at = now + random.uniform(0, 2 * _PROBE_EVERY_S)
            progress(len(probes.published), int(seconds / _PROBE_EVERY_S))
        await probes.look()
        await asyncio.sleep(_POLL_S)
        now = time.perf_counter()
    await probes.until_all_seen()
    return len(probes.published)


async def idle(stack: Stack, count: int, progress: OnProgress) -> float:
    """The worst latency of single readings while nothing else is published [ms]."""
    async with stack.database() as database, ingest(stack, database) as service:
        probes = Probes(await connect(stack.devices, "bench-probe"), service.connection)
        random = Random(1)
        for number in range(count + 1):
            probes.send()
            await probes.until_all_seen()
            progress(number, count)
            await asyncio.sleep(random.uniform(0.1, 0.3))
        probes.publisher.close()
        return max(probes.latencies_ms(1))
