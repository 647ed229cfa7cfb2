"""Which ingest process takes which sites, and which sites none takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.store.pool import Connection

MAX_UNOWNED: Final = 1000
"""How many sites that nobody takes are kept: their names come from topics, and anyone may make up some."""
# Any numbers, the same in every version; the lock belongs to one database.
_WATCH_LOCK: Final = (0x6361_7262, 1)


class Report(NamedTuple):
    """What an ingest process says of itself."""

    client: str
    sites: Sequence[str]
    """What its settings say; `#` for all."""
    connected: bool
    watching: bool
    in_flight: int


class Partition(NamedTuple):
    """An ingest process, as the others see it."""

    client: str
    sites: frozenset[str]
    subscribed: frozenset[str]
    connected: bool
    watching: bool
    live: bool
    """It reported in the last 10 s."""
    silent: bool
    """It has not for 30 s."""


# A new row's session may be older than the row, and have the subscription of a process without partitions.
_REPORT: Final = """
INSERT INTO core.ingest_partition AS old
    (client, sites, subscribed, asked_for, connected, watching, in_flight)
VALUES (%(client)s, %(sites)s, CASE WHEN %(connected)s THEN %(sites)s::text[] ELSE '{}' END,
    %(sites)s::text[] || '{#}', %(connected)s, %(watching)s, %(in_flight)s)
ON CONFLICT (client) DO UPDATE SET
    sites = excluded.sites,
    subscribed = CASE WHEN excluded.connected THEN excluded.sites ELSE old.subscribed END,
    asked_for = ARRAY(SELECT unnest(old.asked_for) UNION SELECT unnest(excluded.sites)),
    connected = excluded.connected,
    watching = excluded.watching,
    in_flight = excluded.in_flight,
    seen_at = now()
RETURNING ARRAY(SELECT unnest(asked_for) EXCEPT SELECT unnest(sites))
"""

_ENDED: Final = """
UPDATE core.ingest_partition
SET asked_for = ARRAY(SELECT unnest(asked_for) EXCEPT SELECT unnest(%(sites)s::text[]))
WHERE client = %(client)s
"""

_PARTITIONS: Final = """
SELECT client, sites, subscribed, connected, watching,
    seen_at > now() - interval '10 seconds', seen_at < now() - interval '30 seconds'
FROM core.ingest_partition
ORDER BY client
"""

LISTED: Final = ("client", "sites", "connected", "watching", "in_flight", "seen_at", "silent")
_LIST: Final = """
SELECT client, array_to_string(sites, ','), connected, watching, in_flight, seen_at, silent
FROM api.ingest_partitions
ORDER BY client
"""

_ADD_UNOWNED: Final = """
INSERT INTO core.unowned_site AS old (site, messages)
SELECT new.site, new.messages
FROM unnest(%(sites)s::text[], %(messages)s::bigint[]) AS new (site, messages)
WHERE EXISTS (SELECT FROM core.unowned_site known WHERE known.site = new.site)
    OR (SELECT count(*) FROM core.unowned_site) < %(most)s
ON CONFLICT (site) DO UPDATE SET messages = old.messages + excluded.messages, last_seen_at = now()
"""

_FORGET_UNOWNED: Final = "DELETE FROM core.unowned_site WHERE last_seen_at < now() - interval '90 days'"

# A device may send once an hour.
_COUNT_UNOWNED: Final = """
SELECT count(*) FROM api.unowned_sites WHERE NOT owned AND last_seen_at > now() - interval '1 hour'
"""

# A session's lock is counted: it is asked for only where this session has it not.
_TAKE_WATCH: Final = """
SELECT CASE
    WHEN EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 2
            AND (classid, objid) = (%(class)s::int8::oid, %(object)s::int8::oid)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) THEN true
    ELSE pg_try_advisory_lock(%(class)s, %(object)s)
END
"""


async def report(connection: Connection, said: Report) -> list[str]:
    """Note that a process lives. Returns the sites it no longer takes, of which its session at the broker may
    still have a subscription.
    """
    cursor = await connection.execute(_REPORT, said._asdict() | {"sites": list(said.sites)})
    row = await cursor.fetchone()
    assert row is not None, "an upsert returns its row"
    stale: list[str] = row[0]
    return sorted(stale)


async def ended(connection: Connection, client: str, sites: Sequence[str]) -> None:
    """The broker has confirmed that the session has no subscription of these any more."""
    await connection.execute(_ENDED, {"client": client, "sites": list(sites)})


async def partitions(connection: Connection) -> list[Partition]:
    """All partitions, by client id."""
    cursor = await connection.execute(_PARTITIONS)
    return [
        Partition(client, frozenset(sites), frozenset(subscribed), *rest)
        for client, sites, subscribed, *rest in await cursor.fetchall()
    ]


async def list_partitions(connection: Connection) -> list[tuple[object, ...]]:
    """For people: the columns LISTED of each."""
    cursor = await connection.execute(_LIST)
    return await cursor.fetchall()


async def retire(connection: Connection, client: str) -> bool:
    """Forget a partition; whether it was there. Its session at the broker must be gone."""
    cursor = await connection.execute("DELETE FROM core.ingest_partition WHERE client = %s", [client])
    return cursor.rowcount > 0


async def take_watch(connection: Connection) -> bool:
    """Whether this session is, or now becomes, the one that watches: until it ends, or `leave_watch`."""
    cursor = await connection.execute(_TAKE_WATCH, {"class": _WATCH_LOCK[0], "object": _WATCH_LOCK[1]})
    return await cursor.fetchone() == (True,)


async def leave_watch(connection: Connection) -> None:
    """Let another session watch."""
    await connection.execute("SELECT pg_advisory_unlock(%s, %s)", _WATCH_LOCK)


async def add_unowned(connection: Connection, messages: Mapping[str, int]) -> None:
    """Add messages, by site, that no partition takes. Beyond MAX_UNOWNED sites new ones are left out."""
    await connection.execute(
        _ADD_UNOWNED,
        {"sites": list(messages), "messages": list(messages.values()), "most": MAX_UNOWNED},
    )
    await connection.execute(_FORGET_UNOWNED)


async def count_unowned(connection: Connection) -> int:
    """How many sites sent in the last hour that no partition takes."""
    cursor = await connection.execute(_COUNT_UNOWNED)
    row = await cursor.fetchone()
    assert row is not None, "a count is a row"
    number: int = row[0]
    return number
