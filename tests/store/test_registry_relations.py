"""How sources belong together, as SQL sees it: written with the registry, and by the migration."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from services.store.migrate import MIGRATIONS
from services.store.pool import Connection, connect
from services.store.registry import rewrite_relations
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


SUBMETERS = (
    "SELECT d.device, m.device, p.valid_from::date::text, p.valid_to::text, p.uncertainty_pct, "
    "p.main_uncertainty_pct FROM core.submeter_period p JOIN core.device d USING (device_id) "
    "JOIN core.device m ON m.device_id = p.main_id ORDER BY 1, 3"
)
VIRTUAL = (
    "SELECT p.virtual_meter, p.carrier, p.area, array_agg(part.sign || ' ' || d.device ORDER BY d.device) "
    "FROM core.virtual_period p CROSS JOIN LATERAL unnest(p.device_ids, p.signs) AS part (device_id, sign) "
    "JOIN core.device d ON d.device_id = part.device_id GROUP BY p.virtual_meter, p.carrier, p.area"
)
TENANT = """\
    virtual_meters:
      tenant: {facts: [{from: 2024-01-01, area: hall, plus: [meter/main], minus: [meter/sub]}]}
    sources:
"""


async def test_how_meters_belong_together_is_written_with_the_registry(connection: Connection) -> None:
    registry = edited(
        (
            "            submeter_of: meter/main\n",
            "            submeter_of: meter/main\n            accuracy_pct: 1\n",
        ),
        (
            "interval_s: 30}",
            "accuracy_pct: 0.5, interval_s: 30}\n          - {from: 2026-01-01, uncertainty_pct: 0.3}",
        ),
        ("    sources:\n", TENANT),
    )
    await put(connection, registry)
    submeters = [
        ("sub", "main", "2023-12-31", "2024-12-31 23:00:00+00", 1.0, None),
        ("sub", "main", "2024-12-31", "2025-12-31 23:00:00+00", 1.0, 0.5),
        ("sub", "main", "2025-12-31", "infinity", 1.0, 0.3),
    ]
    virtual = [("tenant", "electricity", "hall", ["1 main", "-1 sub"])]
    assert (await rows(connection, SUBMETERS), await rows(connection, VIRTUAL)) == (submeters, virtual)
    await connection.execute("DELETE FROM core.submeter_period")
    await connection.execute("DELETE FROM core.virtual_period")
    await rewrite_relations(connection)  # as after a migration that made the tables
    assert (await rows(connection, SUBMETERS), await rows(connection, VIRTUAL)) == (submeters, virtual)


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
