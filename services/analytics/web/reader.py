"""One read of the database for all who look: what the board, /readyz and /metrics show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from services.analytics.web.rate import RateMeter
from services.store import board, board_rows
from services.store.finding_list import FindingRow, count_findings, list_findings
from services.store.pool import Connection, Pool
from services.store.remarks import MissingFactorRow, RemainderRow, missing_factors, remainders
from services.store.routes import RouteRow, routes_live

Clock = Callable[[], datetime]

POOL_TIMEOUT_S = 5.0
"""A page that waits longer for a connection is better told that the database is away."""
LOOK_BACK = timedelta(hours=27)
"""The last 24 hours and the running one, and every local day: 25 hours when clocks go back."""
_FAILURE_LASTS = timedelta(seconds=1)
"""Those who waited for the same look share its failure, rather than each wait for their own."""
LISTED = 50
"""Devices in trouble that the board names; the API lists them all."""
LETTERS_LISTED = 5
FINDINGS_OF = timedelta(hours=24)
FINDINGS_LISTED = 200
"""For all sites; the API lists them all."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The database at one instant, in one transaction."""

    taken_at: datetime
    sites: list[board_rows.SiteRow]
    sources: list[board_rows.SourceRow]
    live: list[board_rows.LiveRow]
    source_hours: list[board_rows.SourceHourRow]
    carrier_hours: list[board_rows.CarrierHourRow]
    device_counts: list[board_rows.DeviceCountRow]
    troubled: list[board_rows.DeviceRow]
    totals: list[board_rows.TotalsRow]
    reasons: list[board_rows.ReasonRow]
    letters: list[board_rows.DeadLetterRow]
    backlog: board_rows.BacklogRow
    received_per_s: float | None
    """Readings received per second lately; None until two looks are far enough apart."""
    routes: Sequence[RouteRow] = ()
    missing_factors: Sequence[MissingFactorRow] = ()
    remainders: Sequence[RemainderRow] = ()
    findings: Sequence[FindingRow] = ()
    """Of the last day, the newest first."""
    finding_counts: Mapping[str, int] = field(default_factory=dict)
    """In how many quantities of devices, by kind, over the last day."""


class BoardReader:
    """Reads a snapshot at most every `refresh_s` seconds, however many look."""

    def __init__(self, pool: Pool, refresh_s: float, clock: Clock) -> None:
        self._pool = pool
        self._refresh = timedelta(seconds=refresh_s)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._rate = RateMeter()
        self._newest: Snapshot | None = None
        self._read_at: datetime | None = None
        self._failure: psycopg.Error | None = None  # a PoolTimeout is one, too
        self._failed_at: datetime | None = None

    async def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises psycopg.Error or PoolTimeout where the database is away."""
        async with self._lock:
            if self._failure is not None and self._is_within(self._failed_at, _FAILURE_LASTS):
                raise self._failure
            if self._newest is None or not self._is_within(self._read_at, self._refresh):
                self._newest = await self._read_or_remember_why_not()
                self._read_at = self._clock()
            return self._newest

    def _is_within(self, begin: datetime | None, length: timedelta) -> bool:
        # A clock set back makes a negative age, which is within nothing.
        return begin is not None and timedelta(0) <= self._clock() - begin < length

    async def _read_or_remember_why_not(self) -> Snapshot:
        self._failure = None
        try:
            return await self._read()
        except psycopg.Error as error:
            self._failure, self._failed_at = error, self._clock()
            raise

    async def _read(self) -> Snapshot:
        async with self._pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return await self._read_all(connection)

    async def _read_all(self, connection: Connection) -> Snapshot:
        now = await board.database_now(connection)
        totals = await board.ingest_totals(connection)
        return Snapshot(
            taken_at=now,
            sites=await board.sites(connection),
            sources=await board.sources(connection),
            live=await board.live(connection),
            source_hours=await board.source_hours(connection, now - LOOK_BACK),
            carrier_hours=await board.carrier_hours(connection, now - LOOK_BACK),
            device_counts=await board.device_counts(connection),
            troubled=await board.troubled_devices(connection, LISTED),
            totals=totals,
            reasons=await board.dead_letter_reasons(connection),
            letters=await board.newest_dead_letters(connection, LETTERS_LISTED),
            backlog=await board.ledger_backlog(connection),
            received_per_s=self._rate.add(now, sum(each.received for each in totals)),
            routes=await routes_live(connection),
            missing_factors=await missing_factors(connection, now - LOOK_BACK),
            remainders=await remainders(connection),
            findings=await list_findings(connection, now - FINDINGS_OF, FINDINGS_LISTED, with_now=False),
            finding_counts=await count_findings(connection, now - FINDINGS_OF),
        )
