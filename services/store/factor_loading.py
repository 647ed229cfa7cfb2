"""A table of factors is recorded, and the hours that it touches are computed anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from services.domain.factor_changes import touched_by_factors
from services.domain.factor_effects import effects
from services.domain.factors import Factor, FactorBook
from services.domain.reading import DeviceKey
from services.store.factor_effects import MonthEffect, month_effects
from services.store.factors import import_factors, load_factors
from services.store.ledger import versions
from services.store.pool import Connection
from services.store.registry import load_registry, lock_registry, mark_dirty
from services.store.revisions import Cause, Restatement


class Loaded(NamedTuple):
    """What came of a table: how many factors are new, and the devices computed anew, each from then on."""

    new: int
    touched: dict[DeviceKey, datetime]
    effects: tuple[MonthEffect, ...] = ()
    """Of a table that was only tried: what it would make of the stored hours."""


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
        now = datetime.now(UTC)
        touched = touched_by_factors(registry, before, after, now)
        if not keep:
            found = await month_effects(connection, effects(registry, before, after, now))
            return Loaded(new, touched, tuple(found))
        await mark_dirty(connection, touched, await _restatement(connection, before, after))
    return Loaded(new, touched)


async def _restatement(connection: Connection, before: FactorBook, after: FactorBook) -> Restatement:
    known = set(before.factors)
    new = Counter(factor.factor_set for factor in after.factors if factor not in known)
    counted = [f"{name} ({count} factor{'s' if count > 1 else ''})" for name, count in sorted(new.items())]
    newest = (await versions(connection)).factors
    return Restatement(f"factors up to {newest}", Cause.FACTOR, f"new: {', '.join(counted)}")
