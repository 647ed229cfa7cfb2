"""What the board says of each site, from one snapshot: sums that never take unknown for zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from services.analytics.web.hours import HOUR, last_hours, local_day
from services.analytics.web.reader import Snapshot
from services.analytics.web.uncertain import uncertainty_pct
from services.store.board_rows import (
    CarrierHourRow,
    DeviceCountRow,
    DeviceRow,
    LiveRow,
    SiteRow,
    SourceHourRow,
    SourceRow,
)
from services.store.finding_list import FindingRow
from services.store.remarks import MissingFactorRow, RemainderRow
from services.store.routes import RouteRow

HOURS = 24
FINDINGS_SHOWN = 8
"""Of a site; the API lists them all."""
ELECTRICITY = "electricity"


@dataclass(frozen=True, slots=True)
class Now:
    """A rate over several sources: known only where each of them is."""

    kg_per_h: float | None
    known_kg_per_h: float | None
    unknown: tuple[str, ...]
    """Sources that count in the total and whose rate is unknown."""
    age_s: float | None
    """Of the oldest reading in it."""


@dataclass(frozen=True, slots=True)
class Today:
    """An amount of the site's running day: of the hours known, and the share of the day so far they cover."""

    amount: float | None
    coverage: float
    unknown: tuple[str, ...]
    """Sources or carriers of which no hour of the day is known."""
    estimated: bool
    uncertainty_pct: float | None = None
    """Of the amount, 95 %; None where that of a part of it is unknown. Of CO2 only."""


@dataclass(frozen=True, slots=True)
class Part:
    """One source's or carrier's share of an hour."""

    of: str
    amount: float | None
    coverage: float
    estimated: bool
    missing_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the last day, with a part for each source or carrier the ledger has a row of."""

    begin: datetime
    local: datetime
    running: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A source in the site's table."""

    source: SourceRow
    live: LiveRow | None
    today: Today
    factor_outdated: bool
    """The factor's data year is over: a newer factor will restate the numbers."""
    route: RouteRow | None
    """Beside the other route of the same emission, where the registry names one."""
    other_basis: LiveRow | None
    """Of electricity counted by place and by market: the one that is in no total."""


