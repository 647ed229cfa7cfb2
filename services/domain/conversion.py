"""What each device contributes to which emission source at an instant, from the registry and the factors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from itertools import chain
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.domain import uncertainties
from services.domain.activity import Activity, Use, quantity_of
from services.domain.emission_factor import EmissionFactor
from services.domain.factors import FactorBook, Found
from services.domain.formulas import Formula
from services.domain.methods import cems_source, electricity, fuel, heat_source, market, mass_balance
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.facts import bases_of
from services.domain.registry.model import (
    Device,
    DeviceFacts,
    Method,
    Registry,
    Site,
    Source,
    SourceFacts,
    Stream,
    facts_at,
)
from services.domain.stack import Evidence, StackPolicy
from services.domain.stock import NO_STOCKS, Stocks, stocks_of

__all__ = [
    "Conversion",
    "DeviceKey",
    "EmissionFactor",
    "Formula",
    "SourceKey",
    "change_points",
    "compile_conversions",
]


class SourceKey(NamedTuple):
    """What an emission source is known by."""

    site: str
    source: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one device contributes to one source, in force over some time.

    The activity, in `activity_unit`, is `formula.evaluate(x, inputs, params)`; a gas is that times `factor`.
    `x` is `quantity`: the movement of a register, or a rate, and then the activity is per hour. Live, where
    the quantity is a register, `x` is `rate_quantity` and the parameters are `rate_params`; None: the
    register's movement over time.
    """

    source: SourceKey
    device: DeviceKey
    method: Method
    basis: str | None
    carrier: str
    area: str | None
    in_total: bool
    quantity: str
    rate_quantity: str | None
    formula: Formula
    inputs: tuple[str, ...]
    params: tuple[float, ...]
    rate_params: tuple[float, ...]
    activity_unit: str
    factor: EmissionFactor
    stack: StackPolicy | None = None
    """How the hours of a measured stack are judged; None for all others."""
    evidence: tuple[Evidence, ...] = ()
    """What a reading of status `stopped` must show to count as zero; nothing: it never does."""
    stocks: Stocks = NO_STOCKS
    """What a mass balance knows of its carbon in stock."""
    activity_uncertainty_pct: float | None = None
    factor_uncertainty_pct: float | None = None
    """Half widths of the 95 % interval (`uncertainties`); None is unknown."""


def compile_conversions(
    registry: Registry, factors: FactorBook, at: datetime
) -> dict[DeviceKey, tuple[Conversion, ...]]:
    """The conversions in force at `at` (aware), by device; in the order of the registry's sources.

    A source whose factor, formula or parameter is not known is there all the same: its numbers are NaN and
    its factor says why. Sources and devices that have not begun or have ended are not.
    """
    by_device: defaultdict[DeviceKey, list[Conversion]] = defaultdict(list)
    for site_id, site in registry.sites.items():
        if not lasts(site.ended, at):
            continue
        for conversion in _of_site(site_id, site, factors, at):
            by_device[conversion.device].append(conversion)
    return {device: tuple(conversions) for device, conversions in by_device.items()}


def _of_site(site_id: str, site: Site, factors: FactorBook, at: datetime) -> Iterator[Conversion]:
    for member in members(site, factors, at):
        counted, factor = convert(member.use, member.streams)
        yield from _bases(site_id, member, counted, factor, factors, at)


class Member(NamedTuple):
    """One device of one source of a site, and in a mass balance the streams it carries."""

    source: str
    device: str
    use: Use
    streams: tuple[Stream, ...]


def members(site: Site, factors: FactorBook, at: datetime) -> Iterator[Member]:
    """Every device of every source of the site in force at `at`, in the order of the registry."""
    on = at.astimezone(ZoneInfo(site.timezone)).date()
    for source_id, source in site.sources.items():
        facts = facts_at(source.facts, at)
        if facts is None or not lasts(source.ended, at):
            continue
        found = _find(factors, site, source, facts, on)
        for ref, named, streams, returned in _devices(source, facts):
            device = device_at(site, ref, at)
            if device is not None:
                kind = kind_of(ref)
                quantity = quantity_of(kind, device, named)
                named_facts = mass_balance.with_density(facts, streams[0]) if streams else facts
                use = Use(site, kind, device, source, named_facts, quantity, found, returned)
                yield Member(source_id, ref, use, streams)


def convert(use: Use, streams: tuple[Stream, ...] = ()) -> tuple[Activity, EmissionFactor]:
    """The activity and factor of one device in one source, by the source's method."""
    match use.source.method:
        case Method.FUEL:
            return fuel.convert(use)
        case Method.ELECTRICITY:
            return electricity.convert(use)
        case Method.HEAT:
            return heat_source.convert(use)
        case Method.CEMS:
            return cems_source.convert(use)
        case Method.MASS_BALANCE:
            return mass_balance.convert(use, streams)


def device_key(site_id: str, ref: str) -> DeviceKey:
    """The key of a device from its reference `kind/id` within its site."""
    return DeviceKey(site_id, kind_of(ref), ref.partition("/")[2])


