"""What SQL joins to of a registry beside devices and sources: how they belong together. Written in the
transaction that applies the registry, and again after a migration, which may know of more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from services.domain.conversion import SourceKey
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.domain.registry.routes import route_periods
from services.domain.registry.submeters import submeter_periods
from services.domain.registry.virtual import virtual_periods
from services.store.pool import Connection


async def write_relations(
    connection: Connection,
    registry: Registry,
    devices: Mapping[DeviceKey, int],
    sources: Mapping[SourceKey, int],
) -> None:
    """All of them, by the ids of devices and sources. Raises psycopg.Error."""
    await _write_routes(connection, registry, sources)
    await _write_submeters(connection, registry, devices)
    await _write_virtual_meters(connection, registry, devices)


async def _write_routes(connection: Connection, registry: Registry, sources: Mapping[SourceKey, int]) -> None:
    await connection.execute("DELETE FROM core.route_period")
    await _copy(
        connection,
        "COPY core.route_period (source_id, valid_from, valid_to, other_ids) FROM STDIN",
        (
            (
                sources[SourceKey(each.site, each.source)],
                each.valid_from,
                each.valid_to or "infinity",
                [sources[SourceKey(each.site, other)] for other in each.others],
            )
            for each in route_periods(registry)
        ),
    )


async def _write_submeters(
    connection: Connection, registry: Registry, devices: Mapping[DeviceKey, int]
) -> None:
    await connection.execute("DELETE FROM core.submeter_period")
    await _copy(
        connection,
        "COPY core.submeter_period (device_id, main_id, valid_from, valid_to, uncertainty_pct, "
        "main_uncertainty_pct) FROM STDIN",
        (
            (
                devices[each.device],
                devices[each.main],
                each.valid_from,
                each.valid_to or "infinity",
                each.uncertainty_pct,
                each.main_uncertainty_pct,
            )
            for each in submeter_periods(registry)
        ),
    )


async def _write_virtual_meters(
    connection: Connection, registry: Registry, devices: Mapping[DeviceKey, int]
) -> None:
    await connection.execute("DELETE FROM core.virtual_period")
    await _copy(
        connection,
        "COPY core.virtual_period (site, virtual_meter, valid_from, valid_to, area, carrier, device_ids, "
        "signs) FROM STDIN",
        (
            (
                each.site,
                each.virtual_meter,
                each.valid_from,
                each.valid_to or "infinity",
                each.area,
                each.carrier,
                [devices[device] for device, _ in each.parts],
                [sign for _, sign in each.parts],
            )
            for each in virtual_periods(registry)
        ),
    )


async def _copy(connection: Connection, statement: LiteralString, rows: Iterable[tuple[Any, ...]]) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)
