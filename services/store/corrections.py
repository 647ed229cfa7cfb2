"""Corrections of stored readings: recorded, withdrawn, and laid over what the ledger reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from services.domain.ledger.hours import to_us
from services.domain.ledger.overlay import Action, Correction, Overlay, clash, problem
from services.domain.quantities import BY_CODE, Kind, quantity
from services.domain.reading import DeviceKey
from services.store.errors import StoreError
from services.store.pool import Connection
from services.store.registry import lock_registry
from services.store.revisions import Cause, Restatement, note_restatement


class CorrectionRefusedError(StoreError):
    """A correction that cannot be made, or not withdrawn; the message says why."""


class Wish(NamedTuple):
    """A correction to be recorded."""

    device: DeviceKey
    begin: datetime
    end: datetime
    quantity: str | None
    action: Action
    value: float | None
    reason: str
    author: str

    @property
    def correction(self) -> Correction:
        """What it does."""
        begin_us, end_us = to_us(self.begin), to_us(self.end)
        return Correction(self.device, begin_us, end_us, self.quantity, self.action, self.value)


class Recorded(NamedTuple):
    """What came of a correction, or of its withdrawal."""

    correction: int
    device_id: int
    begin: datetime
    end: datetime
    reason: str
    """That its hours are re-opened for."""
    readings: int
    """Stored in its time."""


class Corrections:
    """The overlay in force, read anew where it changed."""

    def __init__(self) -> None:
        self.overlay = Overlay()
        self._version: tuple[int, int] = (0, 0)

    async def refresh(self, connection: Connection) -> None:
        """Raises psycopg.Error."""
        cursor = await connection.execute(_VERSION)
        version = await cursor.fetchone()
        if version != self._version and version is not None:
            self.overlay = Overlay(each for _, each in await _in_force(connection))
            self._version = version


# Withdrawn only once: together they change whenever anything does.
_VERSION: Final = "SELECT coalesce(max(correction_id), 0), count(withdrawn_at) FROM core.correction"

_IN_FORCE: Final = """
SELECT c.correction_id, d.site, d.kind, d.device, c.from_time, c.to_time, c.quantity, c.action, c.value
FROM core.correction c
JOIN core.device d USING (device_id)
WHERE c.withdrawn_at IS NULL AND (%(id)s::integer IS NULL OR c.device_id = %(id)s)
"""

_RECORD: Final = """
INSERT INTO core.correction (device_id, from_time, to_time, quantity, action, value, reason, author)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
RETURNING correction_id
"""

_WITHDRAW: Final = """
UPDATE core.correction
SET withdrawn_at = now(), withdrawn_author = %(author)s, withdrawn_reason = %(reason)s
WHERE correction_id = %(id)s AND withdrawn_at IS NULL
RETURNING device_id, from_time, to_time
"""

_REOPEN: Final = """
INSERT INTO core.dirty_range (device_id, from_time, to_time, reason) VALUES (%s, %s, %s, %s)
"""

_COUNT: Final = """
SELECT count(*) FROM (
    SELECT device_id, time FROM core.reading_meter
    UNION ALL SELECT device_id, time FROM core.reading_flowmeter
    UNION ALL SELECT device_id, time FROM core.reading_cems
    UNION ALL SELECT device_id, time FROM core.reading_beltscale
) AS r
WHERE r.device_id = %s AND r.time >= %s AND r.time < %s
"""

_MICROSECOND: Final = timedelta(microseconds=1)


async def find_device(connection: Connection, site: str, device: str, kind: Kind | None) -> DeviceKey:
    """The device of that name. Raises CorrectionRefusedError where there is none, or several kinds have
    one."""
    cursor = await connection.execute(
        "SELECT kind FROM core.device WHERE site = %s AND device = %s AND (%s::text IS NULL OR kind = %s)"
        " ORDER BY kind",
        [site, device, kind, kind],
    )
    kinds = [Kind(found) for (found,) in await cursor.fetchall()]
    if not kinds:
        raise CorrectionRefusedError(f"There is no {kind or 'device'} {site}/{device}: see api.devices.")
    if len(kinds) > 1:
        raise CorrectionRefusedError(
            f"{site} has a {' and a '.join(kinds)} of the name {device}: say which with --kind."
        )
    return DeviceKey(site, kinds[0], device)


async def record_correction(connection: Connection, wish: Wish) -> Recorded:
    """Record a correction and re-open its hours, in one transaction.

    Raises CorrectionRefusedError, psycopg.Error.
    """
    correction = wish.correction
    if (wrong := problem(correction)) is not None:
        raise CorrectionRefusedError(f"This correction cannot be made: {wrong}.")
    async with connection.transaction():
        # No round of the ledger runs meanwhile, and no other correction is entered.
        await lock_registry(connection)
        device_id = await _device_id(connection, wish.device)
        for number, other in await _in_force(connection, device_id):
            if clash(correction, other):
                raise CorrectionRefusedError(
                    f"Correction {number} corrects {wish.quantity} of that time already: withdraw it first."
                )
        code = None if wish.quantity is None else quantity(wish.device.kind, wish.quantity).code
        values = [device_id, wish.begin, wish.end, code, wish.action, wish.value, wish.reason, wish.author]
        number = await _one(connection, _RECORD, values)
        what = f"{_text(correction)} by {wish.author}: {wish.reason}"
        reason = f"correction {number}"
        await _reopen(connection, device_id, wish.begin, wish.end, reason, what)
        readings = await _one(connection, _COUNT, [device_id, wish.begin, wish.end])
    return Recorded(number, device_id, wish.begin, wish.end, reason, readings)


async def withdraw_correction(connection: Connection, number: int, reason: str, author: str) -> Recorded:
    """Have a correction count no more and re-open its hours, in one transaction. Raises
    CorrectionRefusedError where there is none in force of that number, psycopg.Error."""
    async with connection.transaction():
        await lock_registry(connection)
        cursor = await connection.execute(_WITHDRAW, {"id": number, "author": author, "reason": reason})
        row = await cursor.fetchone()
        if row is None:
            raise CorrectionRefusedError(
                f"There is no correction {number} in force: see `carbonflow readings list`."
            )
        device_id, begin, end = row
        what = f"correction {number} withdrawn by {author}: {reason}"
        reopened_for = f"correction {number} withdrawn"
        await _reopen(connection, device_id, begin, end, reopened_for, what)
        readings = await _one(connection, _COUNT, [device_id, begin, end])
    return Recorded(number, device_id, begin, end, reopened_for, readings)


async def list_corrections(
    connection: Connection, site: str | None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The rows of api.corrections, the newest first, and the names of their columns. Raises psycopg.Error."""
    cursor = await connection.execute(
        "SELECT * FROM api.corrections WHERE %s::text IS NULL OR site = %s ORDER BY correction DESC",
        [site, site],
    )
    return [column.name for column in cursor.description or ()], await cursor.fetchall()


