"""Queries that hold a run to account: what was counted, what is stored, what the ledger says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from services.store.pool import Connection


class Totals(NamedTuple):
    """Outcomes of all ingest clients: units, see the contract's unit of account."""

    received: int
    stored: int
    duplicate: int
    rejected: int

    def since(self, earlier: Totals) -> Totals:
        """What was counted after `earlier`."""
        return Totals(*(now - then for now, then in zip(self, earlier, strict=True)))


class StoredValue(NamedTuple):
    """One value of `api.readings`."""

    site: str
    kind: str
    device: str
    time: datetime
    quantity: str
    value: float


class StoredSpan(NamedTuple):
    """The first and last stored reading of a device, and the seconds it is expected to need between two."""

    site: str
    kind: str
    device: str
    first: datetime
    last: datetime
    interval_s: float | None


class LedgerSum(NamedTuple):
    """What the ledger holds of one source."""

    site: str
    source: str
    method: str
    co2_kg: float | None


class SourceNow(NamedTuple):
    """One line of the live table: a source's rate now and its amounts since the site's local midnight."""

    site: str
    source: str
    scope: int
    method: str
    in_total: bool
    co2_kg_per_h: float | None
    age_s: float | None
    today_kg: float | None


_TOTALS = """
SELECT coalesce(sum(received), 0)::bigint, coalesce(sum(stored), 0)::bigint,
    coalesce(sum(duplicate), 0)::bigint, coalesce(sum(rejected), 0)::bigint
FROM api.ingest_totals"""

_STORED = """
SELECT site, kind, device, time, quantity, value FROM api.readings
WHERE received_at >= %(since)s AND time >= %(since)s::timestamptz - interval '3 days'"""

_STORED_BY_KIND = """
SELECT kind, count(*) FROM (
    SELECT DISTINCT site, kind, device, time FROM api.readings
    WHERE received_at >= %(since)s AND time >= %(since)s::timestamptz - interval '3 days') AS reading
GROUP BY kind"""

_DEAD = """
SELECT topic, reason, count(*) FROM api.dead_letters
WHERE received_at >= %(since)s GROUP BY topic, reason"""

_SPANS = """
WITH span AS MATERIALIZED (
    SELECT site, kind, device, min(time) AS first, max(time) AS last
    FROM api.readings GROUP BY site, kind, device)
SELECT s.site, s.kind, s.device, s.first, s.last, d.interval_s
FROM span s JOIN api.devices d USING (site, kind, device)"""

_LEDGER = """
SELECT site, source, method, sum(co2_kg) FROM api.emissions_hourly
WHERE basis IS DISTINCT FROM 'market' GROUP BY site, source, method ORDER BY site, source"""

_BACKLOG = "SELECT backlog FROM api.ledger_backlog"

_NOW = """
SELECT l.site, l.source || CASE l.basis WHEN 'market' THEN ' (market)' ELSE '' END, l.scope, l.method,
    l.in_total, l.co2_kg_per_h, l.age_s, d.co2_kg
FROM api.emissions_live l
JOIN core.site t USING (site)
LEFT JOIN api.emissions_daily d
    ON d.site = l.site AND d.source = l.source AND d.basis IS NOT DISTINCT FROM l.basis
    AND d.day = (now() AT TIME ZONE t.timezone)::date
ORDER BY l.site, l.scope, l.source, l.basis"""

_ENERGY_TODAY = """
SELECT e.site, sum(e.energy_kwh) FROM api.energy_hourly e
JOIN core.site t USING (site)
WHERE e.in_total AND e.carrier = 'electricity'
    AND e.hour >= ((now() AT TIME ZONE t.timezone)::date::timestamp AT TIME ZONE t.timezone)
GROUP BY e.site"""


async def totals(connection: Connection) -> Totals:
    """The outcomes counted so far, over all clients."""
    cursor = await connection.execute(_TOTALS)
    row = await cursor.fetchone()
    return Totals(*(row or (0, 0, 0, 0)))


async def stored_values(connection: Connection, since: datetime) -> list[StoredValue]:
    """Every stored value received at or after `since`."""
    cursor = await connection.execute(_STORED, {"since": since})
    return [StoredValue(*row) for row in await cursor.fetchall()]


async def stored_by_kind(connection: Connection, since: datetime) -> dict[str, int]:
    """Readings per device kind received at or after `since`."""
    cursor = await connection.execute(_STORED_BY_KIND, {"since": since})
    return {str(kind): int(count) for kind, count in await cursor.fetchall()}


async def dead_letters(connection: Connection, since: datetime) -> dict[tuple[str, str], int]:
    """Dead letters received at or after `since`, by topic and reason."""
    cursor = await connection.execute(_DEAD, {"since": since})
    return {(str(topic), str(reason)): int(count) for topic, reason, count in await cursor.fetchall()}


async def stored_spans(connection: Connection) -> list[StoredSpan]:
    """The time that each device's stored readings span."""
    cursor = await connection.execute(_SPANS)
    return [StoredSpan(*row) for row in await cursor.fetchall()]


async def ledger_sums(connection: Connection) -> list[LedgerSum]:
    """CO2 of each source over all hours of the ledger, kg; None where no hour is known."""
    cursor = await connection.execute(_LEDGER)
    return [LedgerSum(*row) for row in await cursor.fetchall()]


async def ledger_backlog(connection: Connection) -> int:
    """Records of work the ledger has not done yet."""
    cursor = await connection.execute(_BACKLOG)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def sources_now(connection: Connection) -> list[SourceNow]:
    """What each source emits now and has emitted since its site's local midnight."""
    cursor = await connection.execute(_NOW)
    return [SourceNow(*row) for row in await cursor.fetchall()]


async def electricity_today_kwh(connection: Connection) -> dict[str, float | None]:
    """Electricity of each site since its local midnight, kWh; main meters only."""
    cursor = await connection.execute(_ENERGY_TODAY)
    return {str(site): kwh for site, kwh in await cursor.fetchall()}


async def now(connection: Connection) -> datetime:
    """The database's clock."""
    cursor = await connection.execute("SELECT clock_timestamp()")
    row = await cursor.fetchone()
    return row[0] if row else datetime.now(UTC)
