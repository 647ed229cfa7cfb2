"""What a new registry changes of the one in force: shown to a person, refused, or computed anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain
from typing import Any, Final, Literal, TypeAlias

from services.domain.reading import DeviceKey
from services.domain.registry.clock import local_text, zone
from services.domain.registry.facts import Facts, all_devices, begins, dated
from services.domain.registry.model import Device, Registry, Site, Source, VirtualMeter
from services.domain.registry.problems import Place, Problem
from services.domain.registry.projection import device_key, earlier
from services.domain.registry.readable import readable
from services.domain.registry.virtual import leaves

Computed: TypeAlias = Mapping[DeviceKey, datetime]
"""For each device with computed hours, when the last of them ends."""

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any reading: for changes that concern all of them."""

_NO_NUMBER: Final = frozenset({"note", "reconciles_with", "metering_point"})
"""Facts no number hangs on, only what is said of it and whether a registry is accepted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `old` is None where something is new, `new` where it is gone. Times are the site's."""

    place: Place
    """Entries of `facts` and events are named by their dates, not by their positions."""
    old: Any
    new: Any

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """What happened there."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


def differences(old: Registry, new: Registry) -> tuple[Change, ...]:
    """Everything that differs, in the new registry's order."""
    return tuple(_differences(keyed(old), keyed(new), ()))


def keyed(registry: Registry) -> dict[str, Any]:
    """The registry as plain data with the site's clock readings, its dated lists keyed by date."""
    document = readable(registry)
    for site in document["sites"].values():
        for thing in chain(
            *(site.get(each, {}).values() for each in ("devices", "sources", "virtual_meters"))
        ):
            thing["facts"] = {entry.pop("from"): entry for entry in thing["facts"]}
        for source in site.get("sources", {}).values():
            _key_by_date(source, "contracts", "contract", "from")
            _key_by_date(source, "stocks", "material", "at")
        # A site without any has them, too: the first and the last event are then told by name, not as a list.
        site["events"] = {
            f"{event.pop('device')} {event.pop('at')}": event for event in site.get("events", ())
        }
    return document


def _key_by_date(source: dict[str, Any], listed: str, name: str, date: str) -> None:
    if listed in source:
        source[listed] = {f"{each.pop(name)} {each.pop(date)}": each for each in source[listed]}


_LISTED: Final = frozenset({"contracts", "stocks"})
"""What a source without any has none of: the first and the last are told by name, not as a list."""


def _differences(old: Any, new: Any, place: Place) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*new, *(key for key in old if key not in new)):
            nothing: dict[str, Any] | None = {} if key in _LISTED else None
            yield from _differences(old.get(key, nothing), new.get(key, nothing), (*place, key))
    elif old != new:
        yield Change(place, old, new)


def refusals(old: Registry, new: Registry, computed: Computed) -> list[Problem]:
    """What may not be changed so: things that are gone, and facts behind numbers already computed."""
    problems = _gone(("sites",), old.sites, new.sites, "site")
    for site_id in old.sites.keys() & new.sites.keys():
        place = ("sites", site_id)
        before, after = old.sites[site_id], new.sites[site_id]
        ends = {ref: computed.get(device_key(site_id, ref)) for ref in before.devices}
        problems += _gone((*place, "areas"), before.areas, after.areas, "area")
        problems += _gone((*place, "devices"), before.devices, after.devices, "device")
        problems += _gone((*place, "sources"), before.sources, after.sources, "source")
        problems += _virtual_refusals(before, after, place, ends)
        problems += _site_refusals(before, after, place, any(ends.values()))
        for ref in before.devices.keys() & after.devices.keys():
            local = zone(after.timezone)
            problems += _fact_refusals(
                before.devices[ref], after.devices[ref], (*place, "devices", ref), ends[ref], local
            )
        problems += _source_refusals(before, after, place, ends)
    return problems


def _gone(place: Place, old: Mapping[str, object], new: Mapping[str, object], what: str) -> list[Problem]:
    return [
        Problem((*place, name), f"is gone: a {what} is not removed but ended; keep it and set `ended`.")
        for name in old
        if name not in new
    ]


