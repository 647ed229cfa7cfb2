"""Virtual meters: what a sum and difference of meters comes to, over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from services.domain.reading import DeviceKey
from services.domain.registry.facts import begins, device_facts_at, ended_by
from services.domain.registry.model import Registry, Site, VirtualFacts, facts_at
from services.domain.registry.projection import device_key, earlier, periods_of

PREFIX = "virtual/"


class VirtualPeriod(NamedTuple):
    """What a virtual meter is made of from an instant until another; None is for ever."""

    site: str
    virtual_meter: str
    valid_from: datetime
    valid_to: datetime | None
    area: str | None
    carrier: str
    parts: tuple[tuple[DeviceKey, int], ...]
    """Each device once, with 1 or -1."""


def virtual_facts_at(site: Site, name: str, at: datetime) -> VirtualFacts | None:
    """The facts in force of a virtual meter; None where there is none, before it and after it."""
    meter = site.virtual_meters.get(name)
    return None if meter is None or ended_by(meter, at) else facts_at(meter.facts, at)


def members(facts: VirtualFacts) -> Iterator[tuple[str, int]]:
    """What is named, with its sign."""
    yield from ((ref, 1) for ref in facts.plus or ())
    yield from ((ref, -1) for ref in facts.minus or ())


def expanded(site: Site, name: str, at: datetime) -> Mapping[str, int]:
    """How often each device counts at `at`, those of virtual meters within included; 0 where it is added and
    taken off. Of a virtual meter within itself, which is refused, nothing."""
    return _expanded(site, name, at, (name,))


def _expanded(site: Site, name: str, at: datetime, above: tuple[str, ...]) -> dict[str, int]:
    facts = virtual_facts_at(site, name, at)
    found: dict[str, int] = {}
    for ref, sign in () if facts is None else members(facts):
        inner = ref.removeprefix(PREFIX)
        if inner == ref:
            found[ref] = found.get(ref, 0) + sign
        elif inner not in above:
            for device, times in _expanded(site, inner, at, (*above, inner)).items():
                found[device] = found.get(device, 0) + sign * times
    return found


def leaves(site: Site, name: str) -> frozenset[str]:
    """The devices that a virtual meter ever hangs on."""
    return frozenset(ref for at in moments(site) for ref in expanded(site, name, at))


def moments(site: Site) -> list[datetime]:
    """When what virtual meters come to may change: with their facts and ends, and carriers of devices."""
    of_meters = {at for meter in site.virtual_meters.values() for at in begins(meter.facts)}
    ends = {meter.ended for meter in site.virtual_meters.values() if meter.ended is not None}
    of_devices = {
        entry.from_
        for device in site.devices.values()
        for entry in device.facts
        if "carrier" in entry.model_fields_set
    }
    return sorted(of_meters | ends | of_devices) if of_meters else []


def carrier_at(site: Site, ref: str, at: datetime) -> str | None:
    """The carrier of a device at `at`."""
    device = site.devices.get(ref)
    facts = None if device is None else device_facts_at(device, at)
    return None if facts is None else facts.carrier


def virtual_periods(registry: Registry) -> Iterator[VirtualPeriod]:
    """The periods of every virtual meter, in order; none for a time in which a part has no carrier."""
    for site_id, site in registry.sites.items():
        times = moments(site)
        for name, meter in site.virtual_meters.items():
            values = [(at, _value(site_id, site, name, at)) for at in times]
            for begin, stop, value in periods_of(values, earlier(meter.ended, site.ended)):
                if value is not None:
                    yield VirtualPeriod(site_id, name, begin, stop, *value)


_Value = tuple[str | None, str, tuple[tuple[DeviceKey, int], ...]]


def _value(site_id: str, site: Site, name: str, at: datetime) -> _Value | None:
    facts = virtual_facts_at(site, name, at)
    parts = {ref: times for ref, times in expanded(site, name, at).items() if times}
    carriers = {carrier_at(site, ref, at) for ref in parts}
    if facts is None or len(carriers) != 1:
        return None
    [carrier] = carriers
    keyed = tuple((device_key(site_id, ref), times) for ref, times in sorted(parts.items()))
    return None if carrier is None else (facts.area, carrier, keyed)
