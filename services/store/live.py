"""The live stream of emissions: written with the readings, never restated."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from services.store.pool import Connection


class LiveRow(NamedTuple):
    """The rate one reading of a device stood for, in one source. None is unknown."""

    source_id: int
    device_id: int
    time: datetime
    basis: str | None
    co2_kg_per_h: float | None
    co2e_kg_per_h: float | None
    factor_id: int | None


_COPY = """
COPY core.live_emission (source_id, device_id, time, basis, co2_kg_per_h, co2e_kg_per_h, factor_id)
FROM STDIN (FORMAT binary)
"""
_TYPES = ("int4", "int4", "timestamptz", "text", "float8", "float8", "int4")

_STATE = """
SELECT (SELECT coalesce(max(version_id), 0) FROM core.registry_version),
    (SELECT coalesce(max(factor_id), 0) FROM core.factor),
    current_setting('transaction_read_only') = 'off'
"""


async def copy_live(connection: Connection, rows: Iterable[LiveRow]) -> None:
    """Append live rates."""
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            await copy.write_row(row)


async def reference_state(connection: Connection) -> tuple[int, int, bool]:
    """The newest registry version and factor, and whether the database takes writes.

    Where either number changes, what follows from registry and factors is out of date.
    """
    cursor = await connection.execute(_STATE)
    row = await cursor.fetchone()
    assert row is not None, "a SELECT without FROM gives a row"
    version_id, factor_id, writable = row
    return version_id, factor_id, writable
