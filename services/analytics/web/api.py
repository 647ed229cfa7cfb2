"""The JSON API, /api/v1."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query

from services.analytics.explain import Explainer
from services.analytics.web import answers, period, totals
from services.analytics.web.errors import ApiError, BadRequestError, NotFoundError
from services.analytics.web.explain import add_explain
from services.analytics.web.findings import add_findings
from services.analytics.web.parameters import refuse_strange
from services.analytics.web.reader import POOL_TIMEOUT_S, BoardReader, Clock
from services.analytics.web.summary import rate_of
from services.domain.quantities import Kind
from services.store import board
from services.store.board_rows import Row
from services.store.emission_sums import emission_sums
from services.store.pool import Connection, Pool

MAX_ROWS = 50_000
"""Rows of one answer; about 25 MB of JSON."""

R = TypeVar("R", bound=Row)

SiteParameter = Annotated[str | None, Query(description="site id; all sites where not given")]
FromParameter = Annotated[
    str | None,
    Query(
        alias="from",
        description="first instant (RFC 3339 with zone) or, with grain=day, first date; "
        "of a site, a date alone is midnight on its clock",
        examples=["2026-01-31T00:00:00Z"],
    ),
]
ToParameter = Annotated[str | None, Query(alias="to", description="end, not included; now where not given")]

DayParameter = Annotated[str | None, Query(alias="from", description="first date on each site's calendar")]
EndDayParameter = Annotated[str | None, Query(alias="to", description="last date, not included")]


class Grain(StrEnum):
    HOUR = "hour"
    DAY = "day"


GrainParameter = Annotated[Grain, Query(description="hours of the site's clock, or days of its calendar")]


def router(
    pool: Pool,
    reader: BoardReader,
    clock: Clock,
    explainer: Explainer | None = None,
    *,
    max_rows: int = MAX_ROWS,
) -> APIRouter:
    """The routes of the API; an answer of more than `max_rows` rows is refused."""
    routes = APIRouter(
        prefix="/api/v1",
        tags=["api"],
        responses={404: {"model": ApiError}, 422: {"model": ApiError}, 503: {"model": ApiError}},
        dependencies=[Depends(refuse_strange)],
    )
    _add_state(routes, pool, reader)
    _add_emissions(routes, pool, clock, max_rows)
    _add_energy(routes, pool, clock, max_rows)
    _add_totals(routes, pool, clock)
    add_findings(routes, pool, clock, _known_or_sending)
    add_explain(routes, pool, explainer or Explainer())
    return routes


def _add_state(routes: APIRouter, pool: Pool, reader: BoardReader) -> None:
    @routes.get("/sites")
    async def sites() -> answers.SitesAnswer:
        """The sites of the registry."""
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            return answers.SitesAnswer(sites=await board.sites(connection))

    @routes.get("/live")
    async def live(site: SiteParameter = None) -> answers.LiveAnswer:
        """What each source emits now, in kg/h."""
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            await _zone(connection, site)
            now = await board.database_now(connection)
            rows = await board.live(connection, site)
            sources = [each for each in await board.sources(connection) if site in (None, each.site)]
        total = rate_of(sources, rows, with_site=True)
        return answers.LiveAnswer(
            as_of=now, total_co2_kg_per_h=total.kg_per_h, unknown=list(total.unknown), sources=rows
        )

    @routes.get("/devices")
    async def devices(
        site: SiteParameter = None,
        kind: Kind | None = None,
        after: Annotated[str, Query(description="`next_after` of the page before")] = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    ) -> answers.DevicesAnswer:
        """Every device that ever sent or that the registry names, by site, kind and id."""
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            rows = await board.devices(connection, site, kind, _position(after), limit + 1)
            if not rows:
                await _known_or_sending(connection, site)
        page = rows[:limit]
        more = f"{page[-1].site}/{page[-1].kind}/{page[-1].device}" if len(rows) > limit else None
        return answers.DevicesAnswer(devices=page, next_after=more)

    @routes.get("/ingest")
    async def ingest() -> answers.IngestAnswer:
        """Totals and rate of what came in, what was rejected, and how far the ledger is."""
        seen = await reader.snapshot()
        return answers.IngestAnswer(
            as_of=seen.taken_at,
            received=sum(each.received for each in seen.totals),
            stored=sum(each.stored for each in seen.totals),
            duplicate=sum(each.duplicate for each in seen.totals),
            rejected=sum(each.rejected for each in seen.totals),
            received_per_s=seen.received_per_s,
            clients=seen.totals,
            dead_letters=seen.reasons,
            ledger=seen.backlog,
        )


def _add_emissions(routes: APIRouter, pool: Pool, clock: Clock, max_rows: int) -> None:
    @routes.get("/emissions")
    async def emissions(
        site: SiteParameter = None,
        begin: FromParameter = None,
        end: ToParameter = None,
        grain: GrainParameter = Grain.HOUR,
    ) -> answers.EmissionHours | answers.EmissionDays:
        """Emissions of each source by hour or by local day."""
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            zone = await _zone(connection, site)
            if grain is Grain.DAY:
                day, until = period.days(begin, end, clock(), zone)
                found = await board.emissions_by_day(connection, site, day, until, max_rows + 1)
                return answers.EmissionDays(begin=day, end=until, rows=_bounded(found, max_rows))
            first, last = period.hours(begin, end, clock(), zone)
            rows = await board.emissions_by_hour(connection, site, first, last, max_rows + 1)
            return answers.EmissionHours(begin=first, end=last, rows=_bounded(rows, max_rows))


def _add_energy(routes: APIRouter, pool: Pool, clock: Clock, max_rows: int) -> None:
    @routes.get("/energy")
    async def energy(
        site: SiteParameter = None,
        begin: FromParameter = None,
        end: ToParameter = None,
        grain: GrainParameter = Grain.HOUR,
    ) -> answers.EnergyHours | answers.EnergyDays:
        """Energy of each device by hour or by local day; of fuels by NCV."""
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            zone = await _zone(connection, site)
            if grain is Grain.DAY:
                day, until = period.days(begin, end, clock(), zone)
                found = await board.energy_by_day(connection, site, day, until, max_rows + 1)
                return answers.EnergyDays(begin=day, end=until, rows=_bounded(found, max_rows))
            first, last = period.hours(begin, end, clock(), zone)
            rows = await board.energy_by_hour(connection, site, first, last, max_rows + 1)
            return answers.EnergyHours(begin=first, end=last, rows=_bounded(rows, max_rows))


def _add_totals(routes: APIRouter, pool: Pool, clock: Clock) -> None:
    @routes.get("/totals")
    async def totals_(
        site: SiteParameter = None, begin: DayParameter = None, end: EndDayParameter = None
    ) -> totals.TotalsAnswer:
        """CO2 of each site over local days, with its uncertainty; by default the last 7 days."""
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            zone = await _zone(connection, site)
            day, until = period.days(begin, end, clock(), zone)
            rows = await emission_sums(connection, site, day, until)
            return totals.totals(day, until, rows)


async def _zone(connection: Connection, site: str | None) -> ZoneInfo | None:
    """The time zone of the site asked for. Raises NotFoundError."""
    if site is None:
        return None
    known = await board.sites(connection)
    for each in known:
        if each.site == site:
            return ZoneInfo(each.timezone)
    names = ", ".join(each.site for each in known[:20]) or "none: see `carbonflow registry apply`"
    raise NotFoundError(f"there is no site {site[:63]!r}; the registry has {names}")


async def _known_or_sending(connection: Connection, site: str | None) -> None:
    """A site may have devices before the registry knows it. Raises NotFoundError."""
    if site is not None and not await board.devices(connection, site, None, _START, 1):
        await _zone(connection, site)


def _bounded(rows: Sequence[R], most: int) -> list[R]:
    if len(rows) > most:
        raise BadRequestError(f"these are more than {most:,} rows: ask for a shorter time or for one site")
    return list(rows)


_START: Final = ("", "", "")


def _position(after: str) -> tuple[str, str, str]:
    if not after:
        return _START
    parts = after.split("/")
    if len(parts) != len(("site", "kind", "device")):
        raise BadRequestError("after is site/kind/device: give next_after of the page before as it is")
    return parts[0], parts[1], parts[2]
