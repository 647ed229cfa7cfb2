"""Checks that no tonne and no kilowatt-hour can count twice in a total."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from services.domain.registry.check_carbon import same_carbon
from services.domain.registry.counted import Clash, Counted, Flow, counted_at
from services.domain.registry.facts import begins, entry_in_force, source_facts_at
from services.domain.registry.model import Method
from services.domain.registry.problems import Problem
from services.domain.registry.scope import SiteScope


def check_totals(scope: SiteScope) -> Iterator[Problem]:
    """What would count twice, at any time; each pair of sources once. And routes of which none counts."""
    reported: set[frozenset[str]] = set()
    for at in _moments(scope):
        counted = counted_at(scope, at)
        clashes = chain(
            _same_flow(counted),
            _two_routes(counted),
            _main_and_submeter(scope, counted, at),
            same_carbon(scope, counted, at),
        )
        for one, other, message in clashes:
            if frozenset((one, other)) not in reported:
                reported.add(frozenset((one, other)))
                index = entry_in_force(scope.site.sources[other].facts, at)
                yield Problem((*scope.place, "sources", other, "facts", index), message)
    yield from _uncounted_routes(scope)


def _moments(scope: SiteScope) -> list[datetime]:
    """When what is counted may change: with facts of sources, and with main meters and points of devices."""
    of_sources = {at for source in scope.site.sources.values() for at in begins(source.facts)}
    of_devices = {
        entry.from_
        for device in scope.site.devices.values()
        for entry in device.facts
        if entry.model_fields_set & {"submeter_of", "metering_point"}
    }
    return sorted(of_sources | of_devices)


def _same_flow(counted: list[Counted]) -> Iterator[Clash]:
    owners: dict[Flow, Counted] = {}
    for source in counted:
        for flow in source.flows:
            owner = owners.setdefault(flow, source)
            if owner is not source:
                yield Clash(owner.name, source.name, _counts_the_same(owner, source, flow.device))


def _counts_the_same(owner: Counted, source: Counted, device: str) -> str:
    if owner.source.method is source.source.method is Method.ELECTRICITY:
        remedy = (
            "where one is by location and the other by market, they are two bases of one source: give "
            f"{owner.name} `market`, choose with `total_basis`, and drop this one; else set "
            "`in_total: false` on one."
        )
    else:
        remedy = "set `in_total: false` on one."
    return (
        f"counts {device} in the total, and so does {owner.name}: the same amount would count twice; {remedy}"
    )


def _two_routes(counted: list[Counted]) -> Iterator[Clash]:
    names = {source.name for source in counted}
    for source in counted:
        for other in source.facts.reconciles_with or ():
            if other in names and other != source.name:
                message = (
                    f"is in the total together with {other}, with which it reconciles: they are two routes "
                    "of the same carbon; set `in_total: false` on one."
                )
                yield Clash(other, source.name, message)


def _main_and_submeter(scope: SiteScope, counted: list[Counted], at: datetime) -> Iterator[Clash]:
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
                    yield Clash(owner, source.name, message)


def _uncounted_routes(scope: SiteScope) -> Iterator[Problem]:
    """Two routes of which neither counts, or one in part: the total then lacks what both measure."""
    for source_id, source in scope.site.sources.items():
        for index, entry in enumerate(source.facts):
            facts = source_facts_at(source, entry.from_)
            if facts is None or facts.in_total or not facts.reconciles_with:
                continue
            counting = {each.name for each in counted_at(scope, entry.from_)}
            known = [each for each in facts.reconciles_with if each in scope.site.sources]
            missing = [each for each in known if each not in counting and each != source_id]
            if missing:
                message = (
                    f"is not in the total, and neither is its other route {' and '.join(missing)}: that "
                    "carbon counts nowhere; set `in_total: true` on the one route that shall count."
                )
                yield Problem((*scope.place, "sources", source_id, "facts", index), message, warning=True)
                break
