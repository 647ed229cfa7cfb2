"""What the write path is compared with: COPY of ready rows into the same keyed hypertable, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql

from services.domain.quantities import NAMES, Kind
from services.ingest.message import Decoded, Received
from services.store.schema import reading_columns, reading_table

Row = tuple[Any, ...]

_TYPES: Final = (
    *("int4", "timestamptz", "timestamptz", "int8", "int2", "text", "text"),
    *["float8"] * len(NAMES[Kind.METER]),
)
_COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, reading_columns(Kind.METER)))
_TABLE: Final = sql.Identifier(*reading_table(Kind.METER).split("."))
_COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(_TABLE, _COLUMNS)
_COPY_READY: Final = sql.SQL("COPY ready ({}) FROM STDIN (FORMAT binary)").format(_COLUMNS)


class Copier:
    """Copies batches of meter readings, each in a transaction; `as_bytes` without making rows of values."""

    def __init__(self, connection: psycopg.AsyncConnection, *, as_bytes: bool) -> None:
        self._connection = connection
        self._as_bytes = as_bytes
        self._rows: dict[int, list[Row]] = {}
        self._data: dict[int, bytes] = {}

    async def prepare(self, batches: Sequence[Sequence[Decoded]]) -> None:
        """Make rows of readings, and COPY data where those are sent."""
        cursor = await self._connection.execute(
            "SELECT site, device, device_id FROM core.device WHERE kind = 'meter'"
        )
        ids = {(site, device): device_id for site, device, device_id in await cursor.fetchall()}
        for batch in batches:
            self._rows[id(batch)] = [_row(ids, each) for each in batch]
        if self._as_bytes:
            await self._make_data()
        await self._connection.commit()

    async def write(self, batch: Sequence[Decoded]) -> None:
        """Copy a prepared batch."""
        if self._as_bytes:
            async with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                await copy.write(self._data[id(batch)])
        else:
            await self._copy_rows(_COPY, self._rows[id(batch)])
        await self._connection.commit()

    async def _make_data(self) -> None:
        """Rows as the server itself writes them as COPY data."""
        await self._connection.execute("CREATE TEMPORARY TABLE ready (LIKE core.reading_meter)")
        for key, rows in self._rows.items():
            await self._copy_rows(_COPY_READY, rows)
            async with self._connection.cursor() as cursor:
                async with cursor.copy("COPY ready TO STDOUT (FORMAT binary)") as copy:
                    self._data[key] = b"".join([bytes(each) async for each in copy])
                await cursor.execute("TRUNCATE ready")

    async def _copy_rows(self, statement: sql.Composed, rows: list[Row]) -> None:
        async with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                await copy.write_row(row)


def _row(ids: dict[tuple[str, str], int], unit: Decoded) -> Row:
    assert isinstance(unit, Received)
    found, received_at = unit.reading, unit.message.received_at
    device_id = ids[found.device.site, found.device.device]
    return (device_id, found.time, received_at, found.seq, found.status, None, None, *found.values)
