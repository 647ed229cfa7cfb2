"""What SQL joins to of a registry: periods of devices and sources, one after another without overlap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, TypeAlias, TypeVar

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.facts import bases_of, begins, source_devices
from services.domain.registry.model import Registry, Source, facts_at


class DevicePeriod(NamedTuple):
    """What holds of a device from one instant until another; None is for ever."""

    device: DeviceKey
    valid_from: datetime
    valid_to: datetime | None
    area: str | None
    interval_s: float | None


class SourcePeriod(NamedTuple):
    """What holds of a source from one instant until another; None is for ever."""

    site: str
    source: str
    valid_from: datetime
    valid_to: datetime | None
    area: str | None
    devices: tuple[DeviceKey, ...]
    in_total: bool
    bases: tuple[str | None, ...]
    """The ways in which it is counted, first the one that may be in the total."""


def device_key(site: str, ref: str) -> DeviceKey:
    """The device that the reference `kind/id` names within its site."""
    kind, _, device = ref.partition("/")
    return DeviceKey(site, Kind(kind), device)


def registered_devices(registry: Registry) -> Iterator[DeviceKey]:
    """Every device the registry names."""
    for site_id, site in registry.sites.items():
        for ref in site.devices:
            yield device_key(site_id, ref)


def device_periods(registry: Registry) -> Iterator[DevicePeriod]:
    """The periods of every device, in order."""
    for site_id, site in registry.sites.items():
        for ref, device in site.devices.items():
            end = earlier(device.ended, site.ended)
            known = [(at, facts_at(device.facts, at)) for at in begins(device.facts)]
            values = [(at, (facts.area, facts.interval_s)) for at, facts in known if facts is not None]
            for begin, stop, (area, interval_s) in periods_of(values, end):
                yield DevicePeriod(device_key(site_id, ref), begin, stop, area, interval_s)


def source_periods(registry: Registry) -> Iterator[SourcePeriod]:
    """The periods of every source, in order."""
    for site_id, site in registry.sites.items():
        for source_id, source in site.sources.items():
            end = earlier(source.ended, site.ended)
            for begin, stop, values in periods_of(_source_values(source, site_id), end):
                yield SourcePeriod(site_id, source_id, begin, stop, *values)


_Values: TypeAlias = tuple[str | None, tuple[DeviceKey, ...], bool, tuple[str | None, ...]]


def _source_values(source: Source, site: str) -> list[tuple[datetime, _Values]]:
    known = [(at, facts_at(source.facts, at)) for at in begins(source.facts)]
    return [
        (
            at,
            (
                facts.area,
                tuple(device_key(site, ref) for ref in source_devices(facts)),
                bool(facts.in_total),
                bases_of(source, facts),
            ),
        )
        for at, facts in known
        if facts is not None
    ]


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two ends, of which None is never."""
    return min((end for end in (one, other) if end is not None), default=None)


V = TypeVar("V")


def periods_of(
    values: list[tuple[datetime, V]], end: datetime | None
) -> Iterator[tuple[datetime, datetime | None, V]]:
    """Periods of equal value from the values that begin at given instants, in order, until the end."""
    changes: list[tuple[datetime, V]] = []
    for begin, value in values:
        if (end is None or begin < end) and (not changes or changes[-1][1] != value):
            changes.append((begin, value))
    stops = [begin for begin, _ in changes[1:]]
    for (begin, value), stop in zip(changes, [*stops, end], strict=False):
        yield begin, stop, value
