"""Putting registries in force, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.domain.conversion import SourceKey
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.domain.registry.parse import parse
from services.domain.registry.stored import dump
from services.store.pool import Connection, connect
from services.store.registry import (
    RegistryMovedError,
    RegistryRefusedError,
    apply_registry,
    device_ids,
    load_registry,
    plan_registry,
    registry_version,
    source_ids,
)

pytestmark = pytest.mark.anyio

SMALL = (Path(__file__).resolve().parents[1] / "registry" / "small.yaml").read_text(encoding="utf-8")
MAIN = DeviceKey("works", Kind.METER, "main")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await connect(database_url, name="test", autocommit=True) as connection:
        yield connection


def edited(*edits: tuple[str, str]) -> Registry:
    text = SMALL
    for old, new in edits:
        assert old in text, f"the small registry has no {old!r}"
        text = text.replace(old, new, 1)
    return parse(text).registry


async def put(connection: Connection, registry: Registry) -> int:
    return await apply_registry(connection, await plan_registry(connection, registry))


async def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode())
    return await cursor.fetchall()


async def store_reading(connection: Connection, device: DeviceKey, time: datetime) -> int:
    """A reading and its ledger hour; the device's id."""
    await connection.execute(
        "INSERT INTO core.device (site, kind, device) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", device
    )
    key = (await device_ids(connection))[device]
    await connection.execute(
        "INSERT INTO core.reading_meter (device_id, time, received_at, power_kw) VALUES (%s, %s, %s, 1)",
        [key, time, time],
    )
    await connection.execute(
        "INSERT INTO core.device_hour (device_id, hour, quantity, readings, coverage, estimated) "
        "VALUES (%s, %s, 3, 1, 1, false)",
        [key, time.replace(minute=0, second=0, microsecond=0)],
    )
    return key


async def test_a_new_database_has_an_empty_registry(connection: Connection) -> None:
    assert await load_registry(connection) == (0, Registry(version=1))
    assert await registry_version(connection) == 0
    assert await device_ids(connection) == {}
    assert await source_ids(connection) == {}


async def test_what_was_applied_is_in_force(connection: Connection) -> None:
    registry = edited()
    version = await put(connection, registry)
    snapshot = await load_registry(connection)
    assert snapshot.version_id == version == await registry_version(connection)
    assert dump(snapshot.registry) == dump(registry)
    assert list(snapshot.registry.sites["works"].devices) == list(registry.sites["works"].devices)


async def test_applying_it_again_changes_nothing(connection: Connection) -> None:
    await put(connection, edited())
    before = await rows(connection, "SELECT version_id, recorded_at FROM core.registry_version")
    plan = await plan_registry(connection, edited(("resolution: 0.1", "resolution: 1.0e-1")))
    assert not plan.is_needed
    await apply_registry(connection, plan)
    assert await rows(connection, "SELECT version_id, recorded_at FROM core.registry_version") == before


async def test_sql_sees_sites_devices_and_sources(connection: Connection) -> None:
    await put(connection, edited(("name: Main", "name: Main\n        ended: 2026-01-01")))
    assert await rows(connection, "SELECT site, timezone, region FROM core.site") == [
        ("works", "Europe/Berlin", "DE")
    ]
    assert await rows(connection, "SELECT site, area, type FROM core.area") == [("works", "hall", "building")]
    periods = await rows(
        connection,
        "SELECT lower(d.device), p.interval_s, isfinite(p.valid_to), p.area FROM core.device_period p "
        "JOIN core.device d USING (device_id) WHERE d.kind = 'meter' ORDER BY d.device, p.valid_from",
    )
    assert periods == [("main", 60, True, "hall"), ("main", 30, True, "hall"), ("sub", 60, False, "hall")]
    sources = await source_ids(connection)
    assert sources.keys() == {SourceKey("works", name) for name in ("power", "gas", "coal", "stack")}
    devices = await device_ids(connection)
    fed = await rows(
        connection,
        "SELECT s.source, p.device_ids, p.in_total FROM core.source_period p "
        "JOIN core.source s USING (source_id) WHERE s.source IN ('power', 'stack') ORDER BY s.source",
    )
    stack = DeviceKey("works", Kind.CEMS, "stack")
    assert fed == [("power", [devices[MAIN]], True), ("stack", [devices[stack]], False)]


async def test_ids_stay_when_a_registry_changes(connection: Connection) -> None:
    await put(connection, edited())
    devices, sources = await device_ids(connection), await source_ids(connection)
    await put(
        connection, edited(("name: Main", "name: Another name"), ("interval_s: 30}", "interval_s: 15}"))
    )
    assert await device_ids(connection) == devices
    assert await source_ids(connection) == sources