def kind_of(ref: str) -> Kind:
    """The kind of a device reference `kind/id`."""
    return Kind(ref.partition("/")[0])


class _Fed(NamedTuple):
    """A device of a source: the quantity the registry names, in a mass balance its streams, and whether it
    counts what is returned."""

    device: str
    quantity: str | None
    streams: tuple[Stream, ...] = ()
    returned: bool = False


def _devices(source: Source, facts: SourceFacts) -> Iterator[_Fed]:
    """The devices of a source."""
    if source.method is not Method.MASS_BALANCE:
        for ref in facts.devices or ():
            yield _Fed(ref, facts.quantity)
        for each in facts.condensate or ():
            yield _Fed(each.device, each.quantity, returned=True)
        return
    streams: defaultdict[tuple[object, ...], list[Stream]] = defaultdict(list)
    for stream in facts.streams or ():
        density = stream.density_t_per_m3, stream.density_base_state
        streams[stream.device, stream.quantity, *density].append(stream)
    for of_device in streams.values():
        yield _Fed(of_device[0].device, of_device[0].quantity, tuple(of_device))


def device_at(site: Site, ref: str, at: datetime) -> DeviceFacts | None:
    """The facts in force of a device of the site; None where it has not begun, has ended or is not known."""
    device = site.devices.get(ref)
    if device is None or not lasts(device.ended, at):
        return None
    return facts_at(device.facts, at)


def _find(factors: FactorBook, site: Site, source: Source, facts: SourceFacts, on: date) -> Found | str:
    if facts.factor_set is None:
        return "The source names no factor set."
    region = facts.region or site.region
    return factors.find(facts.factor_set, facts.factor_fuel or source.carrier, region, on)


def _conversion(site_id: str, member: Member, counted: Activity, factor: EmissionFactor) -> Conversion:
    source, facts = member.use.source, member.use.facts
    return Conversion(
        source=SourceKey(site_id, member.source),
        device=device_key(site_id, member.device),
        method=source.method,
        basis=None,
        carrier=source.carrier,
        area=facts.area,
        in_total=bool(facts.in_total),
        quantity=counted.quantity,
        rate_quantity=counted.rate_quantity,
        formula=counted.formula,
        inputs=counted.formula.inputs,
        params=counted.params,
        rate_params=counted.rate_params,
        activity_unit=counted.unit,
        factor=factor,
        stocks=stocks_of(source.stocks),
        stack=cems_source.policy(member.use, counted),
        evidence=cems_source.evidence(member.use),
        activity_uncertainty_pct=uncertainties.activity_pct(member.use, counted.formula),
        factor_uncertainty_pct=uncertainties.factor_pct(member.use, member.streams),
    )


def _bases(
    site_id: str, member: Member, counted: Activity, factor: EmissionFactor, factors: FactorBook, at: datetime
) -> Iterator[Conversion]:
    """The conversion on each of its bases, of which the first may count in a total."""
    use = member.use
    conversion = _conversion(site_id, member, counted, factor)
    for index, basis in enumerate(bases_of(use.source, use.facts)):
        in_total = conversion.in_total and index == 0
        on_basis = replace(conversion, basis=basis, in_total=in_total)
        if basis == "market" and counted.missing_reason is None:
            of_market = market.convert(use, factors, at)
            on_basis = replace(
                on_basis, factor=of_market, factor_uncertainty_pct=uncertainties.market_factor_pct(use)
            )
        yield on_basis


def lasts(ended: datetime | None, at: datetime) -> bool:
    """Whether what ends at `ended` (None: never) is still in force at `at`."""
    return ended is None or at < ended


def change_points(
    registry: Registry, factors: FactorBook, start: datetime, end: datetime
) -> tuple[datetime, ...]:
    """The instants strictly inside (start, end), sorted, UTC, at which `compile_conversions` may differ.

    They are where a fact begins or something ends, and, on each site's clock, the midnights on which a year
    or a factor begins or a factor has ended.
    """
    points: set[datetime] = set()
    zones: set[str] = set()
    for site in registry.sites.values():
        zones.add(site.timezone)
        points.update(_registry_points(site))
    # On a site's clock the year may be another than in UTC; further out no date can lie between.
    years = range(max(start.year, MINYEAR + 1), min(end.year + 1, MAXYEAR - 1) + 1)
    dates = {date(year, 1, 1) for year in years}
    dates |= {day for day in factors.boundaries() if day.year in years}
    for zone in zones:
        points.update(datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in dates)
    return tuple(sorted(point for point in points if start < point < end))


def _registry_points(site: Site) -> Iterable[datetime]:
    if site.ended is not None:
        yield site.ended.astimezone(UTC)
    dated: tuple[Device | Source, ...] = (*site.devices.values(), *site.sources.values())
    for each in dated:
        if each.ended is not None:
            yield each.ended.astimezone(UTC)
        for facts in each.facts:
            yield facts.from_.astimezone(UTC)
    for contract in chain.from_iterable(source.contracts for source in site.sources.values()):
        yield contract.from_.astimezone(UTC)
        yield contract.until.astimezone(UTC)
