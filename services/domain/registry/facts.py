"""Dated facts over time: when they change, and what is in force with the place it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from services.domain.registry.model import (
    Contract,
    Device,
    DeviceFacts,
    Method,
    Source,
    SourceFacts,
    VirtualFacts,
    VirtualMeter,
    facts_at,
)

Facts: TypeAlias = DeviceFacts | SourceFacts | VirtualFacts


def begins(facts: Sequence[Facts]) -> list[datetime]:
    """When each entry begins."""
    return [entry.from_ for entry in facts]


def dated(thing: Device | Source | VirtualMeter) -> dict[datetime, Facts]:
    """The entries by the instants at which they begin, in the order of the file."""
    entries: Sequence[Facts] = thing.facts
    return {entry.from_: entry for entry in entries}


def entry_in_force(facts: Sequence[Facts], at: datetime) -> int:
    """The position of the newest entry at `at`; 0 where none has begun."""
    begun = [(begin, index) for index, begin in enumerate(begins(facts)) if begin <= at]
    return max(begun)[1] if begun else 0


def source_devices(facts: SourceFacts) -> tuple[str, ...]:
    """The devices that feed a source, those of its carbon streams and condensate included; each once."""
    streams = tuple(stream.device for stream in facts.streams or ())
    condensate = tuple(returned.device for returned in facts.condensate or ())
    return tuple(dict.fromkeys((facts.devices or ()) + streams + condensate))


def all_devices(source: Source) -> tuple[str, ...]:
    """The devices that feed a source at any time; each once."""
    return tuple(dict.fromkeys(ref for entry in source.facts for ref in source_devices(entry)))


def contracts_at(source: Source, at: datetime) -> tuple[Contract, ...]:
    """The contracts of purchased electricity in force."""
    return tuple(each for each in source.contracts if each.from_ <= at < each.until)


def bases_of(source: Source, facts: SourceFacts) -> tuple[str | None, ...]:
    """The ways in which a source is counted, the one that may be in the total first. Electricity has a market
    basis where the registry says anything of it."""
    if source.method is not Method.ELECTRICITY:
        return (None,)
    if facts.market is None and not source.contracts:
        return ("location",)
    return ("market", "location") if facts.total_basis == "market" else ("location", "market")


def ended_by(thing: Device | Source | VirtualMeter, at: datetime) -> bool:
    """Whether it has ended at `at`."""
    return thing.ended is not None and thing.ended <= at


def source_facts_at(source: Source, at: datetime) -> SourceFacts | None:
    """The source's facts in force; None before it begins and from its end on."""
    return None if ended_by(source, at) else facts_at(source.facts, at)


def device_facts_at(device: Device, at: datetime) -> DeviceFacts | None:
    """The device's facts in force; None before it begins and from its end on."""
    return None if ended_by(device, at) else facts_at(device.facts, at)
