"""Checks that no tonne and no kilowatt-hour can count twice in a total."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
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

    name: str
    facts: SourceFacts
    flows: tuple[_Flow, ...]


class _Clash(NamedTuple):
    """Two sources that would count the same (or one twice); the message is about the other."""

    one: str
    other: str
    message: str


def check_totals(scope: SiteScope) -> Iterator[Problem]:
    """What would count twice, at any time; each pair of sources once."""
    reported: set[frozenset[str]] = set()
    for at in _moments(scope):
        counted = _counted(scope, at)
        clashes = chain(_same_flow(counted), _two_routes(counted), _main_and_submeter(scope, counted, at))
        for one, other, message in clashes:
            if frozenset((one, other)) not in reported:
                reported.add(frozenset((one, other)))
                index = entry_in_force(scope.site.sources[other].facts, at)
                yield Problem((*scope.place, "sources", other, "facts", index), message)


def _moments(scope: SiteScope) -> list[datetime]:
    """When what is counted may change: with facts of sources, and with the main meters of devices."""
    of_sources = {at for source in scope.site.sources.values() for at in begins(source.facts)}
    of_mains = {
        entry.from_
        for device in scope.site.devices.values()
        for entry in device.facts
        if "submeter_of" in entry.model_fields_set
    }
    return sorted(of_sources | of_mains)


def _counted(scope: SiteScope, at: datetime) -> list[_Counted]:
    found = []
    for source_id, source in scope.site.sources.items():
        facts = source_facts_at(source, at)
        if facts is not None and facts.in_total:
            found.append(_Counted(source_id, facts, _flows(scope, facts)))
    return found


def _flows(scope: SiteScope, facts: SourceFacts) -> tuple[_Flow, ...]:
    return tuple(
        _Flow(ref, scope.kind(ref) == Kind.METER and facts.quantity == _EXPORT)
        for ref in source_devices(facts)
    )


_EXPORT: Final = "energy_export_kwh"


def _same_flow(counted: list[_Counted]) -> Iterator[_Clash]:
    owners: dict[_Flow, str] = {}
    for source in counted:
        for flow in source.flows:
            owner = owners.setdefault(flow, source.name)
            if owner != source.name:
                message = (
                    f"counts {flow.device} in the total, and so does {owner}: the same amount would count "
                    "twice; set `in_total: false` on one."
                )
                yield _Clash(owner, source.name, message)


def _two_routes(counted: list[_Counted]) -> Iterator[_Clash]:
    names = {source.name for source in counted}
    for source in counted:
        other = source.facts.reconciles_with
        if other is not None and other in names and other != source.name:
            message = (
                f"is in the total together with {other}, with which it reconciles: they are two routes of "
                "the same carbon; set `in_total: false` on one."
            )
            yield _Clash(other, source.name, message)


def _main_and_submeter(scope: SiteScope, counted: list[_Counted], at: datetime) -> Iterator[_Clash]:
    owners = {flow: source.name for source in counted for flow in source.flows}
    for source in counted:
        for flow in source.flows:
            for main in sorted(scope.main_meters(flow.device, at)):
                owner = owners.get(flow._replace(device=main))
                if owner is not None:
                    also = "" if owner == source.name else f"{owner} counts "
                    message = (
                        f"counts {flow.device} in the total, and {also}its main meter {main}: the same "
                        "amount would count twice; keep the main meter."
                    )
                    yield _Clash(owner, source.name, message)
