"""How long from a device's publish until the hour it is in has changed in `api.emissions_hourly`.

Ingest and analytics run as shipped, while others publish at a steady rate; then the same while a fleet that
was away sends what it kept. Probes are registers of devices of their own, each with its source: each reading
is one kWh more, so the sum of a source's hours says how many of them are in the ledger. A session that asks
all the time sees when; what it shows is an upper bound, by up to a poll.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import psycopg

from tests.benchmarks.child import BenchError, Child, cpu_s, peak_rss_mb
from tests.benchmarks.generator import Load
from tests.benchmarks.publisher import Publisher, connect
from tests.benchmarks.stack import Database, Stack, http_port
from tests.benchmarks.through import Ingest, OnProgress, generator, ingest, yesterday_s
from tests.benchmarks.traffic import Fleet

_POLL_S: Final = 0.02
_PROBE_EVERY_S: Final = 0.1
_GIVEN_UP_S: Final = 60.0
_WARM_UP_S: Final = 5.0
_PROBES: Final = 20
_ARRAY: Final = 100
_AHEAD: Final = 300
"""So many arrays the broker has of those that were away."""
_FEED_EVERY_S: Final = 0.25
_COUNTED: Final = """
SELECT s.site, sum(h.activity) FROM core.source s JOIN core.emission_hour h USING (source_id)
WHERE s.site = ANY (%s) AND s.source = ANY (%s) AND h.basis = 'location' AND h.hour >= %s
GROUP BY s.site
"""
_IN_LEDGER: Final = """
SELECT coalesce(sum(of_hour.readings), 0)::integer
FROM (
    SELECT max(h.readings) AS readings FROM core.device_hour h
    WHERE h.hour >= to_timestamp(%s) AND h.hour < to_timestamp(%s)
    GROUP BY h.device_id, h.hour
) AS of_hour
"""
_NONE: Final = '{"sent": 0}'


@dataclass(slots=True)
class Probe:
    """One device: when each of its readings was published, and when seen in the ledger."""

    topic: str
    published: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Probes:
    """Sends readings of the probes' devices, one after the other, and looks for them."""

    publisher: Publisher
    connection: psycopg.AsyncConnection
    analytics: Child
    of_site: dict[str, Probe]
    sources: list[str]
    since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=2))
    sent: int = 0

    def send(self, probe: Probe) -> None:
        """Publish its next reading."""
        ts = datetime.now(UTC).isoformat(timespec="microseconds")
        register = 1000 + len(probe.published)
        probe.published.append(time.perf_counter())
        self.publisher.publish(probe.topic, f'{{"ts":"{ts}","energy_import_kwh":{register}}}'.encode())
        self.sent += 1

    async def look(self) -> None:
        """Note those that are in the ledger: of n kWh, the first n + 1 readings."""
        cursor = await self.connection.execute(_COUNTED, [list(self.of_site), self.sources, self.since])
        rows = await cursor.fetchall()
        now = time.perf_counter()
        for site, amount in rows:
            if amount is not None:
                probe = self.of_site[site]
                probe.seen += [now] * (int(amount + 1.001) - len(probe.seen))

    @property
    def missing(self) -> int:
        """How many are not in the ledger yet; nothing shows a first one by itself."""
        return sum(len(each.published) - max(1, len(each.seen)) for each in self.of_site.values())

    def counts(self) -> list[int]:
        """How many readings each probe has sent."""
        return [len(each.published) for each in self.of_site.values()]

    def latencies_s(self, before: Sequence[int]) -> list[float]:
        """From publish to the ledger, of each probe's readings but its first so many [s]."""
        return [
            seen - published
            for each, count in zip(self.of_site.values(), before, strict=True)
            for published, seen in zip(each.published[count:], each.seen[count:], strict=True)
        ]

    async def run(self, goes_on: Callable[[float], bool], progress: OnProgress) -> None:
        """Send and look while it goes on, then until all are seen; what is not after a minute counts as seen
        then, so that a ledger that does not keep up has a figure, too. Raises BenchError."""
        random = Random(self.sent)
        order = list(self.of_site.values())
        started = now = time.perf_counter()
        next_at = now
        while goes_on(now - started):
            if now >= next_at:
                self.send(order[self.sent % len(order)])
                next_at = now + random.uniform(0, 2 * _PROBE_EVERY_S)
                progress(self.sent, self.sent)
            await self.look()
            await asyncio.sleep(_POLL_S)
            now = time.perf_counter()
        while self.missing:
            self.analytics.check()
            if time.perf_counter() - now > _GIVEN_UP_S:
                self._give_up()
            await self.look()
            await asyncio.sleep(_POLL_S)

    def _give_up(self) -> None:
        now = time.perf_counter()
        for each in self.of_site.values():
            each.seen += [now] * (len(each.published) - len(each.seen))


@dataclass(frozen=True, slots=True)
class Fresh:
    """From publish to the hour [s], and what the worker takes."""

    p50_s: float
    p99_s: float
    cores: float
    """CPU time of analytics by time."""
    rss_mb: float
    absorbed_per_s: float = 0.0
    """Late readings, from the first publish to the last hour [1/s]."""


