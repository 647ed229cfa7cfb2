"""Checks that no tonne and no kilowatt-hour can count twice in a total."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import combinations
from typing import Final, NamedTuple

from services.domain.quantities import Kind
from services.domain.registry.facts import begins, entry_in_force, source_devices, source_facts_at
from services.domain.registry.model import SourceFacts
from services.domain.registry.problems import Problem
from services.domain.registry.scope import SiteScope


class _Flow(NamedTuple):
    """What passes a device: all its quantities measure the same, but for the two ways of a meter."""

    device: str
    export: bool


class _Counted(NamedTuple):
    """A source that is in the total at some instant."""

    source: str
    facts: SourceFacts
    flows: frozenset[_Flow]


def check_totals(scope: SiteScope) -> Iterator[Problem]:
    """What would count twice, at any time; each pair of sources once."""
    reported: set[tuple[str, str]] = set()
    for at in _moments(scope):
        counted = _counted(scope, at)
        for one in counted:
            for message in _within(scope, one, at):
                if (one.source, one.source) not in reported:
                    reported.add((one.source, one.source))
                    yield _problem(scope, one, at, message)
        for one, other in combinations(counted, 2):
            clash = _between(scope, one, other, at)
            if clash is not None and (one.source, other.source) not in reported:
                reported.add((one.source, other.source))
                yield _problem(scope, other, at, clash)


def _moments(scope: SiteScope) -> list[datetime]:
    of_sources = {at for source in scope.site.sources.values() for at in begins(source.facts)}
    of_devices = {at for device in scope.site.devices.values() for at in begins(device.facts)}
    return sorted(of_sources | of_devices)


def _counted(scope: SiteScope, at: datetime) -> list[_Counted]:
    found = []
    for source_id, source in scope.site.sources.items():
        facts = source_facts_at(source, at)
        if facts is not None and facts.in_total:
            found.append(_Counted(source_id, facts, _flows(scope, facts)))
    return found


def _flows(scope: SiteScope, facts: SourceFacts) -> frozenset[_Flow]:
    return frozenset(
        _Flow(ref, scope.kind(ref) == Kind.METER and facts.quantity == _EXPORT)
        for ref in source_devices(facts)
    )


_EXPORT: Final = "energy_export_kwh"


def _problem(scope: SiteScope, counted: _Counted, at: datetime, message: str) -> Problem:
    source = scope.site.sources[counted.source]
    index = entry_in_force(source.facts, at)
    return Problem((*scope.place, "sources", counted.source, "facts", index), message)


def _within(scope: SiteScope, one: _Counted, at: datetime) -> Iterator[str]:
    """A main meter and its own sub-meter in one source."""
    devices = {flow.device for flow in one.flows}
    for device in sorted(devices):
        for main in sorted(scope.main_meters(device, at) & devices):
            yield f"counts {device} twice, as it is also in its main meter {main}: keep one of them."


def _between(scope: SiteScope, one: _Counted, other: _Counted, at: datetime) -> str | None:
    """What two sources in the total would both count; None where nothing."""
    if one.source == other.facts.reconciles_with or other.source == one.facts.reconciles_with:
        return (
            f"is in the total together with {one.source}, with which it reconciles: they are two routes of "
            "the same carbon; set `in_total: false` on one."
        )
    shared = sorted(flow.device for flow in one.flows & other.flows)
    if shared:
        return (
            f"counts {shared[0]} in the total, and so does {one.source}: the same amount would count twice; "
            "set `in_total: false` on one."
        )
    for low, high in ((one, other), (other, one)):
        for flow in sorted(low.flows):
            above = scope.main_meters(flow.device, at) & {each.device for each in high.flows}
            if above:
                return (
                    f"and {one.source} both count {flow.device}, whose main meter is {min(above)}, in the "
                    "total: set `in_total: false` on the sub-meter's source."
                )
    return None
