"""Checks of virtual meters: what they are made of is there, is of one carrier, and counts once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches

from services.domain.registry.facts import entry_in_force
from services.domain.registry.model import VirtualFacts
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import SiteScope, check_dates
from services.domain.registry.virtual import PREFIX, carrier_at, expanded, members, moments, virtual_facts_at


def check_virtual_meters(scope: SiteScope) -> Iterator[Problem]:
    """What is wrong with the virtual meters of a site."""
    for name, meter in scope.site.virtual_meters.items():
        place = (*scope.place, "virtual_meters", name)
        yield from check_dates(meter, place)
        broken = False
        for index, facts in enumerate(meter.facts):
            for problem in _named(scope, facts, (*place, "facts", index)):
                broken = True
                yield problem
        if not broken:
            yield from _over_time(scope, name, place)


def _named(scope: SiteScope, facts: VirtualFacts, place: Place) -> Iterator[Problem]:
    yield from scope.unknown_area(facts.area, (*place, "area"))
    for side in ("plus", "minus"):
        for index, ref in enumerate(getattr(facts, side) or ()):
            where = (*place, side, index)
            if ref.startswith(PREFIX):
                yield from _unknown_meter(scope, ref, where)
            else:
                yield from scope.unknown_device(ref, where)


def _unknown_meter(scope: SiteScope, ref: str, place: Place) -> Iterator[Problem]:
    name = ref.removeprefix(PREFIX)
    known = scope.site.virtual_meters
    if name in known or (*scope.place, "virtual_meters", name) in scope.broken:
        return
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {PREFIX}{close[0]}?" if close else "describe it under `virtual_meters`."
    yield Problem(place, f"names {ref}, which the site does not have; {hint}")


def _over_time(scope: SiteScope, name: str, place: Place) -> Iterator[Problem]:
    """What changes with facts of the virtual meter or its devices; each fault once."""
    reported: set[str] = set()
    for at in moments(scope.site):
        facts = virtual_facts_at(scope.site, name, at)
        if facts is None:
            continue
        where = (*place, "facts", entry_in_force(scope.site.virtual_meters[name].facts, at))
        for message in _faults(scope, name, facts, at):
            if message not in reported:
                reported.add(message)
                yield Problem(where, message)


def _faults(scope: SiteScope, name: str, facts: VirtualFacts, at: datetime) -> Iterator[str]:
    cycle = _cycle(scope, name, at)
    if cycle:
        yield f"goes round: {' in '.join(cycle)}; a virtual meter is not made of itself."
        return
    if not facts.plus:
        yield "has no `plus`: name at least one meter that is added."
        return
    for ref, times in expanded(scope.site, name, at).items():
        if abs(times) > 1:
            yield f"counts {ref} {abs(times)} times: it may be added or taken off once; remove the others."
    for ref in facts.plus:
        if ref in (facts.minus or ()):
            yield f"adds {ref} and takes it off again: remove it on both sides."
    yield from _carriers(scope, name, at)


def _carriers(scope: SiteScope, name: str, at: datetime) -> Iterator[str]:
    refs = [ref for ref in expanded(scope.site, name, at) if ref in scope.site.devices]
    carriers = {ref: carrier_at(scope.site, ref, at) for ref in refs}
    without = [ref for ref, carrier in carriers.items() if carrier is None]
    if without:
        yield (
            f"is made of {without[0]}, whose `carrier` is not named then: it has no amount in the energy "
            "view; name the carrier, or let the virtual meter begin later."
        )
    known = {ref: carrier for ref, carrier in carriers.items() if carrier is not None}
    if len(set(known.values())) > 1:
        first = next(iter(known))
        other = next(ref for ref in known if known[ref] != known[first])
        yield (
            f"mixes {known[first]} ({first}) and {known[other]} ({other}): amounts of two carriers have no "
            "sum; make a virtual meter of each."
        )


def _cycle(scope: SiteScope, name: str, at: datetime) -> tuple[str, ...]:
    """The virtual meters on the way from this one back to itself; none where there is no such way."""
    waiting: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    while waiting:
        way = waiting.pop()
        facts = virtual_facts_at(scope.site, way[-1], at)
        for ref, _ in () if facts is None else members(facts):
            inner = ref.removeprefix(PREFIX)
            if inner == ref:
                continue
            if inner == name:
                return (*way, name)
            if inner not in seen:
                seen.add(inner)
                waiting.append((*way, inner))
    return ()
