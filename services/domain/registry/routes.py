"""Two routes of the same carbon, such as a stack that is measured beside the fuel that is weighed: which
sources are set against which, over time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.domain.registry.facts import begins, source_facts_at
from services.domain.registry.model import Registry, Site
from services.domain.registry.projection import earlier, periods_of


class RoutePeriod(NamedTuple):
    """One route from an instant until another; None is for ever."""

    site: str
    source: str
    valid_from: datetime
    valid_to: datetime | None
    others: tuple[str, ...]
    """The sources that together are the other route."""


def route_periods(registry: Registry) -> Iterator[RoutePeriod]:
    """The periods of every source that names another route, in order. Of two that name each other only the
    first in the file: they are one pair."""
    for site_id, site in registry.sites.items():
        moments = sorted({at for source in site.sources.values() for at in begins(source.facts)})
        for source_id, source in site.sources.items():
            values = [(at, others_at(site, source_id, at)) for at in moments]
            for begin, stop, others in periods_of(values, earlier(source.ended, site.ended)):
                if others:
                    yield RoutePeriod(site_id, source_id, begin, stop, others)


def others_at(site: Site, source_id: str, at: datetime) -> tuple[str, ...]:
    """The sources that are the other route of this one; none where it names none, or one before it in the
    file names it."""
    before = list(site.sources)[: list(site.sources).index(source_id)]
    return tuple(
        other
        for other in _named(site, source_id, at)
        if other in site.sources
        and other != source_id
        and not (other in before and source_id in _named(site, other, at))
    )


def _named(site: Site, source_id: str, at: datetime) -> tuple[str, ...]:
    facts = source_facts_at(site.sources[source_id], at)
    return () if facts is None or facts.reconciles_with is None else facts.reconciles_with
