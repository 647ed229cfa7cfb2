"""The registry in the database: the document in force, and what SQL joins to of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from services.domain.conversion import SourceKey
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.diff import Change, Computed, differences, refusals, touched
from services.domain.registry.model import Registry
from services.domain.registry.notices import notices
from services.domain.registry.problems import Problem, told
from services.domain.registry.projection import (
    device_periods,
    earlier,
    registered_devices,
    source_periods,
)
from services.domain.registry.stored import dump, load
from services.store.errors import StoreError
from services.store.pool import Connection
from services.store.registry_relations import write_relations
from services.store.revisions import Cause, Restatement, note_restatement

EMPTY: Final = Registry(version=1)

# Any number: one registry is applied at a time.
_LOCK_KEY: Final = 0x7265_6769_7374
_PLACES_NAMED: Final = 5


class RegistrySnapshot(NamedTuple):
    """The registry in force and the number of its version; 0, and an empty one, before the first."""

    version_id: int
    registry: Registry


class RegistryMovedError(StoreError):
    """Another registry was applied after this one was compared with the one in force: compare again."""

    def __init__(self) -> None:
        super().__init__("Somebody applied another registry meanwhile: look at the difference again.")


class RegistryRefusedError(StoreError):
    """The registry would remove things or change numbers already computed; `problems` say how to go on."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(told(self.problems))


@dataclass(frozen=True, slots=True)
class Plan:
    """A registry compared with the one in force."""

    base_version: int
    registry: Registry
    changes: tuple[Change, ...]
    refusals: tuple[Problem, ...]
    notices: tuple[Problem, ...]
    """Warnings: what may be changed, and is easily overlooked."""
    touched: dict[DeviceKey, datetime]
    """The devices whose hours are computed anew, each from that instant on."""

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to apply."""
        return bool(self.changes)


async def load_registry(connection: Connection) -> RegistrySnapshot:
    """The registry in force. Raises psycopg.Error."""
    cursor = await connection.execute(
        "SELECT version, document FROM api.registry_versions ORDER BY version DESC LIMIT 1"
    )
    row = await cursor.fetchone()
    return RegistrySnapshot(0, EMPTY) if row is None else RegistrySnapshot(row[0], load(row[1]))


async def registry_version(connection: Connection) -> int:
    """The number of the version in force, 0 before the first: cheap, to see whether it changed."""
    cursor = await connection.execute("SELECT coalesce(max(version_id), 0) FROM core.registry_version")
    row = await cursor.fetchone()
    assert row is not None, "an aggregate always gives a row"
    version: int = row[0]
    return version


async def device_ids(connection: Connection) -> dict[DeviceKey, int]:
    """The ids of all devices, registered or not."""
    cursor = await connection.execute("SELECT site, kind, device, device_id FROM core.device")
    return {DeviceKey(site, Kind(kind), device): key async for site, kind, device, key in cursor}


async def source_ids(connection: Connection) -> dict[SourceKey, int]:
    """The ids of all emission sources that ever were in the registry."""
    cursor = await connection.execute("SELECT site, source, source_id FROM core.source")
    return {SourceKey(site, source): key async for site, source, key in cursor}


async def plan_registry(connection: Connection, registry: Registry) -> Plan:
    """Compare a registry with the one in force, changing nothing. Raises psycopg.Error."""
    version, current = await load_registry(connection)
    changes = differences(current, registry)
    computed = await _computed_until(connection, current) if changes else {}
    reopened = touched(current, registry)
    gone = await _whose_readings_are_gone(connection, current, reopened) if changes else []
    return Plan(
        version,
        registry,
        changes,
        (*refusals(current, registry, computed), *gone),
        tuple(notices(current, registry)),
        reopened,
    )


async def _whose_readings_are_gone(
    connection: Connection, current: Registry, reopened: Mapping[DeviceKey, datetime]
) -> list[Problem]:
    """What cannot be computed anew: hours of registered devices, some of whose raw readings were dropped."""
    registered = set(registered_devices(current))
    keys = [key for key in reopened if key in registered]
    sites, kinds, devices = _columns(keys, 3)
    cursor = await connection.execute(_GONE, [sites, kinds, devices, [reopened[key] for key in keys]])
    return [
        Problem(
            ("sites", site, "devices", f"{kind}/{device}"),
            f"its hours before {since:%Y-%m-%d %H:%M} UTC cannot be computed anew, for their readings are no "
            "longer kept (CARBONFLOW_RETENTION_RAW_DAYS): have the change begin then or later.",
        )
        async for site, kind, device, since in cursor
    ]


_GONE: Final = """
SELECT d.site, d.kind, d.device, setting.raw_since
FROM core.setting
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
    AS changed (site, kind, device, from_time) ON changed.from_time < setting.raw_since
