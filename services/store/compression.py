"""Compression of raw readings, where the server has it: TimescaleDB's Community edition.

The Apache edition, which the private servers of a clone are, has none; everything else is the same on both.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from psycopg import sql

from services.domain.quantities import Kind
from services.store.pool import Connection
from services.store.schema import reading_table

AFTER: Final = "60 days"
"""Rows of a compressed chunk can still be added and changed, at a higher cost: by then few come."""

_COMMUNITY: Final = "timescale"


class _Segmented(NamedTuple):
    table: str
    by: str


_TABLES: Final = (
    *(_Segmented(reading_table(kind).removeprefix("core."), "device_id") for kind in Kind),
    _Segmented("live_emission", "source_id, device_id"),
)

_ENABLED: Final = """
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = 'core' AND hypertable_name = %s
"""
_ENABLE: Final = """
ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = {by},
    timescaledb.compress_orderby = 'time')
"""
_POLICY: Final = (
    "SELECT add_compression_policy(%s::regclass, compress_after => %s::interval, if_not_exists => true)"
)


async def compress_old_readings(connection: Connection) -> bool:
    """Have the server compress raw readings and the live stream, as the tables' owner; whether it can. Done
    once: a policy that an operator changed or removed stays as it is. Raises psycopg.Error."""
    cursor = await connection.execute("SELECT current_setting('timescaledb.license', true)")
    if await cursor.fetchone() != (_COMMUNITY,):
        return False
    for table, by in _TABLES:
        cursor = await connection.execute(_ENABLED, [table])
        if await cursor.fetchone() == (False,):
            name = sql.Identifier("core", table)
            async with connection.transaction():
                await connection.execute(sql.SQL(_ENABLE).format(table=name, by=sql.Literal(by)))
                await connection.execute(_POLICY, [f"core.{table}", AFTER])
    return True
