"""What the database says of its own condition, to any role that may read the views."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from psycopg.rows import class_row

from services.store.pool import Connection


class ServerCondition(NamedTuple):
    """The server and its settings."""

    version: str
    timescaledb: str | None
    """Version of the extension; None where the database has none."""
    edition: str | None
    """`apache` or `timescale` (Community)."""
    now: datetime
    unsafe: list[str]
    """Settings by which what is committed may be lost, as name=value."""
    read_only: bool
    database_bytes: int


class Waiting(NamedTuple):
    """What waits for somebody."""

    open_letters: int
    oldest_letter_at: datetime | None
    unowned_sites: list[str]
    """Sites that sent within the last hour, and no ingest process takes."""
    silent_clients: list[str]
    """Ingest processes that have not reported for 30 s."""


_SERVER: Final = """
SELECT current_setting('server_version') AS version,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
    current_setting('timescaledb.license', true) AS edition,
    clock_timestamp() AS now,
    ARRAY(
        SELECT name || '=' || setting FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
        ORDER BY name
    ) AS unsafe,
    current_setting('transaction_read_only') = 'on' AS read_only,
    pg_database_size(current_database()) AS database_bytes
"""

_WAITING: Final = """
SELECT letters.open AS open_letters, letters.oldest AS oldest_letter_at,
    ARRAY(
        SELECT site FROM api.unowned_sites
        WHERE NOT owned AND last_seen_at > now() - interval '1 hour'
        ORDER BY site
    ) AS unowned_sites,
    ARRAY(SELECT client FROM api.ingest_partitions WHERE silent ORDER BY client) AS silent_clients
FROM (
    SELECT count(*) AS open, min(received_at) AS oldest
    FROM api.dead_letters
    WHERE replayed_at IS NULL AND accepted_at IS NULL
) AS letters
"""


async def server_condition(connection: Connection) -> ServerCondition:
    """The server and its settings. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(ServerCondition)) as cursor:
        await cursor.execute(_SERVER)
        found = await cursor.fetchone()
    assert found is not None, "a SELECT without FROM gives a row"
    return found


async def waiting(connection: Connection) -> Waiting:
    """What waits for somebody. Raises psycopg.Error, of a database that is not migrated too."""
    async with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(_WAITING)
        found = await cursor.fetchone()
    assert found is not None, "an aggregate gives a row"
    return found
