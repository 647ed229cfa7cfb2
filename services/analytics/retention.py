"""Old raw readings: hours that followed from them stay, and an operator's limits are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import psycopg
import structlog

from services.analytics.known import Known
from services.analytics.ledger import Windows
from services.domain.ledger.hours import to_us
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey
from services.store.backoff import Backoff
from services.store.errors import explain
from services.store.pool import Connection, Pool
from services.store.retention import drop_live, drop_raw, raw_since, step_ends

POLL_S: Final = 3600.0
"""A chunk is a day: one is due once in a day."""
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 600.0


class Kept:
    """Which hours may be computed within one transaction that holds the registry: those all of whose readings
    are there."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._asked = False
        self._since: datetime | None = None
        self._from_us: dict[DeviceKey, int] = {}
        self.left = 0
        """Windows, or parts of some, that were left as they are."""

    async def of(self, connection: Connection, windows: Windows) -> Windows:
        """What of the windows may be computed. Raises psycopg.Error."""
        if not self._asked:
            self._since, self._asked = await raw_since(connection), True
        if self._since is None:
            return windows
        await self._learn(connection, self._since, self._families(windows))
        result: Windows = {}
        for key, window in windows.items():
            begin_us = max([window.begin_us, *(self._from_us[each] for each in self._families([key]))])
            begin_us = self._known.plan.history(key).grid.ceil(begin_us)
            self.left += begin_us > window.begin_us
            if begin_us < window.end_us:
                result[key] = Window(begin_us, window.end_us)
        return result

    def _families(self, keys: Collection[DeviceKey]) -> set[DeviceKey]:
        """With the other devices of their sources: an hour of a source follows from all of them."""
        plan = self._known.plan
        members = {
            member for key in keys for source in plan.sources_of(key) for member in plan.members(source)
        }
        return members.union(keys)

    async def _learn(self, connection: Connection, since: datetime, keys: set[DeviceKey]) -> None:
        """From when on the hours of each device follow from nothing that may be gone."""
        unknown = keys - self._from_us.keys()
        await self._known.find(connection, unknown)
        ids = self._known.ids
        ends = await step_ends(connection, [ids[key] for key in unknown if key in ids], since)
        for key in unknown:
            history = self._known.plan.history(key)
            end = ends.get(ids[key]) if key in ids else None
            reach_us = max(history.hold_us, history.memory_us)
            self._from_us[key] = to_us(max(since, end) if end else since) + reach_us


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is kept; None: for ever."""

    raw: timedelta | None
    live: timedelta | None


async def keep_limits(
    pool: Pool, limits: Limits, random: Random, clock: Callable[[], datetime], stop: asyncio.Event
) -> None:
    """Drop what is older than the limits, until `stop`. A database that is away, or refuses, is waited
    out."""
    log = structlog.get_logger("retention")
    backoff = Backoff(random, first_s=_FIRST_RETRY_S, most_s=_LAST_RETRY_S)
    while not stop.is_set() and limits != Limits(None, None):
        try:
            async with pool.connection() as connection:
                dropped = await drop_beyond(connection, limits, clock())
        except psycopg.Error as error:
            log.warning("old rows not dropped", problem=explain(error))
            wait_s = backoff.next_s()
        else:
            if dropped:
                log.info("old rows dropped", chunks=dropped)
            backoff.reset()
            wait_s = POLL_S
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await stop.wait()


async def drop_beyond(connection: Connection, limits: Limits, now: datetime) -> int:
    """Drop what is older than the limits; how many chunks. Raises psycopg.Error."""
    dropped = 0
    if limits.raw is not None:
        dropped += await drop_raw(connection, now - limits.raw)
    if limits.live is not None:
        dropped += await drop_live(connection, now - limits.live)
    return dropped
