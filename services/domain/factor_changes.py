"""What a new record of a factor changes: the devices whose hours it re-opens, and from when on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from services.domain.conversion import change_points, compile_conversions
from services.domain.energy import compile_energy_uses
from services.domain.factors import Factor, FactorBook
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry, Site

_FIRST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""No reading is older."""


def touched_by_factors(
    registry: Registry, before: FactorBook, after: FactorBook, until: datetime
) -> dict[DeviceKey, datetime]:
    """The devices whose amounts, energy or emissions differ by the later factors, each from the first instant
    at which they do; nothing that first differs after `until`."""
    since = first_difference(before, after, until)
    found: dict[DeviceKey, datetime] = {}
    for site_id, site in concerned(registry, before, after).items():
        alone = Registry(version=1, sites={site_id: site})
        for device, at in _of_site(alone, before, after, since, until):
            found.setdefault(device, at)
    return found


def concerned(registry: Registry, before: FactorBook, after: FactorBook) -> dict[str, Site]:
    """The sites that name a set of which `after` has something else."""
    names = {name for factor in _new(before, after) for name in (factor.factor_set, factor.series)}
    return {site_id: site for site_id, site in registry.sites.items() if _names(site) & names}


def first_difference(before: FactorBook, after: FactorBook, until: datetime) -> datetime:
    """The instant from which the earliest new factor may count; `until` where there is none."""
    # A day early: the factor begins at the site's own midnight.
    return min((_begin(factor) - timedelta(days=1) for factor in _new(before, after)), default=until)


def _new(before: FactorBook, after: FactorBook) -> list[Factor]:
    known = set(before.factors)
    return [factor for factor in after.factors if factor not in known]


def _begin(factor: Factor) -> datetime:
    begin = factor.valid_from
    return _FIRST if begin is None else max(_FIRST, datetime(begin.year, begin.month, begin.day, tzinfo=UTC))


def _names(site: Site) -> set[str | None]:
    """The sets that its sources name, those of the market basis included."""
    facts = [each for source in site.sources.values() for each in source.facts]
    return {each.factor_set for each in facts} | {each.market.factor_set for each in facts if each.market}


def _of_site(
    registry: Registry, before: FactorBook, after: FactorBook, since: datetime, until: datetime
) -> Iterator[tuple[DeviceKey, datetime]]:
    points = {since}
    for book in (before, after):
        points.update(change_points(registry, book, since, until))
    for at in sorted(points):
        one, other = _told(registry, before, at), _told(registry, after, at)
        yield from ((device, at) for device in other if other[device] != one.get(device))


def _told(registry: Registry, book: FactorBook, at: datetime) -> dict[DeviceKey, str]:
    """What each device comes to, as text: there an unknown number equals itself."""
    parts: dict[DeviceKey, list[str]] = {}
    for device, conversions in compile_conversions(registry, book, at).items():
        parts.setdefault(device, []).extend(_texts(conversions))
    for device, use in compile_energy_uses(registry, book, at).items():
        parts.setdefault(device, []).append(repr(use))
    return {device: "".join(texts) for device, texts in parts.items()}


def _texts(things: Iterable[object]) -> Iterator[str]:
    return (repr(each) for each in things)