@dataclass(slots=True)
class Scene:
    """What runs while it is measured."""

    service: Ingest
    analytics: Child
    steady: Child
    probes: Probes
    url: str
    """The database."""


@asynccontextmanager
async def scene(stack: Stack, load: Load) -> AsyncIterator[Scene]:
    """Ingest, analytics and publishers at the load's rate; the probes' devices are those after the load's."""
    async with (
        stack.database() as database,
        ingest(stack, database) as service,
        _analytics(stack, database) as analytics,
        generator(stack, load, "steady") as publishers,
    ):
        # One of each site, registered beside those of the load.
        fleet = Fleet(load.devices + load.sites, load.sites)
        devices = range(load.devices, load.devices + min(_PROBES, load.sites))
        found = Probes(
            await connect(stack.devices, "bench-probe"),
            service.connection,
            analytics,
            {fleet.site(device): Probe(fleet.topic(device)) for device in devices},
            [fleet.topic(device).rpartition("/")[2] for device in devices],
        )
        for probe in found.of_site.values():
            found.send(probe)
        publishers.tell("go")
        yield Scene(service, analytics, publishers, found, database.owner_url)
        found.publisher.close()


@asynccontextmanager
async def _analytics(stack: Stack, database: Database) -> AsyncIterator[Child]:
    path = urlsplit(database.owner_url).path
    environment = {
        "CARBONFLOW_DATABASE_URL": urlunsplit(
            urlsplit(stack.servers.role_url("analytics"))._replace(path=path)
        ),
        "CARBONFLOW_ANALYTICS_HTTP_PORT": str(http_port()),
    }
    child = await Child.start("analytics", ["-m", "services.cli.main", "analytics"], environment, stack.logs)
    try:
        yield child
    finally:
        await child.stop()


async def under_load(stack: Stack, load: Load, seconds: float, progress: OnProgress) -> Fresh:
    """Freshness while `load` is published at its rate."""
    async with scene(stack, load) as running:
        await _warm_up(running, progress)
        return await _measured(running, lambda elapsed: elapsed < seconds, progress)


async def _measured(running: Scene, goes_on: Callable[[float], bool], progress: OnProgress) -> Fresh:
    probes = running.probes
    before = probes.counts()
    cpu, began = cpu_s(running.analytics.pid), time.perf_counter()
    await probes.run(goes_on, progress)
    cores = (cpu_s(running.analytics.pid) - cpu) / (time.perf_counter() - began)
    p50, p99 = np.percentile(probes.latencies_s(before), [50, 99])
    running.analytics.check()
    return Fresh(float(p50), float(p99), cores, peak_rss_mb(running.analytics.pid))


async def _warm_up(running: Scene, progress: OnProgress) -> None:
    """Until the ledger has caught up with what came while it compiled the registry; a minute at most. Raises
    BenchError."""
    deadline = time.perf_counter() + _GIVEN_UP_S
    while time.perf_counter() < deadline:
        await running.probes.run(lambda elapsed: elapsed < _WARM_UP_S, progress)
        running.analytics.check()
        cursor = await running.service.connection.execute("SELECT live_lag_s FROM api.ledger_backlog")
        [(lag_s,)] = await cursor.fetchall()
        if lag_s < _WARM_UP_S:
            return


async def while_late_ones_come(
    stack: Stack, load: Load, devices: int, arrays: int, progress: OnProgress
) -> Fresh:
    """The same while so many arrays of 100 readings come, of yesterday, until all are in the ledger."""
    late = Load(
        url=load.url, devices=devices, sites=load.sites, messages=arrays, start_s=yesterday_s(), array=_ARRAY
    )
    async with scene(stack, load) as running, generator(stack, late) as publishers:
        await _warm_up(running, progress)
        feed = asyncio.create_task(_feed(running, publishers, late))
        try:
            fresh = await _measured(running, lambda _: not feed.done(), progress)
            took_s = await feed
        finally:
            feed.cancel()
        return replace(fresh, absorbed_per_s=arrays * _ARRAY / took_s)


async def _feed(running: Scene, publishers: Child, late: Load) -> float:
    """Send all that is late, a little ahead of ingest, and wait until it is in the ledger; how long that took
    [s]. Raises BenchError."""
    async with await psycopg.AsyncConnection.connect(running.url, autocommit=True) as connection:
        began = moved_at = time.perf_counter()
        done, readings = 0, late.messages * _ARRAY
        while done < readings:
            received = await running.service.count() - json.loads(running.steady.last or _NONE)["sent"]
            publishers.tell(str(min(late.messages, max(0, received) // _ARRAY + _AHEAD)))
            cursor = await connection.execute(_IN_LEDGER, [late.start_s, late.start_s + 86_400])
            [(now_done,)] = await cursor.fetchall()
            if now_done > done:
                done, moved_at = now_done, time.perf_counter()
            elif time.perf_counter() - moved_at > _GIVEN_UP_S:
                raise BenchError(f"{done} of {readings} late readings are in the ledger, and no more come")
            await asyncio.sleep(_FEED_EVERY_S)
        return time.perf_counter() - began
