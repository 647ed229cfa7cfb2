"""Keeps dead letters within their bounds of age and bytes, so that no flood of them fills the disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, get_args

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.analytics.repeat import until
from services.store.backoff import Backoff
from services.store.errors import explain
from services.store.letter_bounds import (
    Bound,
    Kept,
    Measured,
    State,
    drop_letters,
    letter_bounds_lock,
    measure_letters,
)
from services.store.pool import Connection, Pool

POLL_S: Final = 15.0
"""How long to wait before the next look; what comes meanwhile may be above the bound."""
_POLL_FACTOR: Final = 20
"""Measuring reads a row of every letter: at most this part of the time goes into it."""
_DOWN_TO: Final = 0.95
"""Of the bound, so that not each look finds a little too much."""
_NO_BYTES: Final = 2**62
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0
STATES: Final = get_args(State)
"""In the order in which they are dropped: first what nobody needs any more."""


@dataclass(frozen=True, slots=True)
class LetterBounds:
    """What all dead letters may take on disk, about, and how long after receipt those of a state are kept."""

    size_bytes: int
    settled: timedelta
    open: timedelta

    def age(self, state: State) -> timedelta:
        """How long dead letters of that state are kept."""
        return self.settled if state == "settled" else self.open


class LetterMetrics:
    """What is told to Prometheus of the bounds of dead letters."""

    def __init__(self, registry: CollectorRegistry, bounds: LetterBounds) -> None:
        self.working = Gauge(
            "carbonflow_dead_letter_bounds_working",
            "1 where the last look at the bounds of dead letters worked",
            registry=registry,
        )
        self._bytes = Gauge(
            "carbonflow_dead_letter_bytes",
            "Disk that dead letters take, about",
            ["state"],
            registry=registry,
        )
        limit = Gauge(
            "carbonflow_dead_letter_limit_bytes",
            "Disk that dead letters may take before the oldest are dropped",
            registry=registry,
        )
        limit.set(bounds.size_bytes)
        self._dropped = Counter(
            "carbonflow_dead_letters_dropped",
            "Dead letters dropped because of their age, or of all their bytes",
            ["state", "bound"],
            registry=registry,
        )
        for state in STATES:
            self._bytes.labels(state)
            for bound in get_args(Bound):
                self._dropped.labels(state, bound)

    def measured(self, found: Measured) -> None:
        """So much there is."""
        self.working.set(1)
        for state, kept in zip(STATES, (found.settled, found.open), strict=True):
            self._bytes.labels(state).set(kept.size_bytes)

    def dropped(self, state: State, bound: Bound, letters: int) -> None:
        """So many are gone."""
        self._dropped.labels(state, bound).inc(letters)


class LetterKeeper:
    """Drops dead letters beyond their bounds, the oldest first, until told to stop."""

    def __init__(
        self,
        pool: Pool,
        bounds: LetterBounds,
        metrics: LetterMetrics,
        random: Random,
        clock: Callable[[], datetime],
        poll_s: float = POLL_S,
    ) -> None:
        self._pool = pool
        self._bounds = bounds
        self._metrics = metrics
        self._backoff = Backoff(random, first_s=_FIRST_RETRY_S, most_s=_LAST_RETRY_S)
        self._clock = clock
        self._poll_s = poll_s
        self._log = structlog.get_logger("letters")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. A database that is away, or refuses, is waited out."""
        await until(stop, lambda: self._try_once(stop))

    async def _try_once(self, stop: asyncio.Event) -> float:
        """One look; how long to wait before the next [s]."""
        try:
            async with self._pool.connection() as connection, letter_bounds_lock(connection) as ours:
                took_s = await self.run_once(connection, stop) if ours else 0.0
        except psycopg.Error as error:
            self._metrics.working.set(0)
            self._log.warning("bounds of dead letters not looked at", problem=explain(error))
            return self._backoff.next_s()
        self._backoff.reset()
        return max(self._poll_s, _POLL_FACTOR * took_s)

    async def run_once(self, connection: Connection, stop: asyncio.Event) -> float:
        """Drop what is beyond the bounds; how long measuring took [s]. Raises psycopg.Error."""
        now = self._clock()
        for state in STATES:
            await self._drop(connection, stop, state, "age", now - self._bounds.age(state), _NO_BYTES)
        began = time.perf_counter()
        found = await measure_letters(connection)
        took_s = time.perf_counter() - began
        self._metrics.measured(found)
        if found.size_bytes > self._bounds.size_bytes:
            excess = found.size_bytes - int(self._bounds.size_bytes * _DOWN_TO)
            for state in STATES:
                excess -= await self._drop(connection, stop, state, "bytes", now, excess)
        return took_s

    async def _drop(
        self,
        connection: Connection,
        stop: asyncio.Event,
        state: State,
        bound: Bound,
        before: datetime,
        size_bytes: int,
    ) -> int:
        """Drop dead letters, a portion in each transaction; how many bytes that freed."""
        letters = freed = 0
        while freed < size_bytes and not stop.is_set():
            gone: Kept = await drop_letters(
                connection, state, bound, before=before, size_bytes=size_bytes - freed
            )
            if not gone.letters:
                break
            self._metrics.dropped(state, bound, gone.letters)
            letters += gone.letters
            freed += gone.size_bytes
        if letters:
            self._log.warning("dead letters dropped", state=state, bound=bound, letters=letters, bytes=freed)
        return freed
