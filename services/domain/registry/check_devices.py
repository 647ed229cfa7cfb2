"""Checks of devices and of what happened to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from services.domain.activity import quantity_of
from services.domain.quantities import NAMES, Kind, quantity
from services.domain.registry.facts import device_facts_at
from services.domain.registry.model import Device, DeviceFacts, MeterReplaced, Register
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import SiteScope, check_dates, unknown_quantity

# Facts that only some kinds have: on another they would silently be without effect.
_ONLY_FOR: Final = {
    "analyser": Kind.CEMS,
    "duct_area_m2": Kind.CEMS,
    "bias_adjustment_factor": Kind.CEMS,
    "compressibility_ratio": Kind.FLOWMETER,
    "pressure_reference": Kind.FLOWMETER,
    "meter_position": Kind.FLOWMETER,
    "rated_power_kw": Kind.METER,
}


def check_devices(scope: SiteScope) -> Iterator[Problem]:
    """What is wrong with the devices of a site."""
    for ref, device in scope.site.devices.items():
        place = (*scope.place, "devices", ref)
        yield from check_dates(device, place)
        for index, facts in enumerate(device.facts):
            yield from _device_facts(scope, ref, facts, (*place, "facts", index))
        yield from _accounted(scope.kind(ref), device, place)
        yield from _usable(device, place)
    yield from _submeter_cycles(scope)


def _device_facts(scope: SiteScope, ref: str, facts: DeviceFacts, place: Place) -> Iterator[Problem]:
    kind = scope.kind(ref)
    yield from scope.unknown_area(facts.area, (*place, "area"))
    for fact in facts.model_fields_set & _ONLY_FOR.keys():
        if _ONLY_FOR[fact] != kind:
            message = f"has no effect on a {kind}, only on a {_ONLY_FOR[fact]}: remove it."
            yield Problem((*place, fact), message)
    if facts.base_state is not None and kind not in {Kind.FLOWMETER, Kind.CEMS}:
        message = f"has no effect on a {kind}, only on a flowmeter or a cems: remove it."
        yield Problem((*place, "base_state"), message)
    yield from _registers(kind, facts.registers or {}, (*place, "registers"))
    if facts.energy_quantity is not None:
        yield from _energy_quantity(kind, facts.energy_quantity, (*place, "energy_quantity"))
    if facts.submeter_of is not None:
        yield from _submeter(scope, ref, facts.submeter_of, (*place, "submeter_of"))


def _registers(kind: Kind, registers: Mapping[str, Register], place: Place) -> Iterator[Problem]:
    for name, register in registers.items():
        if name not in NAMES[kind]:
            yield Problem((*place, name), unknown_quantity(kind, name))
        elif not quantity(kind, name).register:
            yield Problem(
                (*place, name), f"is no register but a gauge; registers of a {kind} are {_known(kind)}."
            )
        if register.modulus and register.resolution and register.resolution >= register.modulus:
            yield Problem((*place, name), "has a resolution that is not below its modulus.")


def _known(kind: Kind) -> str:
    names = [name for name in NAMES[kind] if quantity(kind, name).register]
    return ", ".join(names) or "none"


_ENERGY_RATES: Final = frozenset({"power_kw", "flow_m3_h", "flow_nm3_h", "mass_flow_t_h", "rate_t_h"})


def _energy_quantity(kind: Kind, name: str, place: Place) -> Iterator[Problem]:
    if name not in NAMES[kind]:
        yield Problem(place, unknown_quantity(kind, name))
    elif not quantity(kind, name).register and name not in _ENERGY_RATES:
        yield Problem(place, f"is {name}, which is no amount: name a register, or a rate such as power_kw.")


def _submeter(scope: SiteScope, ref: str, main: str, place: Place) -> Iterator[Problem]:
    if main == ref:
        yield Problem(place, "names the device itself: name the main meter that contains this one.")
    else:
        yield from scope.unknown_device(main, place)


def _submeter_cycles(scope: SiteScope) -> Iterator[Problem]:
    """Main meters that contain each other, at any time."""
    reported: set[frozenset[str]] = set()
    for ref, device in scope.site.devices.items():
        for index, entry in enumerate(device.facts):
            cycle = _cycle_from(scope, ref, entry.from_)
            if cycle and frozenset(cycle) not in reported:
                reported.add(frozenset(cycle))
                chain = " in ".join((*cycle, cycle[0]))
                message = f"goes round: {chain}; a main meter contains its sub-meters, not the reverse."
                yield Problem((*scope.place, "devices", ref, "facts", index, "submeter_of"), message)


def _cycle_from(scope: SiteScope, ref: str, at: datetime) -> tuple[str, ...]:
    """The devices of the cycle that `ref` is in; none where it is in none, or only its own main meter."""
    chain = [ref]
    while (main := scope.main_meter(chain[-1], at)) is not None and main not in chain:
        chain.append(main)
    return tuple(chain) if main == ref and len(chain) > 1 else ()


def _accounted(kind: Kind, device: Device, place: Place) -> Iterator[Problem]:
    """A carrier without amount or an amount without carrier makes no row of energy, which is rarely meant."""
    for index, entry in enumerate(device.facts):
        facts = device_facts_at(device, entry.from_)
        if facts is None:
            continue
        if facts.carrier is not None and not quantity_of(kind, facts, None):
            given, wanted = "carrier", "energy_quantity"
        elif facts.carrier is None and facts.energy_quantity is not None:
            given, wanted = "energy_quantity", "carrier"
        else:
            continue
        message = f"has `{given}` without `{wanted}`: no energy is accounted for the device."
        yield Problem((*place, "facts", index), message, warning=True)


def _usable(device: Device, place: Place) -> Iterator[Problem]:
    if all(entry.interval_s is None for entry in device.facts):
        message = "has no `interval_s`: coverage and staleness stay unknown."
        yield Problem((*place, "facts", 0), message, warning=True)


def check_events(scope: SiteScope) -> Iterator[Problem]:
    """What is wrong with the dated events of a site."""
    seen: set[tuple[str, datetime]] = set()
    for index, event in enumerate(scope.site.events):
        place = (*scope.place, "events", index)
        if (event.device, event.at) in seen:
            yield Problem((*place, "at"), f"is a second event of {event.device} at that instant: remove one.")
        seen.add((event.device, event.at))
        yield from _event(scope, event, place)


def _event(scope: SiteScope, event: MeterReplaced, place: Place) -> Iterator[Problem]:
    yield from scope.unknown_device(event.device, (*place, "device"))
    device = scope.site.devices.get(event.device)
    if device is not None and device_facts_at(device, event.at) is None:
        yield Problem((*place, "at"), f"is outside the life of {event.device}, which its facts and end give.")
    yield from _replaced_registers(scope.kind(event.device), event, place)


def _replaced_registers(kind: Kind, event: MeterReplaced, place: Place) -> Iterator[Problem]:
    if event.final.keys() != event.initial.keys():
        yield Problem(
            place, "must give the same registers in `final` (of the old) and `initial` (of the new)."
        )
    for part, values in (("final", event.final), ("initial", event.initial)):
        if not values:
            yield Problem((*place, part), f"is empty: give the register, one of {_known(kind)}.")
        for name, value in values.items():
            if name not in NAMES[kind] or not quantity(kind, name).register:
                yield Problem((*place, part, name), f"is no register of a {kind}; those are {_known(kind)}.")
            elif value < 0:
                yield Problem((*place, part, name), "is below 0, where no register can be.")
