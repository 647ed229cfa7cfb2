"""What the database has, by the views of the contract where they show it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg


class Key(NamedTuple):
    """A device and an instant."""

    site: str
    kind: str
    device: str
    time: datetime


Cells = dict[str, tuple[float, str]]
"""Value and status of each quantity that was measured."""


class Letter(NamedTuple):
    """What makes a dead letter the one of a unit: topic, and SHA-256 of the raw unit."""

    topic: str
    digest: bytes


@dataclass(slots=True)
class Observed:
    """The content of a database."""

    readings: dict[Key, Cells] = field(default_factory=dict)
    letters: dict[Letter, list[str]] = field(default_factory=dict)
    """The reasons of the dead letters that a unit has: one, if all is well."""
    live: Counter[tuple[Key, int]] = field(default_factory=Counter)
    """Live rows by reading and source."""
    not_dirty: int = 0
    """Readings of which no dirty row tells the ledger."""
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    dead_letters: int = 0


_READINGS: Final = "SELECT site, kind, device, time, quantity, value, status FROM api.readings"

_LETTERS: Final = """
SELECT topic, payload_sha256, reason, payload_bytes,
    sha256(payload) = payload_sha256 OR reason = 'too_large' AS whole
FROM core.dead_letter
"""

_LIVE: Final = """
SELECT d.site, d.kind, d.device, l.time, l.source_id, count(*)
FROM core.live_emission l JOIN core.device d USING (device_id)
GROUP BY ALL_COLUMNS
""".replace("ALL_COLUMNS", "d.site, d.kind, d.device, l.time, l.source_id")

_NOT_DIRTY: Final = """
WITH dirty AS (
    SELECT DISTINCT pair.device_id, pair.quarter
    FROM core.dirty, unnest(device_ids, quarters) AS pair (device_id, quarter)
), reading AS (
    SELECT device_id, time FROM core.reading_meter
    UNION ALL SELECT device_id, time FROM core.reading_flowmeter
    UNION ALL SELECT device_id, time FROM core.reading_cems
    UNION ALL SELECT device_id, time FROM core.reading_beltscale
)
SELECT count(*)
FROM reading r
WHERE NOT EXISTS (
    SELECT FROM dirty
    WHERE dirty.device_id = r.device_id AND dirty.quarter = floor(extract(epoch FROM r.time) / 900)
)
"""

_TOTALS: Final = "SELECT received, stored, duplicate, rejected FROM api.ingest_totals WHERE client = %s"


def observe(url: str, client: str) -> Observed:
    """Read everything, in one snapshot. Raises psycopg.Error."""
    observed = Observed()
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        _readings(connection, observed)
        letters = defaultdict(list)
        for topic, digest, reason, _, whole in connection.execute(_LETTERS):
            letters[Letter(topic, bytes(digest))].append(reason if whole else f"{reason}, payload damaged")
        observed.letters = dict(letters)
        observed.dead_letters = sum(map(len, letters.values()))
        for site, kind, device, time, source, count in connection.execute(_LIVE):
            observed.live[Key(site, kind, device, time), source] = count
        observed.not_dirty = _row(connection, _NOT_DIRTY)[0]
        totals = connection.execute(_TOTALS, [client]).fetchone()
        if totals is not None:
            observed.received, observed.stored, observed.duplicate, observed.rejected = totals
    return observed


def _readings(connection: psycopg.Connection, observed: Observed) -> None:
    with connection.cursor("readings") as cursor:
        cursor.itersize = 20_000
        for site, kind, device, time, quantity, value, status in cursor.execute(_READINGS):
            cells = observed.readings.setdefault(Key(site, kind, device, time), {})
            assert quantity not in cells, "one row a reading: its key is unique"
            cells[quantity] = (value, status)


def _row(connection: psycopg.Connection, statement: Any) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row


def has_reading(url: str, key: Key) -> bool:
    """Whether a reading is there. Raises psycopg.Error."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT FROM api.readings WHERE site = %s AND kind = %s AND device = %s AND time = %s",
            [key.site, key.kind, key.device, key.time],
        )
        return found.fetchone() is not None


def outcomes(url: str) -> tuple[int, int, int]:
    """Stored, duplicate and rejected so far, over all clients. Raises psycopg.Error."""
    with psycopg.connect(url, connect_timeout=2) as connection:
        row = _row(
            connection,
            "SELECT coalesce(sum(stored), 0)::bigint, coalesce(sum(duplicate), 0)::bigint, "
            "coalesce(sum(rejected), 0)::bigint FROM api.ingest_totals",
        )
        return row[0], row[1], row[2]


def end_writers(url: str, client: str) -> int:
    """Terminate the backends on which ingest writes, as superuser; how many. Raises psycopg.Error."""
    with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, %s)",
            [f"{client} write "],
        )
        return len(ended.fetchall())