async def _in_force(connection: Connection, device_id: int | None = None) -> list[tuple[int, Correction]]:
    cursor = await connection.execute(_IN_FORCE, {"id": device_id})
    return [
        (
            number,
            Correction(
                DeviceKey(site, Kind(kind), device),
                to_us(begin),
                to_us(end),
                None if code is None else BY_CODE[code].name,
                Action(action),
                value,
            ),
        )
        for number, site, kind, device, begin, end, code, action, value in await cursor.fetchall()
    ]


async def _device_id(connection: Connection, device: DeviceKey) -> int:
    return await _one(
        connection,
        "SELECT device_id FROM core.device WHERE (site, kind, device) = (%s, %s, %s)",
        [device.site, device.kind, device.device],
    )


async def _reopen(
    connection: Connection, device_id: int, begin: datetime, end: datetime, reason: str, detail: str
) -> None:
    await note_restatement(connection, Restatement(reason, Cause.CORRECTION, detail))
    await connection.execute(_REOPEN, [device_id, begin, end - _MICROSECOND, reason])


async def _one(connection: Connection, query: Any, values: list[Any]) -> int:
    cursor = await connection.execute(query, values)
    row = await cursor.fetchone()
    assert row is not None, "these statements always give a row"
    number: int = row[0]
    return number


def _text(correction: Correction) -> str:
    device = correction.device
    of = correction.quantity or "all quantities"
    value = "" if correction.value is None else f" {correction.value:g}"
    return f"{correction.action}{value} of {of} of {device.site}/{device.kind}/{device.device}"
