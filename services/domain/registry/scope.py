"""A site under examination: what its entries may refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TypeAlias

from services.domain.quantities import NAMES, Kind
from services.domain.registry.facts import device_facts_at
from services.domain.registry.model import Device, Site, Source, VirtualMeter
from services.domain.registry.problems import Place, Problem

FactorNames: TypeAlias = Mapping[str, Set[str]]
"""Each known factor set (and series of sets) with the fuels it has factors for."""


@dataclass(frozen=True, slots=True)
class SiteScope:
    """One site of a registry, with what is known besides: entries left out, and factor sets."""

    place: Place
    site: Site
    broken: frozenset[Place]
    factors: FactorNames | None

    def kind(self, ref: str) -> Kind:
        """The kind of a device reference `kind/id`."""
        return Kind(ref.partition("/")[0])

    def has_device(self, ref: str) -> bool:
        """Whether the file has this device, right or wrong in itself."""
        return ref in self.site.devices or (*self.place, "devices", ref) in self.broken

    def unknown_device(self, ref: str, place: Place) -> Iterator[Problem]:
        """That a reference leads nowhere, if it does."""
        if self.has_device(ref):
            return
        close = get_close_matches(ref, self.site.devices, n=1)
        hint = (
            f"did you mean {close[0]}?" if close else "describe it under `devices`, or correct the reference."
        )
        yield Problem(place, f"names {ref}, which the site does not have; {hint}")

    def unknown_area(self, area: str | None, place: Place) -> Iterator[Problem]:
        """That an area does not exist, if so."""
        if area is None or area in self.site.areas or (*self.place, "areas", area) in self.broken:
            return
        close = get_close_matches(area, self.site.areas, n=1)
        hint = f"did you mean {close[0]}?" if close else "describe it under `areas`, or correct the name."
        yield Problem(place, f"names {area}, which the site does not have; {hint}")

    def main_meter(self, ref: str, at: datetime) -> str | None:
        """The main meter that contains this device at `at`."""
        device = self.site.devices.get(ref)
        facts = None if device is None else device_facts_at(device, at)
        return None if facts is None else facts.submeter_of

    def main_meters(self, ref: str, at: datetime) -> frozenset[str]:
        """All main meters above this device at `at`, whether directly or not."""
        found: set[str] = set()
        main = self.main_meter(ref, at)
        while main is not None and main not in found:
            found.add(main)
            main = self.main_meter(main, at)
        return frozenset(found - {ref})  # in a cycle, which is a fault of its own


def check_dates(thing: Device | Source | VirtualMeter, place: Place) -> Iterator[Problem]:
    """Entries come in the order of their dates, and the end after all of them."""
    for index in range(1, len(thing.facts)):
        before, entry = thing.facts[index - 1].from_, thing.facts[index].from_
        if entry == before:
            message = f"has the date of the entry before ({entry.isoformat()}): merge the two."
            yield Problem((*place, "facts", index, "from"), message)
        elif entry < before:
            yield Problem(
                (*place, "facts", index, "from"), "is before the entry above it: sort them by date."
            )
    if thing.ended is not None and thing.ended <= max(entry.from_ for entry in thing.facts):
        yield Problem((*place, "ended"), "is not after the last `from`: an end comes after every fact.")


def unknown_quantity(kind: Kind, name: str) -> str:
    """That a kind has no such quantity."""
    return f"names {name!r}, which a {kind} does not have; it has {', '.join(NAMES[kind])}."
