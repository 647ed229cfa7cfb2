"""Which dead letters there are: found, counted, listed."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import sql
from psycopg.rows import class_row

from services.store.dead_letters import KeptLetter
from services.store.pool import Connection


class LetterFilter(NamedTuple):
    """Which dead letters are meant: all that each condition which is given allows."""

    reason: str | None = None
    site: str | None = None
    """The third level of the topic, exactly."""
    topic: str | None = None
    """An MQTT topic filter, with + and #."""
    since: datetime | None = None
    """Received then or later."""
    until: datetime | None = None
    """Received before."""
    only_open: bool = False
    """Neither replayed nor accepted."""


class ReasonCount(NamedTuple):
    """How many dead letters have a reason, and of how many nobody has disposed."""

    reason: str
    letters: int
    open: int


_WHERE: Final = sql.SQL("""
    (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(site)s::text IS NULL OR split_part(topic, '/', 3) = %(site)s)
    AND (%(pattern)s::text IS NULL OR topic ~ %(pattern)s)
    AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
    AND (NOT %(only_open)s OR (replayed_at IS NULL AND accepted_at IS NULL))
""")

_LIST: Final = sql.SQL("""
SELECT id AS dead_letter_id, received_at, topic, reason, detail, decode(payload, 'escape') AS payload,
    payload_bytes, replayed_at, accepted_at
FROM api.dead_letters
WHERE {where}
ORDER BY received_at DESC, id DESC
LIMIT %(limit)s
""").format(where=_WHERE)

_COUNT: Final = sql.SQL("""
SELECT reason, count(*) AS letters,
    count(*) FILTER (WHERE replayed_at IS NULL AND accepted_at IS NULL) AS open
FROM api.dead_letters
WHERE {where}
GROUP BY reason
ORDER BY count(*) DESC, reason
""").format(where=_WHERE)

_FIND_OPEN: Final = sql.SQL("""
SELECT dead_letter_id
FROM core.dead_letter
WHERE replayed_at IS NULL
    AND CASE WHEN %(ids)s::bigint[] IS NULL THEN accepted_at IS NULL ELSE dead_letter_id = ANY (%(ids)s) END
    AND {where}
ORDER BY dead_letter_id
""").format(where=_WHERE)


async def list_dead_letters(
    connection: Connection, wanted: LetterFilter, *, limit: int = 50
) -> list[KeptLetter]:
    """The newest dead letters first."""
    async with connection.cursor(row_factory=class_row(KeptLetter)) as cursor:
        await cursor.execute(_LIST, {**_parameters(wanted), "limit": limit})
        return await cursor.fetchall()


async def count_dead_letters(connection: Connection, wanted: LetterFilter) -> list[ReasonCount]:
    """How many dead letters there are by reason, most frequent first."""
    async with connection.cursor(row_factory=class_row(ReasonCount)) as cursor:
        await cursor.execute(_COUNT, _parameters(wanted))
        return await cursor.fetchall()


async def find_open_letters(
    connection: Connection, wanted: LetterFilter, *, ids: Collection[int] | None = None
) -> list[int]:
    """The ids of dead letters that were not replayed, ascending; accepted ones only where named by `ids`."""
    given = None if ids is None else list(ids)
    cursor = await connection.execute(_FIND_OPEN, {**_parameters(wanted), "ids": given})
    return [letter_id for (letter_id,) in await cursor.fetchall()]


def _parameters(wanted: LetterFilter) -> dict[str, Any]:
    return {**wanted._asdict(), "pattern": None if wanted.topic is None else topic_pattern(wanted.topic)}


def topic_pattern(topic_filter: str) -> str:
    """The regular expression of an MQTT topic filter (MQTT 5, section 4.7.1). Raises ValueError."""
    *levels, last = topic_filter.split("/")
    if any(("+" in level and level != "+") or "#" in level for level in levels) or (
        last not in ("#", "+") and ("+" in last or "#" in last)
    ):
        raise ValueError(
            f"{topic_filter} is no topic filter: + is a whole level, and # at the end all that follow"
        )
    pattern = "/".join("[^/]*" if level == "+" else re.escape(level) for level in levels)
    if last == "#":
        return f"^{pattern}(/.*)?$" if levels else "^.*$"
    end = "[^/]*" if last == "+" else re.escape(last)
    return f"^{pattern}/{end}$" if levels else f"^{end}$"