_SITE_FACTS: Final = {
    "timezone": "describe a new site from the day of the change on, and end this one",
    "region": "give the sources `region` in an entry with its own `from`",
    "gwp_set": "describe a new site from the day of the change on, and end this one",
}
"""Facts of a site that numbers hang on and that carry no date, and what to do instead of changing them."""


def _site_refusals(old: Site, new: Site, place: Place, is_computed: bool) -> Iterator[Problem]:
    for name, remedy in _SITE_FACTS.items():
        before, after = getattr(old, name), getattr(new, name)
        if is_computed and before is not None and before != after:
            message = f"was {before} for hours already computed, and has no date: {remedy}."
            yield Problem((*place, name), message)


_SOURCE_FACTS: Final = ("scope", "method", "carrier")


def _source_refusals(
    old: Site, new: Site, place: Place, ends: Mapping[str, datetime | None]
) -> Iterator[Problem]:
    for source_id in old.sources.keys() & new.sources.keys():
        before, after = old.sources[source_id], new.sources[source_id]
        where = (*place, "sources", source_id)
        end = max((at for ref in all_devices(before) if (at := ends.get(ref)) is not None), default=None)
        for name in _SOURCE_FACTS:
            if end is not None and getattr(before, name) != getattr(after, name):
                message = (
                    f"was {getattr(before, name)} for hours already computed, and has no date: describe a "
                    "new source, and end this one."
                )
                yield Problem((*where, name), message)
        yield from _fact_refusals(before, after, where, end, zone(new.timezone))


def _virtual_refusals(
    old: Site, new: Site, place: Place, ends: Mapping[str, datetime | None]
) -> Iterator[Problem]:
    """As for a device: the past of a virtual meter is what was added up."""
    yield from _gone((*place, "virtual_meters"), old.virtual_meters, new.virtual_meters, "virtual meter")
    for name in old.virtual_meters.keys() & new.virtual_meters.keys():
        before, after = old.virtual_meters[name], new.virtual_meters[name]
        computed = [end for ref in leaves(old, name) if (end := ends.get(ref)) is not None]
        where = (*place, "virtual_meters", name)
        yield from _fact_refusals(before, after, where, max(computed, default=None), zone(new.timezone))


def _fact_refusals(
    old: Device | Source | VirtualMeter,
    new: Device | Source | VirtualMeter,
    place: Place,
    end: datetime | None,
    local: tzinfo,
) -> Iterator[Problem]:
    """Entries that were changed or taken away although hours from their date on are computed."""
    if end is None:
        return
    before, after = dated(old), dated(new)
    for at, entry in before.items():
        if at >= end:
            continue
        day = local_text(at, local)
        if at not in after:
            message = (
                f"lacks the entry from {day}, by which hours were computed: put it back; what changed since "
                "goes into an entry with its own `from`."
            )
            yield Problem((*place, "facts"), message)
        elif names := _changed(entry, after[at]):
            message = (
                f"changes {', '.join(names)} from {day} on, by which hours were computed: leave the entry as "
                "it was, and add one with the new value and its own `from`, the day it took effect."
            )
            yield Problem((*place, "facts", list(after).index(at)), message)


def _changed(old: Facts, new: Facts) -> list[str]:
    """The facts that differ and that a number hangs on."""
    before, after = _named(old), _named(new)
    return sorted(name for name in before.keys() | after.keys() if _differ(name, before, after))


def _named(entry: Facts) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.model_fields_set - _NO_NUMBER}


