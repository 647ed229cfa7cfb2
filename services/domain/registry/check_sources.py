"""Checks of emission sources: what each method needs of the source and of its devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from services.domain.methods.mass_balance import GUIDELINE_SET
from services.domain.quantities import NAMES, Kind
from services.domain.registry.check_balance import stream_amount
from services.domain.registry.check_fuel import check_fuel
from services.domain.registry.check_stack import check_stack
from services.domain.registry.facts import (
    begins,
    device_facts_at,
    entry_in_force,
    source_devices,
    source_facts_at,
)
from services.domain.registry.model import (
    Condensate,
    DeviceFacts,
    Medium,
    Method,
    Source,
    SourceFacts,
    Stream,
)
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import SiteScope, check_dates, unknown_quantity

_SCOPES: Final = {
    Method.FUEL: 1,
    Method.CEMS: 1,
    Method.MASS_BALANCE: 1,
    Method.ELECTRICITY: 2,
    Method.HEAT: 2,
}
"""GHG Protocol: what is burned or released on the site is scope 1, what is bought as energy scope 2."""

_VOLUME_OR_MASS: Final = frozenset({"volume_m3", "flow_m3_h", "mass_t", "mass_flow_t_h"})
_ACTIVITIES: Final = {
    (Method.FUEL, Kind.FLOWMETER): _VOLUME_OR_MASS | {"volume_nm3", "flow_nm3_h"},
    (Method.FUEL, Kind.BELTSCALE): frozenset({"mass_t", "rate_t_h"}),
    (Method.ELECTRICITY, Kind.METER): frozenset({"energy_import_kwh", "energy_export_kwh", "power_kw"}),
    (Method.HEAT, Kind.FLOWMETER): _VOLUME_OR_MASS | {"energy_gj"},
    (Method.CEMS, Kind.CEMS): frozenset({"velocity_m_s", "flow_nm3_h", "flow_wet_nm3_h"}),
}
"""What may be the activity of a method, by the kind of device."""

_STEAM: Final = frozenset(
    {Medium.SUPERHEATED_STEAM, Medium.SATURATED_STEAM_BY_PRESSURE, Medium.HOT_WATER_CLOSED}
)
"""Media whose enthalpy is found with the pressure."""

_SATURATED: Final = frozenset({Medium.SATURATED_STEAM_BY_PRESSURE, Medium.SATURATED_STEAM_BY_TEMPERATURE})

_UNKNOWN: Final = "the source's CO2 stays unknown"


def check_sources(scope: SiteScope) -> Iterator[Problem]:
    """What is wrong with the sources of a site, each by itself."""
    for source_id, source in scope.site.sources.items():
        place = (*scope.place, "sources", source_id)
        yield from check_dates(source, place)
        if source.scope != _SCOPES[source.method]:
            message = f"is {source.scope}, but {source.method} is of scope {_SCOPES[source.method]}."
            yield Problem((*place, "scope"), message)
        if source.facts[0].in_total is None:
            message = (
                "does not say `in_total`: true where its tonnes count, false beside another that counts them."
            )
            yield Problem((*place, "facts", 0), message)
        for index, entry in enumerate(source.facts):
            yield from _references(scope, source_id, source, entry, (*place, "facts", index))
        yield from _needs_over_time(scope, source, place)


def _references(
    scope: SiteScope, source_id: str, source: Source, entry: SourceFacts, place: Place
) -> Iterator[Problem]:
    """What one entry names."""
    yield from scope.unknown_area(entry.area, (*place, "area"))
    devices = entry.devices or ()
    for index, ref in enumerate(devices):
        yield from scope.unknown_device(ref, (*place, "devices", index))
        if ref in devices[:index]:
            yield Problem((*place, "devices", index), f"names {ref} twice: it would count twice; remove one.")
    for index, stream in enumerate(entry.streams or ()):
        yield from _stream(scope, stream, (*place, "streams", index))
    for index, returned in enumerate(entry.condensate or ()):
        yield from _condensate(scope, entry, returned, (*place, "condensate", index))
    for name, method in _METHOD_OF_FACT.items():
        if getattr(entry, name) is not None and source.method != method:
            yield Problem((*place, name), f"has no effect on {source.method}, only on {method}: remove it.")
    for index, other in enumerate(entry.reconciles_with or ()):
        yield from _reconciled(scope, source_id, other, (*place, "reconciles_with", index))
    yield from _factor_names(scope, source, entry, place)


_METHOD_OF_FACT: Final = {
    "streams": Method.MASS_BALANCE,
    "stack": Method.CEMS,
    "medium": Method.HEAT,
    "dryness_fraction": Method.HEAT,
    "condensate": Method.HEAT,
    "market": Method.ELECTRICITY,
    "total_basis": Method.ELECTRICITY,
    "fuel": Method.FUEL,
    "factor_base_state": Method.FUEL,
    "density_t_per_m3": Method.FUEL,
    "density_at_c": Method.FUEL,
    "expansion_per_k": Method.FUEL,
    "petroleum_group": Method.FUEL,
}


def _condensate(
    scope: SiteScope, entry: SourceFacts, returned: Condensate, place: Place
) -> Iterator[Problem]:
    yield from scope.unknown_device(returned.device, (*place, "device"))
    kind = scope.kind(returned.device)
    if returned.quantity not in NAMES[kind]:
        yield Problem((*place, "quantity"), unknown_quantity(kind, returned.quantity))
    elif kind != Kind.FLOWMETER or returned.quantity not in _VOLUME_OR_MASS:
        names = ", ".join(name for name in NAMES[Kind.FLOWMETER] if name in _VOLUME_OR_MASS)
        message = f"is {returned.quantity} of a {kind}: condensate is one of {names} of a flowmeter."
        yield Problem((*place, "quantity"), message)
    if returned.device in (entry.devices or ()):
        yield Problem(place, f"names {returned.device}, which counts the steam: name the return's meter.")


def _stream(scope: SiteScope, stream: Stream, place: Place) -> Iterator[Problem]:
    yield from scope.unknown_device(stream.device, (*place, "device"))
    kind = scope.kind(stream.device)
    if stream.quantity not in NAMES[kind]:
        yield Problem((*place, "quantity"), unknown_quantity(kind, stream.quantity))
    else:
        yield from stream_amount(stream, place)
    if (stream.carbon_fraction is None) == (stream.carbonate is None):
        yield Problem(place, "must give either `carbon_fraction` or `carbonate`: its carbon is known by one.")


def _reconciled(scope: SiteScope, source_id: str, other: str, place: Place) -> Iterator[Problem]:
    if other == source_id:
        yield Problem(place, "names the source itself: name the other route of the same carbon.")
    elif other not in scope.site.sources and (*scope.place, "sources", other) not in scope.broken:
        yield Problem(place, f"names {other}, which the site does not have as source: correct it.")


def _factor_names(scope: SiteScope, source: Source, entry: SourceFacts, place: Place) -> Iterator[Problem]:
    if scope.factors is None or entry.factor_set is None:
        return
    if source.method == Method.MASS_BALANCE:  # whose carbonate factors are no rows of a table
        if entry.factor_set != GUIDELINE_SET:
            message = f"is {entry.factor_set}: name {GUIDELINE_SET}, or none for stoichiometric factors."
            yield Problem((*place, "factor_set"), message)
        return
    fuels = scope.factors.get(entry.factor_set)
    merged = source_facts_at(source, entry.from_)
    fuel = (merged.factor_fuel if merged else None) or source.carrier
    if fuels is None:
        message = f"is {entry.factor_set}, which is not known: `carbonflow factors list` shows the sets."
        yield Problem((*place, "factor_set"), message)
    elif fuel not in fuels and source.method != Method.ELECTRICITY:  # whose factors go by region
        known = _some(fuels)
        message = f"{entry.factor_set} has no factor for {fuel}, only for {known}: name one as `factor_fuel`."
        yield Problem((*place, "factor_set"), message)


def _some(names: Iterable[str], most: int = 8) -> str:
    listed = sorted(names)
    return ", ".join(listed[:most]) + (", ..." if len(listed) > most else "")


def _needs_over_time(scope: SiteScope, source: Source, place: Place) -> Iterator[Problem]:
    """What the method lacks, whenever facts of the source or its devices change; each lack once."""
    reported: set[str] = set()
    for at in _moments(scope, source):
        facts = source_facts_at(source, at)
        if facts is None:
            continue
        where = (*place, "facts", entry_in_force(source.facts, at))
        for problem in _needs(scope, source, facts, at, where):
            if problem.message not in reported:
                reported.add(problem.message)
                yield problem


def _moments(scope: SiteScope, source: Source) -> list[datetime]:
    first = min(begins(source.facts))
    refs = {ref for entry in source.facts for ref in source_devices(entry)} & scope.site.devices.keys()
    later = {at for ref in refs for at in begins(scope.site.devices[ref].facts) if at > first}
    return sorted(later.union(begins(source.facts)))


def _needs(
    scope: SiteScope, source: Source, facts: SourceFacts, at: datetime, place: Place
) -> Iterator[Problem]:
    if source.method == Method.MASS_BALANCE:
        if not facts.streams:
            yield Problem(place, "has no `streams`: a mass balance needs at least one.")
        if facts.devices:
            yield Problem(
                (*place, "devices"), "has no effect on a mass balance: its `streams` name the devices."
            )
        return
    if not facts.devices:
        yield Problem(place, f"has no `devices`: {source.method} needs at least one.")
    yield from _activity(scope, source, facts, place)
    match source.method:
        case Method.FUEL:
            yield from check_fuel(facts, place)
        case Method.ELECTRICITY:
            yield from _electricity(scope, facts, place)
        case Method.HEAT:
            yield from _heat(facts, place)
    for ref in facts.devices or ():
        device = scope.site.devices.get(ref)
        of_device = None if device is None else device_facts_at(device, at)
        if of_device is not None:
            yield from _needs_of_device(source, facts, ref, of_device, place)


def _activity(scope: SiteScope, source: Source, facts: SourceFacts, place: Place) -> Iterator[Problem]:
    """The activity is a quantity of every device that the method can use."""
    if facts.quantity is None and source.method != Method.CEMS:
        yield Problem(place, f"has no `quantity`: name the register (or rate) that {source.method} counts.")
    for kind in dict.fromkeys(scope.kind(ref) for ref in facts.devices or ()):
        allowed = _ACTIVITIES.get((source.method, kind))
        if allowed is None:
            yield Problem((*place, "devices"), f"has a {kind}, by which {source.method} cannot be measured.")
        elif facts.quantity is not None and facts.quantity not in allowed:
            names = ", ".join(name for name in NAMES[kind] if name in allowed)
            message = f"is {facts.quantity}: {source.method} by a {kind} counts one of {names}."
            yield Problem((*place, "quantity"), message)


def _electricity(scope: SiteScope, facts: SourceFacts, place: Place) -> Iterator[Problem]:
    if facts.factor_set is None:
        yield Problem(place, "has no `factor_set`: electricity needs the grid's, such as CN_MEE_PROVINCE.")
    if facts.region is None and scope.site.region is None:
        message = f"has no `region`, nor has the site: without the place of the grid factor {_UNKNOWN}."
        yield Problem(place, message, warning=True)


def _heat(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    if facts.factor_set is None:
        yield Problem(place, "has no `factor_set`: heat needs one, such as CN_GBT32150_2025.")
    if facts.medium is None:
        yield Problem(place, f"has no `medium`: name what carries the heat, one of {', '.join(Medium)}.")
    elif facts.dryness_fraction is not None and facts.medium not in _SATURATED:
        message = f"has no effect on {facts.medium}, only on saturated steam: remove it."
        yield Problem((*place, "dryness_fraction"), message)
    elif facts.condensate and facts.medium not in _SATURATED | {Medium.SUPERHEATED_STEAM}:
        message = f"has no effect on {facts.medium}: only steam condenses; remove it."
        yield Problem((*place, "condensate"), message)
    elif facts.quantity is not None and (facts.medium == Medium.HEAT_METER) != (
        facts.quantity == "energy_gj"
    ):
        message = (
            f"is {facts.quantity} with {facts.medium}: a heat_meter counts energy_gj, the others do not."
        )
        yield Problem((*place, "quantity"), message)


def _needs_of_device(
    source: Source, facts: SourceFacts, ref: str, device: DeviceFacts, place: Place
) -> Iterator[Problem]:
    if source.method == Method.CEMS:
        yield from check_stack(facts, ref, device, place)
    elif facts.quantity in {"volume_nm3", "flow_nm3_h"} and device.base_state is None:
        message = f"needs the `base_state` of {ref}: without the base state of its volume {_UNKNOWN}."
        yield Problem(place, message, warning=True)
    if _needs_pressure(source, facts):
        yield from _pressure(ref, device, place)


def _needs_pressure(source: Source, facts: SourceFacts) -> bool:
    if source.method == Method.HEAT:
        return facts.medium in _STEAM
    is_line_volume = facts.quantity in {"volume_m3", "flow_m3_h"}
    return source.method == Method.FUEL and is_line_volume and facts.density_t_per_m3 is None


def _pressure(ref: str, device: DeviceFacts, place: Place) -> Iterator[Problem]:
    if device.pressure_reference is None:
        message = f"needs the `pressure_reference` of {ref}, gauge or absolute: without it {_UNKNOWN}."
        yield Problem(place, message, warning=True)
    elif device.pressure_reference == "gauge" and device.atmospheric_pressure_kpa is None:
        message = (
            f"needs the `atmospheric_pressure_kpa` of {ref}, which measures gauge pressure: else {_UNKNOWN}."
        )
        yield Problem(place, message, warning=True)