@dataclass(frozen=True, slots=True)
class SiteCard:
    site: SiteRow
    local_time: datetime
    now: Now
    co2_today: Today
    """kg CO2."""
    energy_today: Today
    """kWh, of fuels by NCV, over all carriers."""
    carriers_today: tuple[tuple[str, Today], ...]
    """kWh of each carrier."""
    lines: tuple[SourceLine, ...]
    emission_hours: tuple[Hour, ...]
    power_hours: tuple[Hour, ...]
    """kWh of electricity in an hour: the hour's mean power in kW."""
    devices: DeviceCountRow
    troubled: tuple[DeviceRow, ...]
    missing_factors: tuple[MissingFactorRow, ...] = ()
    """Sources whose CO2 was unknown within the last day for want of a factor."""
    remainders: tuple[RemainderRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    """Of the last day, warnings first."""


@dataclass(frozen=True, slots=True)
class Board:
    taken_at: datetime
    cards: tuple[SiteCard, ...]
    now: Now
    """Over all sites."""
    co2_today: Today
    """kg CO2 over all sites, of each its own day; the coverage is that of the site least covered."""
    unregistered: tuple[DeviceRow, ...]
    """Devices in trouble at sites that the registry does not have."""
    devices: DeviceCountRow
    """Over all sites, registered or not."""


def build(snapshot: Snapshot) -> Board:
    """The board of a snapshot."""
    cards = tuple(_card(snapshot, site) for site in snapshot.sites)
    registered = {site.site for site in snapshot.sites}
    counts = snapshot.device_counts
    return Board(
        taken_at=snapshot.taken_at,
        cards=cards,
        now=rate_of(snapshot.sources, snapshot.live, with_site=True),
        co2_today=replace(_over_sites(cards), uncertainty_pct=_of_today(snapshot)),
        unregistered=tuple(each for each in snapshot.troubled if each.site not in registered),
        devices=DeviceCountRow(
            site="",
            devices=sum(each.devices for each in counts),
            stale=sum(each.stale for each in counts),
            offline=sum(each.offline for each in counts),
            unassigned=sum(each.unassigned for each in counts),
        ),
    )


def _over_sites(cards: Sequence[SiteCard]) -> Today:
    counting = [card for card in cards if any(line.source.in_total for line in card.lines)]
    known = [card.co2_today.amount for card in counting if card.co2_today.amount is not None]
    return Today(
        amount=sum(known) if known else None,
        coverage=min((card.co2_today.coverage for card in counting), default=0.0),
        unknown=tuple(f"{card.site.site}/{each}" for card in counting for each in card.co2_today.unknown),
        estimated=any(card.co2_today.estimated for card in counting),
    )


def _card(snapshot: Snapshot, site: SiteRow) -> SiteCard:
    zone, now = ZoneInfo(site.timezone), snapshot.taken_at
    midnight = local_day(now, zone)
    sources = [each for each in snapshot.sources if each.site == site.site]
    live = [each for each in snapshot.live if each.site == site.site]
    emissions = [each for each in snapshot.source_hours if each.site == site.site]
    energy = [each for each in snapshot.carrier_hours if each.site == site.site]
    carriers = _carriers_today(energy, midnight, now)
    counted = [each.source for each in sources if each.in_total]
    return SiteCard(
        site=site,
        local_time=now.astimezone(zone),
        now=rate_of(sources, live),
        co2_today=_co2_today([each for each in emissions if each.in_total], counted, midnight, now),
        energy_today=_sum_today(_by_carrier(energy), [carrier for carrier, _ in carriers], midnight, now),
        carriers_today=carriers,
        lines=_lines(sources, live, emissions, _routes(snapshot, site.site), midnight, now),
        emission_hours=_hours(_by_source(each for each in emissions if each.in_total), now, zone),
        power_hours=_hours(_by_carrier(each for each in energy if each.carrier == ELECTRICITY), now, zone),
        devices=_devices_of(snapshot, site.site),
        troubled=tuple(each for each in snapshot.troubled if each.site == site.site),
        missing_factors=tuple(each for each in snapshot.missing_factors if each.site == site.site),
        remainders=tuple(each for each in snapshot.remainders if each.site == site.site),
        findings=_findings(snapshot, site.site),
    )


def _findings(snapshot: Snapshot, site: str) -> tuple[FindingRow, ...]:
    of_site = [each for each in snapshot.findings if each.site == site]
    return tuple(sorted(of_site, key=lambda each: each.severity != "warning")[:FINDINGS_SHOWN])


def _devices_of(snapshot: Snapshot, site: str) -> DeviceCountRow:
    for each in snapshot.device_counts:
        if each.site == site:
            return each
    return DeviceCountRow(site=site, devices=0, stale=0, offline=0, unassigned=0)


def rate_of(sources: Iterable[SourceRow], live: Iterable[LiveRow], with_site: bool = False) -> Now:
    """The sum of the sources that count in a total; unknown where one of them is, or where there is none."""
    rates = {(each.site, each.source): each for each in live if each.in_total}
    known: list[LiveRow] = []
    unknown: list[str] = []
    for source in sources:
        if not source.in_total:
            continue
        row = rates.get((source.site, source.source))
        if row is None or row.co2_kg_per_h is None:
            unknown.append(f"{source.site}/{source.source}" if with_site else source.source)
        else:
            known.append(row)
    total = sum(row.co2_kg_per_h or 0.0 for row in known) if known else None
    ages = [row.age_s for row in known if row.age_s is not None]
    return Now(None if unknown else total, total, tuple(unknown), max(ages, default=None))


def _by_source(rows: Iterable[SourceHourRow]) -> list[tuple[datetime, Part]]:
    return [
        (row.hour, Part(row.source, row.co2_kg, row.coverage, row.estimated, row.missing_reason))
        for row in rows
    ]


def _by_carrier(rows: Iterable[CarrierHourRow]) -> list[tuple[datetime, Part]]:
    return [(row.hour, Part(row.carrier, row.energy_kwh, row.coverage, row.estimated)) for row in rows]


def _sum_today(
    parts: Iterable[tuple[datetime, Part]], members: Sequence[str], midnight: datetime, now: datetime
) -> Today:
    """The sum over `members`; an hour without a row or without an amount counts as not covered."""
    of_today = [part for hour, part in parts if hour >= midnight]
    known = [part for part in of_today if part.amount is not None]
    have = {part.of for part in known}
    elapsed_h = max((now - midnight) / HOUR, 1 / 60)
    covered_h = sum(part.coverage for part in known)
    return Today(
        amount=sum(part.amount or 0.0 for part in known) if known else None,
        coverage=min(1.0, covered_h / (elapsed_h * len(members))) if members else 0.0,
        unknown=tuple(member for member in members if member not in have),
        estimated=any(part.estimated for part in known),
    )


def _co2_today(
    rows: Sequence[SourceHourRow], members: Sequence[str], midnight: datetime, now: datetime
) -> Today:
    found = _sum_today(_by_source(rows), members, midnight, now)
    return replace(found, uncertainty_pct=uncertainty_pct(row for row in rows if row.hour >= midnight))


def _of_today(snapshot: Snapshot) -> float | None:
    """The uncertainty over all sites, of each its own day."""
    midnights = {site.site: local_day(snapshot.taken_at, ZoneInfo(site.timezone)) for site in snapshot.sites}
    return uncertainty_pct(
        row
        for row in snapshot.source_hours
        if row.in_total and row.site in midnights and row.hour >= midnights[row.site]
    )


def _carriers_today(
    rows: Sequence[CarrierHourRow], midnight: datetime, now: datetime
) -> tuple[tuple[str, Today], ...]:
    carriers = sorted({row.carrier for row in rows}, key=lambda carrier: (carrier != ELECTRICITY, carrier))
    return tuple(
        (carrier, _sum_today(_by_carrier(r for r in rows if r.carrier == carrier), [carrier], midnight, now))
        for carrier in carriers
    )


def _lines(
    sources: Sequence[SourceRow],
    live: Sequence[LiveRow],
    emissions: Sequence[SourceHourRow],
    routes: Mapping[str, RouteRow],
    midnight: datetime,
    now: datetime,
) -> tuple[SourceLine, ...]:
    # Of two bases the one that counts in a total is first, else the place's.
    rates = {each.source: each for each in reversed(live)}
    hours: dict[str, list[SourceHourRow]] = defaultdict(list)
    for row in emissions:
        hours[row.source].append(row)
    ordered = sorted(sources, key=lambda each: (not each.in_total, each.scope, each.source))
    return tuple(
        SourceLine(
            source=source,
            live=rates.get(source.source),
            today=_co2_today(hours[source.source], [source.source], midnight, now),
            factor_outdated=_is_outdated(rates.get(source.source), now),
            route=routes.get(source.source),
            other_basis=_other_basis(source.source, rates, live),
        )
        for source in ordered
    )


def _other_basis(source: str, rates: Mapping[str, LiveRow], live: Sequence[LiveRow]) -> LiveRow | None:
    return next((row for row in live if row.source == source and row is not rates[source]), None)


def _routes(snapshot: Snapshot, site: str) -> dict[str, RouteRow]:
    return {each.source: each for each in snapshot.routes if each.site == site}


def _is_outdated(row: LiveRow | None, now: datetime) -> bool:
    return row is not None and row.factor_valid_to is not None and row.factor_valid_to < now.date()


def _hours(parts: Iterable[tuple[datetime, Part]], now: datetime, zone: ZoneInfo) -> tuple[Hour, ...]:
    by_hour: dict[datetime, list[Part]] = defaultdict(list)
    for hour, part in parts:
        by_hour[hour].append(part)
    begins = last_hours(now, zone, HOURS)
    return tuple(
        Hour(begin, begin.astimezone(zone), begin == begins[-1], tuple(by_hour[begin])) for begin in begins
    )
