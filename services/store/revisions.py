"""Former results of the ledger: on which occasion hours are restated, and when an hour is final.

The results themselves are kept by a trigger (migration `revisions`), so that no writer can forget to.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from services.store.pool import Connection


class Cause(StrEnum):
    """Why hours are computed anew, where it is not for data that came."""

    REGISTRY = "registry"
    FACTOR = "factor"
    CORRECTION = "correction"


class Restatement(NamedTuple):
    """An occasion on which hours are re-opened."""

    reason: str
    """What its stretches of `core.dirty_range` bear; each occasion has its own."""
    cause: Cause
    detail: str
    """What it was, for people."""


class Effect(NamedTuple):
    """What an occasion changed of a source on one basis: kg of CO2 of the hours known, None where none is."""

    site: str
    source: str
    basis: str | None
    in_total: bool
    hours: int
    co2_kg_before: float | None
    co2_kg_after: float | None
    unknown_before: int
    unknown_after: int


_EFFECTS: Final = """
SELECT r.site, r.source, r.basis, r.in_total, r.hours, r.co2_kg_before, r.co2_kg_after, r.unknown_before,
    r.unknown_after
FROM api.restatements r
WHERE r.restatement = (SELECT n.restatement_id FROM core.restatement n WHERE n.reason = %s)
ORDER BY r.site, r.source, r.basis, r.in_total DESC
"""

_SAY_WHY: Final = "SELECT set_config('carbonflow.reopened', %s, true)"

_SET_FINAL_AFTER: Final = """
UPDATE core.setting SET final_after = %(after)s WHERE final_after <> %(after)s
"""


async def note_restatement(connection: Connection, restatement: Restatement) -> None:
    """Record the occasion, in the transaction that re-opens the hours. Raises psycopg.Error."""
    await connection.execute(
        "INSERT INTO core.restatement (reason, cause, detail) VALUES (%s, %s, %s)", list(restatement)
    )


async def say_why(connection: Connection, reason: str | None) -> None:
    """Of the rows written from here to the end of the transaction: by the reason of the re-opened stretch
    they are computed for; None: data came. Raises psycopg.Error."""
    await connection.execute(_SAY_WHY, [reason or ""])


async def set_final_after(connection: Connection, after: timedelta) -> None:
    """Have hours be final so long after their end, for all who look. Raises psycopg.Error."""
    await connection.execute(_SET_FINAL_AFTER, {"after": after})


async def effects_of(connection: Connection, reason: str) -> list[Effect]:
    """What was replaced so far on that occasion. Raises psycopg.Error."""
    cursor = await connection.execute(_EFFECTS, [reason])
    return [Effect(*row) for row in await cursor.fetchall()]
