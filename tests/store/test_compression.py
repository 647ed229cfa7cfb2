"""Compression is the Community edition's: on the Apache edition, that of the tests, all goes without."""

from __future__ import annotations

import pytest

from services.store.compression import compress_old_readings
from services.store.pool import connect

pytestmark = pytest.mark.anyio


async def test_it_is_switched_on_where_the_server_has_it(database_url: str) -> None:
    async with await connect(database_url, name="tests", autocommit=True) as connection:
        cursor = await connection.execute("SELECT current_setting('timescaledb.license')")
        row = await cursor.fetchone()
        community = row == ("timescale",)
        assert await compress_old_readings(connection) is community
        assert await compress_old_readings(connection) is community
        cursor = await connection.execute(
            "SELECT bool_and(compression_enabled) FROM timescaledb_information.hypertables"
            " WHERE hypertable_schema = 'core' AND (hypertable_name LIKE 'reading_%' OR"
            " hypertable_name = 'live_emission')"
        )
        assert await cursor.fetchone() == (community,)
