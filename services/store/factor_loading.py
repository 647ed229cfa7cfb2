"""A table of factors is recorded, and the hours that it touches are computed anew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from services.domain.factor_changes import touched_by_factors
from services.domain.factors import Factor, FactorBook
from services.domain.reading import DeviceKey
from services.store.factors import import_factors, load_factors
from services.store.pool import Connection
from services.store.registry import load_registry, lock_registry, mark_dirty


class Loaded(NamedTuple):
    """What came of a table: how many factors are new, and the devices computed anew, each from then on."""

    new: int
    touched: dict[DeviceKey, datetime]


async def load_table(connection: Connection, factors: Iterable[Factor], *, keep: bool = True) -> Loaded:
    """Record the factors that are not yet there and re-open the hours they touch, in one transaction, which
    is rolled back where they are not to be kept. Raises psycopg.Error."""
    async with connection.transaction(force_rollback=not keep):
        await lock_registry(connection)
        before = FactorBook(await load_factors(connection))
        new = await import_factors(connection, factors)
        if new == 0:
            return Loaded(0, {})
        after = FactorBook(await load_factors(connection))
        registry = (await load_registry(connection)).registry
        touched = touched_by_factors(registry, before, after, datetime.now(UTC))
        await mark_dirty(connection, touched, "factors")
    return Loaded(new, touched)
