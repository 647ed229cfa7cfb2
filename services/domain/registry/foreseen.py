"""What a registry cannot compute with the factors there are: said when it is applied, not found in the
ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from services.domain.conversion import compile_conversions
from services.domain.factors import FactorBook
from services.domain.registry.facts import entry_in_force
from services.domain.registry.model import Registry
from services.domain.registry.problems import Place, Problem


def foresee(
    registry: Registry, factors: FactorBook, at: datetime, known: Iterable[Problem] = ()
) -> Iterator[Problem]:
    """Warnings of the sources whose CO2 is unknown at `at`: no factor for place and date, a factor per mass
    and a device that counts volume. Sources that `known` tells of are left out."""
    told = {_source(problem.place) for problem in known}
    for conversions in compile_conversions(registry, factors, at).values():
        for each in conversions:
            place: Place = ("sites", each.source.site, "sources", each.source.source)
            if each.factor.missing_reason is None or place in told:
                continue
            told.add(place)
            facts = registry.sites[each.source.site].sources[each.source.source].facts
            message = f"leaves its CO2 unknown: {each.factor.missing_reason}"
            yield Problem((*place, "facts", entry_in_force(facts, at)), message, warning=True)


def _source(place: Place) -> Place:
    return place[:4] if place[2:3] == ("sources",) else place