JOIN core.device d ON (d.site, d.kind, d.device) = (changed.site, changed.kind, changed.device)
WHERE EXISTS (
    SELECT FROM core.quantity q
    JOIN core.device_hour h ON h.device_id = d.device_id AND h.quantity = q.code
    WHERE q.kind = d.kind AND h.hour < setting.raw_since AND h.hour >= changed.from_time - interval '1 hour'
)
ORDER BY d.site, d.kind, d.device
"""


async def lock_registry(connection: Connection) -> None:
    """Keep others from changing registry or factors until the transaction ends. Raises psycopg.Error."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])


async def hold_registry(connection: Connection) -> None:
    """Have registry and factors stay as they are until the transaction ends, as others may at the same time.
    Raises psycopg.Error."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK_KEY])


async def apply_registry(connection: Connection, plan: Plan) -> int:
    """Put a planned registry in force, in one transaction; the number of the version in force.

    Raises RegistryRefusedError, RegistryMovedError, psycopg.Error.
    """
    if plan.refusals:
        raise RegistryRefusedError(plan.refusals)
    if not plan.is_needed:
        return plan.base_version
    async with connection.transaction():
        await lock_registry(connection)
        if await registry_version(connection) != plan.base_version:
            raise RegistryMovedError
        version = plan.base_version + 1
        await _insert_version(connection, version, plan.registry)
        await _write_sites(connection, plan.registry)
        await _write_devices(connection, plan.registry)
        await _write_sources(connection, plan.registry)
        restatement = Restatement(f"registry version {version}", Cause.REGISTRY, _places(plan.changes))
        await mark_dirty(connection, plan.touched, restatement)
    return version


async def rewrite_relations(connection: Connection) -> None:
    """Write anew how things of the registry in force belong together. Raises psycopg.Error."""
    async with connection.transaction():
        await lock_registry(connection)
        registry = (await load_registry(connection)).registry
        await write_relations(
            connection, registry, await device_ids(connection), await source_ids(connection)
        )


async def _computed_until(connection: Connection, registry: Registry) -> Computed:
    """When the last computed hour of each registered device ends."""
    sites, kinds, devices = _columns(registered_devices(registry), 3)
    cursor = await connection.execute(_COMPUTED_UNTIL, [sites, kinds, devices])
    return {DeviceKey(site, Kind(kind), device): end async for site, kind, device, end in cursor}


# The newest row of each device and quantity by the primary key; grouping would read every hour.
_COMPUTED_UNTIL: Final = """
SELECT d.site, d.kind, d.device, max(newest.hour) + interval '1 hour'
FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (site, kind, device)
JOIN core.device d ON (d.site, d.kind, d.device) = (wanted.site, wanted.kind, wanted.device)
JOIN core.quantity q ON q.kind = d.kind
CROSS JOIN LATERAL (
    SELECT h.hour FROM core.device_hour h
    WHERE h.device_id = d.device_id AND h.quantity = q.code
    ORDER BY h.hour DESC LIMIT 1
) newest
GROUP BY d.site, d.kind, d.device
"""


# Not numbers of the sequence: it skips some where an apply is rolled back or the server crashes.
_INSERT_VERSION: Final = """
INSERT INTO core.registry_version (version_id, document, sha256) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)
"""


async def _insert_version(connection: Connection, version: int, registry: Registry) -> None:
    document = json.dumps(dump(registry), ensure_ascii=False)
    digest = sha256(document.encode()).digest()
    await connection.execute(_INSERT_VERSION, [version, document, digest])


async def _write_sites(connection: Connection, registry: Registry) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _UPSERT_SITE,
            [
                (site_id, site.name, site.timezone, site.country, site.region, site.ended)
                for site_id, site in registry.sites.items()
            ],
        )
        await cursor.executemany(
            _UPSERT_AREA,
            [
                (site_id, area_id, area.name, area.type, area.floor_area_m2, area.ended)
                for site_id, site in registry.sites.items()
                for area_id, area in site.areas.items()
            ],
        )


_UPSERT_SITE: Final = """
INSERT INTO core.site (site, name, timezone, country, region, ended_at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (site) DO UPDATE SET name = excluded.name, timezone = excluded.timezone,
    country = excluded.country, region = excluded.region, ended_at = excluded.ended_at
"""

_UPSERT_AREA: Final = """
INSERT INTO core.area (site, area, name, type, floor_area_m2, ended_at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (site, area) DO UPDATE SET name = excluded.name, type = excluded.type,
    floor_area_m2 = excluded.floor_area_m2, ended_at = excluded.ended_at
"""


async def _write_devices(connection: Connection, registry: Registry) -> None:
    # first_seen NULL: announced by the registry, so not among the new devices of ingest's quota.
    await connection.execute(
        """
        INSERT INTO core.device (site, kind, device, first_seen)
        SELECT site, kind, device, NULL
        FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (site, kind, device)
        ON CONFLICT (site, kind, device) DO NOTHING
        """,
        list(_columns(registered_devices(registry), 3)),
    )
    ids = await device_ids(connection)
    await connection.execute("DELETE FROM core.device_period")
    async with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY core.device_period (device_id, valid_from, valid_to, area, interval_s) FROM STDIN"
        ) as copy,
    ):
        for period in device_periods(registry):
            await copy.write_row(
                (
                    ids[period.device],
                    period.valid_from,
                    period.valid_to or "infinity",
                    period.area,
                    period.interval_s,
                )
            )


async def _write_sources(connection: Connection, registry: Registry) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _UPSERT_SOURCE,
            [
                (
                    site_id,
                    source_id,
                    each.name,
                    each.scope,
                    each.method,
                    each.carrier,
                    earlier(each.ended, site.ended),
                )
                for site_id, site in registry.sites.items()
                for source_id, each in site.sources.items()
            ],
        )
    devices, sources = await device_ids(connection), await source_ids(connection)
    await connection.execute("DELETE FROM core.source_period")
    async with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY core.source_period (source_id, valid_from, valid_to, area, device_ids, in_total, bases) "
            "FROM STDIN"
        ) as copy,
    ):
        for period in source_periods(registry):
            await copy.write_row(
                (
                    sources[SourceKey(period.site, period.source)],
                    period.valid_from,
                    period.valid_to or "infinity",
                    period.area,
                    [devices[device] for device in period.devices],
                    period.in_total,
                    [basis or "none" for basis in period.bases],
                )
            )
    await write_relations(connection, registry, devices, sources)


_UPSERT_SOURCE: Final = """
INSERT INTO core.source (site, source, name, scope, method, carrier, ended_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site, source) DO UPDATE SET name = excluded.name, scope = excluded.scope,
    method = excluded.method, carrier = excluded.carrier, ended_at = excluded.ended_at
"""


async def mark_dirty(
    connection: Connection, touched: dict[DeviceKey, datetime], restatement: Restatement
) -> None:
    """Have the ledger compute these devices' hours anew, up to now: later readings mark their own hours."""
    sites, kinds, devices = _columns(touched, 3)
    since = list(touched.values())
    cursor = await connection.execute(_MARK_DIRTY, [restatement.reason, sites, kinds, devices, since])
    if cursor.rowcount:
        await note_restatement(connection, restatement)


# No earlier than the first reading, and nothing for a device without any.
_MARK_DIRTY: Final = """
INSERT INTO core.dirty_range (device_id, from_time, to_time, reason)
SELECT d.device_id, greatest(changed.from_time, first.time), now() + interval '1 hour', %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
    AS changed (site, kind, device, from_time)
JOIN core.device d ON (d.site, d.kind, d.device) = (changed.site, changed.kind, changed.device)
CROSS JOIN LATERAL (
    SELECT r.time FROM core.reading_meter r WHERE d.kind = 'meter' AND r.device_id = d.device_id
    UNION ALL
    SELECT r.time FROM core.reading_flowmeter r WHERE d.kind = 'flowmeter' AND r.device_id = d.device_id
    UNION ALL
    SELECT r.time FROM core.reading_cems r WHERE d.kind = 'cems' AND r.device_id = d.device_id
    UNION ALL
    SELECT r.time FROM core.reading_beltscale r WHERE d.kind = 'beltscale' AND r.device_id = d.device_id
    ORDER BY time LIMIT 1
) first
WHERE changed.from_time <= now()
"""


def _places(changes: Sequence[Change]) -> str:
    """The first places that differ, in a line."""
    named = [".".join(map(str, each.place)) for each in changes[:_PLACES_NAMED]]
    rest = len(changes) - len(named)
    return ", ".join(named) + (f", and {rest} more" if rest else "")


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows, empty ones where there are no rows."""
    columns = tuple(list(column) for column in zip(*rows, strict=True))
    return columns or tuple([] for _ in range(width))
