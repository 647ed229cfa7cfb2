"""How sources belong together, as SQL sees it: written with the registry, and by the migration."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from services.store.migrate import MIGRATIONS
from services.store.pool import Connection, connect
from tests.store.test_registry import edited, put, rows

pytestmark = pytest.mark.anyio

ROUTES = (
    "SELECT s.source, p.valid_from::text, p.valid_to::text, "
    "(SELECT array_agg(o.source ORDER BY o.source) FROM core.source o WHERE o.source_id = ANY (p.other_ids)) "
    "FROM core.route_period p JOIN core.source s USING (source_id) ORDER BY 1, 2"
)
STACK = "in_total: false, reconciles_with: coal}"
LATER = f"{STACK}\n          - {{from: 2025-01-01, reconciles_with: [coal, gas]}}"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await connect(database_url, name="test", autocommit=True) as connection:
        await connection.execute("SET TIME ZONE 'UTC'")
        yield connection


async def test_routes_are_written_with_the_registry(connection: Connection) -> None:
    await put(connection, edited((STACK, LATER)))
    expected = [
        ("stack", "2023-12-31 23:00:00+00", "2024-12-31 23:00:00+00", ["coal"]),
        ("stack", "2024-12-31 23:00:00+00", "infinity", ["coal", "gas"]),
    ]
    assert await rows(connection, ROUTES) == expected
    assert await rows(
        connection, "SELECT reconciles_with FROM api.sources WHERE reconciles_with IS NOT NULL"
    ) == [("coal, gas",)]
    await put(connection, edited((", reconciles_with: coal}", "}")))
    assert await rows(connection, ROUTES) == []


async def test_the_migration_finds_the_routes_of_the_registry_in_force(connection: Connection) -> None:
    """As the version before wrote it: one name, without a list."""
    await put(connection, edited((STACK, STACK.replace("coal}", "coal, note: n}"))))
    expected = await rows(connection, ROUTES)
    [(document,)] = await rows(connection, "SELECT document::text FROM core.registry_version")
    old = re.sub(r'\["coal"\]', '"coal"', document)
    assert old != document
    await connection.execute("UPDATE core.registry_version SET document = %s", [old])
    await connection.execute("DELETE FROM core.route_period")
    [file] = MIGRATIONS.glob("*_routes.sql")
    _, insert = file.read_text(encoding="utf-8").split("\n\n", 1)
    await connection.execute(insert.encode())
    assert await rows(connection, ROUTES) == expected != []
