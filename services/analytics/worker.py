"""The ledger worker: round after round, as long as there is work; through the database's absences."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Final

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.analytics.recompute import Recomputer, Round
from services.analytics.repeat import until
from services.store.backoff import Backoff
from services.store.errors import Failure, classify, explain
from services.store.pool import Pool

POLL_S: Final = 0.5
"""How long to wait for more work; so long a reading waits for its hour at most, beside the round itself."""
_FIRST_RETRY_S: Final = 0.5
_LAST_RETRY_S: Final = 30.0
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What the worker tells Prometheus of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"carbonflow_ledger_{name}", text, registry=registry)

        self.failures = counter("failures", "Rounds that failed and are tried again")
        self.working = Gauge(
            "carbonflow_ledger_working", "1 where the last round of the ledger worked", registry=registry
        )
        self._quarters = Counter(
            "carbonflow_ledger_quarters",
            "Quarter hours of devices whose hours were computed: live of the last two hours, late before",
            ("lane",),
            registry=registry,
        )
        self._readings = counter("readings", "Readings that hours were computed from, neighbours included")
        self._changed = counter("rows_changed", "Rows of the ledger that were added or changed")
        self._removed = counter("rows_removed", "Rows of the ledger that no longer follow from anything")
        self._round = Histogram(
            "carbonflow_ledger_round_seconds",
            "Time of a round that had work",
            registry=registry,
            buckets=_SECONDS,
        )

    def done(self, done: Round, seconds: float) -> None:
        """A round is committed."""
        self.working.set(1)
        if done.live or done.late or done.ranges:
            self._quarters.labels("live").inc(done.live)
            self._quarters.labels("late").inc(done.late)
            self._readings.inc(done.computed.readings)
            self._changed.inc(done.computed.changed)
            self._removed.inc(done.computed.removed)
            self._round.observe(seconds)


class Worker:
    """Computes what ingest and registry changes touched, until told to stop."""

    def __init__(
        self, pool: Pool, recomputer: Recomputer, metrics: Metrics, random: Random, poll_s: float = POLL_S
    ) -> None:
        self._pool = pool
        self._recomputer = recomputer
        self._metrics = metrics
        self._backoff = Backoff(random, first_s=_FIRST_RETRY_S, most_s=_LAST_RETRY_S)
        self._poll_s = poll_s
        self._log = structlog.get_logger("ledger")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; a round that has begun is finished. A database that is away, and a statement that it
        refuses, are waited out: what is to be done stays noted."""
        await until(stop, self._try_round)

    async def _try_round(self) -> float:
        """One round; how long to wait before the next [s]."""
        began = time.perf_counter()
        try:
            async with self._pool.connection() as connection:
                done = await self._recomputer.run_once(connection)
        except psycopg.Error as error:
            return self._failed(error)
        self._backoff.reset()
        self._metrics.done(done, time.perf_counter() - began)
        return 0.0 if done.was_full else self._poll_s

    def _failed(self, error: psycopg.Error) -> float:
        self._metrics.failures.inc()
        self._metrics.working.set(0)
        retry_s = self._backoff.next_s()
        # The rows' own fault will not pass by itself: somebody must look.
        log = self._log.warning if classify(error) is Failure.TRANSIENT else self._log.error
        log("round failed", problem=explain(error), sqlstate=error.sqlstate, retry_s=round(retry_s, 1))
        return retry_s
