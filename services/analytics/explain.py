"""Explaining one hour: what is kept of it, told line by line, and computed again from the readings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.analytics import stack_hours
from services.analytics.anew import computed_anew
from services.analytics.calculation import calculation
from services.analytics.errors import AnalyticsError
from services.analytics.explanation import (
    Basis,
    ExplainedLine,
    Explanation,
    MadeBy,
    ReadingsUsed,
)
from services.analytics.known import Known, by_kind
from services.analytics.reproduction import Again, Circumstances, contributed, figures, reasons
from services.analytics.told import made_by, read_of, told_correction, told_step
from services.domain.conversion import SourceKey
from services.domain.explained import Kept, QuantityHour, StackItem, lines
from services.domain.factors import FactorBook
from services.domain.ledger.hours import HOUR_US, from_us, to_us
from services.domain.ledger.plan import Plan
from services.domain.ledger.rows import SourceBasis
from services.domain.ledger.track import Window
from services.domain.lineage import Recipe, Recipes
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.store.explaining import (
    SourceOf,
    find_source,
    is_awaited,
    kept_bases,
    kept_corrections,
    kept_hour,
    kept_quantities,
    kept_stacks,
)
from services.store.factors import load_factors
from services.store.ledger import Versions, versions
from services.store.ledger_readings import extents
from services.store.pool import Connection
from services.store.registry import load_registry, source_ids

_KEPT_SITES: Final = 8
"""So many compiled sites are kept between questions."""
_MARGIN: Final = timedelta(hours=1)
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2199
"""Whose facts and factors the ledger knows (`ledger.plan`)."""


class NotExplainedError(AnalyticsError):
    """There is nothing to explain; the message says why."""


class Asked(NamedTuple):
    """An hour of a source on one basis."""

    key: SourceKey
    of: SourceOf
    basis: str
    begin_us: int
    end_us: int

    @property
    def hour(self) -> datetime:
        return from_us(self.begin_us)


class Explainer:
    """Explains hours; keeps the compiled registry of the sites that were asked for last."""

    def __init__(self) -> None:
        self._sites: dict[str, tuple[Versions, Known]] = {}

    async def explain(
        self, connection: Connection, site: str, source: str, instant: datetime, basis: Basis | None = None
    ) -> Explanation:
        """The hour that `instant` is in, by `basis` (`location`, `market`; None: that of the total); without
        a zone it is by the site's clock.

        All is read in one read-only transaction, as of one moment. Raises NotExplainedError, psycopg.Error.
        """
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            found = await find_source(connection, site, source)
            if found is None:
                raise NotExplainedError(f"The registry has no source {source!r} of a site {site!r}.")
            version, known = await self._known(connection, site)
            if SourceKey(site, source) not in known.plan.sites[site].members:
                raise NotExplainedError(f"The registry in force no longer has the source {site}/{source}.")
            at = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(found.timezone))
            if not FIRST_YEAR <= at.year <= LAST_YEAR:
                raise NotExplainedError(f"There are no hours of the year {at.year}.")
            asked = await _asked(connection, known, SourceKey(site, source), found, at, basis)
            return await _explain(connection, known, version.registry, asked)

    async def _known(self, connection: Connection, site: str) -> tuple[Versions, Known]:
        """The registry of one site, compiled; of others nothing is needed."""
        now = await versions(connection)
        kept = self._sites.pop(site, None)
        if kept is None or kept[0] != now:
            kept = now, await _compiled(connection, site)
        self._sites[site] = kept
        while len(self._sites) > _KEPT_SITES:
            del self._sites[next(iter(self._sites))]
        return kept


async def _compiled(connection: Connection, site: str) -> Known:
    registry = (await load_registry(connection)).registry
    if site not in registry.sites:
        raise NotExplainedError(f"The registry in force has no site {site!r}.")
    of_site = Registry(version=1, sites={site: registry.sites[site]})
    known = Known()
    known.plan = Plan(of_site, FactorBook(await load_factors(connection)))
    known.recipes = Recipes(known.plan)
    known.sources = await source_ids(connection)
    known.stacks = stack_hours.judged_sources(of_site)
    return known


async def _asked(
    connection: Connection, known: Known, key: SourceKey, of: SourceOf, instant: datetime, basis: Basis | None
) -> Asked:
    grid = known.plan.sites[key.site].grid
    begin_us = grid.floor(to_us(instant))
    hour = from_us(begin_us)
    bases = await kept_bases(connection, of.source_id, hour)
    if basis is not None and bases and basis not in bases:
        told = ", ".join(bases) if bases != ["none"] else "none, for its method has none"
        raise NotExplainedError(f"{key.site}/{key.source} has no basis {basis.value!r} here; it has {told}.")
    chosen = basis or next(iter(bases), "none")
    return Asked(key, of, chosen, begin_us, grid.ceil(begin_us + 1))


async def _explain(connection: Connection, known: Known, registry_version: int, asked: Asked) -> Explanation:
    kept = await kept_hour(connection, asked.of.source_id, asked.basis, asked.hour)
    basis = SourceBasis(asked.key.site, asked.key.source, asked.basis)
    again, steps = await computed_anew(connection, known, basis, Window(asked.begin_us, asked.end_us))
    if kept is None and again is None:
        raise NotExplainedError(
            f"There is no hour {asked.hour.isoformat()} of {asked.key.site}/{asked.key.source}: "
            "nothing is kept of it, and no reading bears on it."
        )
    compared = figures(kept, again)
    of = await _circumstances(connection, known, registry_version, asked, kept)
    why = list(reasons(kept, again, compared, of))
    comes_out = kept is not None and again is not None and all(each.same for each in compared)
    cannot = of.expired_before is not None or kept is None
    return Explanation(
        site=asked.key.site,
        source=asked.key.source,
        basis=None if asked.basis == "none" else asked.basis,
        hour=asked.hour,
        end=from_us(asked.end_us),
        timezone=asked.of.timezone,
        scope=asked.of.scope,
        method=asked.of.method,
        carrier=asked.of.carrier,
        status=None if kept is None else kept["status"],
        revision=None if kept is None else kept["revision"],
        computed_at=None if kept is None else kept["computed_at"],
        computed_by=made_by(kept),
        read=read_of(kept),
        recipe=None if kept is None or kept["recipe"] is None else str(kept["recipe"]),
        lines=await _lines(connection, known, asked, kept, again),
        steps=[told_step(each) for each in steps],
        recomputed_by=MadeBy(**of.made_by._asdict(), registry_version=registry_version),
        recomputed_from=None
        if again is None
        else ReadingsUsed(
            readings=again.lineage.readings, first=again.lineage.read_from, last=again.lineage.read_to
        ),
        figures=compared,
        reproduced=True if comes_out else None if cannot else False,
        reasons=why,
    )


def _recipe(known: Known, asked: Asked) -> Recipe:
    basis = SourceBasis(asked.key.site, asked.key.source, asked.basis)
    return known.recipes.of(basis, asked.begin_us, asked.end_us)


async def _circumstances(
    connection: Connection, known: Known, registry_version: int, asked: Asked, kept: Mapping[str, Any] | None
) -> Circumstances:
    members = [key for key in known.plan.members(asked.key) if key in known.ids]
    low, high = asked.hour, from_us(asked.end_us)
    if kept is not None and kept["read_from"] is not None:
        low, high = min(low, kept["read_from"]), max(high, kept["read_to"])
    ids = [known.ids[key] for key in members]
    return Circumstances(
        await is_awaited(connection, ids, low - _MARGIN, high + _MARGIN),
        await _expired_before(connection, known, members, kept),
        calculation(),
        registry_version,
    )


async def _expired_before(
    connection: Connection, known: Known, members: list[DeviceKey], kept: Mapping[str, Any] | None
) -> datetime | None:
    """The first reading still stored of the devices, where the hour rests on earlier ones."""
    if kept is None or kept["read_from"] is None:
        return None
    firsts: list[datetime] = []
    for kind, keys in by_kind(members).items():
        found = await extents(connection, kind, [known.ids[key] for key in keys])
        firsts += [first for first, _ in found.values()]
    if not firsts:
        return kept["read_to"] + timedelta(microseconds=1)  # type: ignore[no-any-return]
    first = min(firsts)
    return first if first > kept["read_from"] else None


async def _lines(
    connection: Connection, known: Known, asked: Asked, kept: Mapping[str, Any] | None, again: Again | None
) -> list[ExplainedLine]:
    """From what is kept; where no recipe is, from the one that holds now."""
    row: Mapping[str, Any] = kept if kept is not None else again.row._asdict() if again is not None else {}
    document = row.get("recipe_document")
    if document is None:
        document = json.loads(_recipe(known, asked).document)
    ids = [known.ids[key] for key in known.plan.members(asked.key) if key in known.ids]
    quantities = await kept_quantities(connection, ids, asked.hour)
    stacks: dict[str, list[StackItem]] = {}
    for device, *item in await kept_stacks(connection, asked.of.source_id, ids, asked.hour):
        stacks.setdefault(device, []).append(StackItem(*item))
    corrections = await _corrections(connection, asked, row, ids)
    told = lines(
        Kept(
            recipe=document,
            figures=row,
            length_h=(asked.end_us - asked.begin_us) / HOUR_US,
            parts=contributed(row["parts"]),
            quantities={(device, name): QuantityHour(*rest) for device, name, *rest in quantities},
            stacks=stacks,
        )
    )
    return [*corrections, *(ExplainedLine(**each._asdict()) for each in told)]


async def _corrections(
    connection: Connection, asked: Asked, row: Mapping[str, Any], ids: list[int]
) -> list[ExplainedLine]:
    """What was said afterwards of the readings that the hour rests on."""
    low = row.get("read_from") or asked.hour
    high = row.get("read_to") or from_us(asked.end_us)
    at = row.get("computed_at") or datetime.now(UTC)
    return [told_correction(each) for each in await kept_corrections(connection, ids, low, high, at)]
