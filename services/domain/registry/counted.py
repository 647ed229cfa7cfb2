"""What is in a total at an instant: sources, and the flows that each adds to it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from services.domain.quantities import Kind
from services.domain.registry.facts import device_facts_at, source_facts_at
from services.domain.registry.model import Method, Source, SourceFacts
from services.domain.registry.scope import SiteScope

_EXPORT: Final = "energy_export_kwh"


class Flow(NamedTuple):
    """What passes a device: all its quantities measure the same, but for the two ways of a meter."""

    device: str
    export: bool


class Counted(NamedTuple):
    """A source that is in the total at some instant."""

    name: str
    source: Source
    facts: SourceFacts
    flows: tuple[Flow, ...]


class Clash(NamedTuple):
    """Two sources that would count the same (or one twice); the message is about the other."""

    one: str
    other: str
    message: str


def counted_at(scope: SiteScope, at: datetime) -> list[Counted]:
    """The sources in the total, in the file's order."""
    found = []
    for source_id, source in scope.site.sources.items():
        facts = source_facts_at(source, at)
        if facts is not None and facts.in_total:
            found.append(Counted(source_id, source, facts, _flows(scope, facts)))
    return found


def _flows(scope: SiteScope, facts: SourceFacts) -> tuple[Flow, ...]:
    """What a source adds. The outputs of a mass balance and a condensate return are taken off: another source
    may count them."""
    inputs = tuple(stream.device for stream in facts.streams or () if stream.role == "input")
    return tuple(
        Flow(ref, scope.kind(ref) == Kind.METER and facts.quantity == _EXPORT)
        for ref in dict.fromkeys((facts.devices or ()) + inputs)
    )


class Fuel(NamedTuple):
    """A carrier that a source counts by one device."""

    device: str
    carrier: str
    metering_point: str | None


def fuels(scope: SiteScope, counted: Counted, at: datetime) -> tuple[Fuel, ...]:
    """What a source burns, or a mass balance takes in, by each device."""
    if counted.source.method not in {Method.FUEL, Method.MASS_BALANCE}:
        return ()
    found = []
    for flow in counted.flows:
        device = scope.site.devices.get(flow.device)
        facts = None if device is None else device_facts_at(device, at)
        carrier = counted.source.carrier
        if counted.source.method is Method.MASS_BALANCE and facts is not None and facts.carrier is not None:
            carrier = facts.carrier
        found.append(Fuel(flow.device, carrier, None if facts is None else facts.metering_point))
    return tuple(found)
