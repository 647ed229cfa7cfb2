"""What SQL joins to of a registry beside devices and sources: how they belong together. Written in the
transaction that applies the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from services.domain.conversion import SourceKey
from services.domain.registry.model import Registry
from services.domain.registry.routes import route_periods
from services.store.pool import Connection


async def write_routes(connection: Connection, registry: Registry, sources: Mapping[SourceKey, int]) -> None:
    """Which sources are two routes of the same carbon. Raises psycopg.Error."""
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


async def _copy(connection: Connection, statement: LiteralString, rows: Iterable[tuple[Any, ...]]) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)