async def test_a_device_that_sent_before_keeps_its_id_and_its_past_is_computed(
    connection: Connection,
) -> None:
    time = datetime.now(UTC) - timedelta(days=3)
    key = await store_reading(connection, MAIN, time)
    await put(connection, edited())
    assert (await device_ids(connection))[MAIN] == key
    [(device_id, from_time, to_now)] = await rows(
        connection, "SELECT device_id, from_time, to_time > now() FROM core.dirty_range"
    )
    assert (device_id, from_time, to_now) == (key, time, True), (
        "from its first reading on, and no other device"
    )


async def test_a_change_marks_what_it_touches_from_its_date_on(connection: Connection) -> None:
    now = datetime.now(UTC)
    key = await store_reading(connection, MAIN, now - timedelta(days=3))
    await put(connection, edited())
    await connection.execute("DELETE FROM core.dirty_range")
    since = (now - timedelta(days=1)).replace(microsecond=0)
    await put(
        connection,
        edited(
            ("interval_s: 30}", f"interval_s: 30}}\n          - {{from: {since.isoformat()}, multiplier: 2}}")
        ),
    )
    assert await rows(connection, "SELECT device_id, from_time FROM core.dirty_range") == [(key, since)]
    await connection.execute("DELETE FROM core.dirty_range")
    await put(
        connection,
        edited(
            (
                "interval_s: 30}",
                f"interval_s: 30}}\n          - {{from: {since.isoformat()}, multiplier: 2}}",
            ),
            ("name: Main", "name: Another name"),
        ),
    )
    assert await rows(connection, "SELECT device_id FROM core.dirty_range") == []


async def test_a_fact_behind_computed_hours_is_not_changed(connection: Connection) -> None:
    await put(connection, edited())
    await store_reading(connection, MAIN, datetime.now(UTC) - timedelta(days=3))
    plan = await plan_registry(connection, edited(("interval_s: 30}", "interval_s: 15}")))
    assert plan.refusals
    with pytest.raises(RegistryRefusedError, match="add one with the new value and its own `from`"):
        await apply_registry(connection, plan)
    assert await registry_version(connection) == 1
    # And of a device without computed hours it may be.
    await put(connection, edited(("base_state: 0C", "base_state: 20C")))


async def test_two_at_once_do_not_overwrite_each_other(connection: Connection, database_url: str) -> None:
    one = await plan_registry(connection, edited(("name: Main", "name: One")))
    two = await plan_registry(connection, edited(("name: Main", "name: Two")))
    async with await connect(database_url, name="other", autocommit=True) as other:
        results = await asyncio.gather(
            apply_registry(connection, one), apply_registry(other, two), return_exceptions=True
        )
    assert {type(result) for result in results} == {int, RegistryMovedError}
    assert len(await rows(connection, "SELECT FROM core.registry_version")) == 1


async def test_versions_are_numbered_without_gaps(connection: Connection) -> None:
    assert await put(connection, edited()) == 1
    # As after an apply that was rolled back, or a crash of the server.
    await connection.execute("ALTER TABLE core.registry_version ALTER COLUMN version_id RESTART WITH 35")
    assert await put(connection, edited(("name: Main", "name: Two"))) == 2
    assert await registry_version(connection) == 2


async def test_it_is_applied_whole_or_not_at_all(connection: Connection) -> None:
    await put(connection, edited())
    await connection.execute(
        "CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await connection.execute(
        "CREATE TRIGGER fail BEFORE INSERT ON core.source_period EXECUTE FUNCTION pg_temp.fail()"
    )
    before = await rows(connection, "SELECT device_id, valid_from, area FROM core.device_period")
    with pytest.raises(Exception, match="no"):
        await put(connection, edited(("interval_s: 30}", "interval_s: 15}")))
    assert await registry_version(connection) == 1
    assert await rows(connection, "SELECT device_id, valid_from, area FROM core.device_period") == before


async def test_the_document_is_plain_json(connection: Connection) -> None:
    await put(connection, edited())
    [(zone,)] = await rows(
        connection, "SELECT document #>> '{sites,works,timezone}' FROM core.registry_version"
    )
    assert zone == "Europe/Berlin"
    [(text,)] = await rows(connection, "SELECT document::text FROM core.registry_version")
    assert json.loads(text) == dump(edited())


async def test_a_thousand_devices_are_applied_quickly_enough(connection: Connection) -> None:
    """One statement each would take seconds."""
    devices = "".join(
        f"      meter/m-{number}: {{facts: [{{from: 2024-01-01, interval_s: 60}}]}}\n"
        for number in range(1000)
    )
    async with asyncio.timeout(10):
        await put(connection, edited(("      meter/sub:\n", f"{devices}      meter/sub:\n")))
        await put(connection, edited(("      meter/sub:\n", f"{devices}      meter/sub:\n"), ("Main", "New")))
    assert len(await device_ids(connection)) == 1005