def _differ(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    # Naming None undoes an earlier entry's value, not naming it keeps that.
    return (name in before) != (name in after) or before.get(name) != after.get(name)


def touched(old: Registry, new: Registry) -> dict[DeviceKey, datetime]:
    """For each device the instant from which its numbers may differ, those of its sources included."""
    found: dict[DeviceKey, datetime] = {}
    for site_id, site in new.sites.items():
        for ref, at in _touched_of_site(old.sites.get(site_id), site).items():
            found[device_key(site_id, ref)] = at
    return found


def _touched_of_site(old: Site | None, new: Site) -> dict[str, datetime]:
    if old is None or any(getattr(old, name) != getattr(new, name) for name in _SITE_FACTS):
        # A site nobody knew had UTC's hours.
        return dict.fromkeys(new.devices, BEGINNING)
    found: dict[str, datetime] = {}
    for ref, at in chain(
        _by_ends(old, new), _by_devices(old, new), _by_events(old, new), _by_sources(old, new)
    ):
        found[ref] = min(at, found.get(ref, at))
    return _with_submeters(found, old, new)


def _by_ends(old: Site, new: Site) -> Iterator[tuple[str, datetime]]:
    at = _end_moved(old.ended, new.ended)
    if at is not None:
        yield from ((ref, at) for ref in new.devices)


def _end_moved(old: datetime | None, new: datetime | None) -> datetime | None:
    return None if old == new else earlier(old, new)


def _by_devices(old: Site, new: Site) -> Iterator[tuple[str, datetime]]:
    for ref, device in new.devices.items():
        at = _first_change(old.devices.get(ref), device)
        if at is not None:
            yield ref, at


def _by_events(old: Site, new: Site) -> Iterator[tuple[str, datetime]]:
    for event in chain(old.events, new.events):
        if (event in old.events) != (event in new.events):
            yield event.device, event.at


def _by_sources(old: Site, new: Site) -> Iterator[tuple[str, datetime]]:
    for source_id, source in new.sources.items():
        before = old.sources.get(source_id)
        at = _first_change(before, source)
        if before is not None and any(
            getattr(before, name) != getattr(source, name) for name in _SOURCE_FACTS
        ):
            at = BEGINNING
        at = earlier(earlier(at, _contracts_moved(before, source)), _stocks_moved(before, source))
        if at is not None:
            refs = all_devices(source) + (all_devices(before) if before is not None else ())
            yield from ((ref, at) for ref in refs)


def _contracts_moved(old: Source | None, new: Source) -> datetime | None:
    """From when contracts differ; with the first one, and without the last, a source has other bases from its
    beginning on."""
    before = () if old is None else old.contracts
    if bool(before) != bool(new.contracts):
        return min(begins(new.facts))
    differing = set(before).symmetric_difference(new.contracts)
    return min((contract.from_ for contract in differing), default=None)


def _stocks_moved(old: Source | None, new: Source) -> datetime | None:
    """From when changes of stock differ: from the inventory before the first that does."""
    before = () if old is None else old.stocks
    known = {*before, *new.stocks}
    starts = [
        max((e.at for e in known if e.material == each.material and e.at < each.at), default=each.at)
        for each in set(before).symmetric_difference(new.stocks)
    ]
    return min(starts, default=None)


def _first_change(old: Device | Source | None, new: Device | Source) -> datetime | None:
    """The earliest date of an entry that differs or is on one side only, or of an end that moved."""
    before, after = {} if old is None else dated(old), dated(new)
    dates = [
        at
        for at in before.keys() | after.keys()
        if at not in before or at not in after or _changed(before[at], after[at])
    ]
    end = _end_moved(None if old is None else old.ended, new.ended)
    return min([*dates, end] if end is not None else dates, default=None)


def _with_submeters(found: dict[str, datetime], old: Site, new: Site) -> dict[str, datetime]:
    """The devices found and all below them: whether a sub-meter counts hangs on its main meters."""
    below: dict[str, set[str]] = {}
    for site in (old, new):
        for ref, device in site.devices.items():
            for entry in device.facts:
                if entry.submeter_of is not None:
                    below.setdefault(entry.submeter_of, set()).add(ref)
    result = dict(found)
    waiting = list(found)
    while waiting:
        main = waiting.pop()
        for ref in below.get(main, ()):
            if ref not in result or result[ref] > result[main]:
                result[ref] = result[main]
                waiting.append(ref)
    return result
