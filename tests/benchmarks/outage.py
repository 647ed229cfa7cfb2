"""The database is stopped while readings come at a steady rate, and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Final

import psycopg

from deploy.local import servers
from deploy.local.progress import LineProgress
from tests.benchmarks.child import BenchError, Child, peak_rss_mb
from tests.benchmarks.generator import Load
from tests.benchmarks.stack import Database, Stack
from tests.benchmarks.through import Ingest, OnProgress, generator, ingest

_POLL_S: Final = 0.25
_BEFORE_S: Final = 3.0
_EMPTY_S: Final = 300.0
_ACCOUNT: Final = """
SELECT coalesce(sum(received), 0)::bigint, coalesce(sum(stored), 0)::bigint,
    coalesce(sum(duplicate), 0)::bigint
FROM core.ingest_total
"""


@dataclass(frozen=True, slots=True)
class Outage:
    """What was seen."""

    published: int
    """Messages of one reading each that the broker acknowledged."""
    received: int
    duplicate: int
    lost: int
    stall_s: float
    """The longest wait of a publisher for an acknowledgement of the broker."""
    journalled: int
    """Messages in the journal at most."""
    bytes_each: float
    """Of the journal's file, for each of them."""
    broker_queue: int
    """Messages that the broker held at most, about: those of up to half a second belong to nobody."""
    catch_up: float
    """What was written while the journal emptied, against what arrived at the same time."""
    rss_mb: float


class _Watch:
    """Looks at ingest and at the publishers all the time, and keeps the most of each."""

    def __init__(self, service: Ingest, publishers: Child) -> None:
        self._service = service
        self._publishers = publishers
        self.metrics: dict[str, float] = {}
        self.sent = 0
        self.journalled = 0
        self.used_bytes = 0
        self.broker_queue = 0

    async def look(self) -> None:
        """Look once."""
        said = self._publishers.last
        self.metrics = found = await self._service.metrics()
        self._publishers.check()
        if said.startswith("{"):
            # Said before ingest was asked: what it has since then taken is no queue.
            self.sent = json.loads(said)["acknowledged"]
            held = self.sent - found["received_total"] - found["journal_messages"] - found["in_flight"]
            self.broker_queue = max(self.broker_queue, int(held))
        if found["journal_messages"] > self.journalled:
            self.journalled = int(found["journal_messages"])
            self.used_bytes = int(found["journal_bytes"])

    async def look_for(self, seconds: float, progress: OnProgress) -> None:
        """Look for so long."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            await self.look()
            progress(int(passed), int(seconds))
            await asyncio.sleep(_POLL_S)


async def stopped_database(stack: Stack, load: Load, away_s: float, progress: OnProgress) -> Outage:
    """Stop the database for so long under that load, start it again, and let the journal empty under load."""
    async with (
        stack.database() as database,
        ingest(stack, database) as service,
        generator(stack, load, "steady") as publishers,
    ):
        watch = _Watch(service, publishers)
        publishers.tell("go")
        await watch.look_for(_BEFORE_S, progress)
        os.kill(stack.database_pid, signal.SIGINT)
        await watch.look_for(away_s, progress)
        await asyncio.to_thread(_start_again, stack)
        catch_up = await _until_empty(watch)
        said = json.loads(await publishers.wait())
        received, stored, duplicate = await _until_counted(database, said["acknowledged"])
        return Outage(
            published=said["acknowledged"],
            received=received,
            duplicate=duplicate,
            lost=said["acknowledged"] - stored,
            stall_s=said["worst_s"],
            journalled=watch.journalled,
            bytes_each=watch.used_bytes / max(1, watch.journalled),
            broker_queue=watch.broker_queue,
            catch_up=catch_up / load.rate_per_s,
            rss_mb=peak_rss_mb(service.child.pid),
        )


def _start_again(stack: Stack) -> None:
    """Start the database."""
    layout = stack.layout
    servers.ensure_up(layout.root, LineProgress(), environment={}, shared_packages=layout.shared_packages)


async def _until_empty(watch: _Watch) -> float:
    """Messages written each second from the first one on until the journal is empty. Raises BenchError."""
    before = watch.metrics["received_total"]
    deadline = time.monotonic() + _EMPTY_S
    while watch.metrics["received_total"] == before:
        await _look_again(watch, deadline)
    began, first = time.monotonic(), watch.metrics["received_total"]
    while watch.metrics["journal_messages"]:
        await _look_again(watch, deadline)
    return (watch.metrics["received_total"] - first) / (time.monotonic() - began)


async def _look_again(watch: _Watch, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise BenchError(f"the journal still holds {watch.metrics['journal_messages']:.0f} messages")
    await asyncio.sleep(_POLL_S)
    await watch.look()


async def _until_counted(database: Database, published: int) -> tuple[int, int, int]:
    """Received, stored and duplicate, once as much was received as was published. Raises BenchError."""
    deadline = time.monotonic() + _EMPTY_S
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(_ACCOUNT)
            row = await cursor.fetchone()
            if row is not None and row[0] >= published:
                return row[0], row[1], row[2]
            if time.monotonic() > deadline:
                raise BenchError(f"of {published} messages the account has {row}")
            await asyncio.sleep(_POLL_S)
