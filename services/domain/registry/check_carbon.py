"""Checks that the same carbon is not counted by two ways of finding it: by two scales, by a balance and by
burning, by a stack and by its fuel. Unlike a device that two sources share, this shows only in what the
sources are of, and where."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import combinations
from typing import Final

from services.domain.quantities import Kind
from services.domain.registry.counted import Clash, Counted, Fuel, fuels
from services.domain.registry.facts import device_facts_at
from services.domain.registry.model import Method
from services.domain.registry.scope import SiteScope

DERIVED_GASES: Final = frozenset(
    {"blast_furnace_gas", "coke_oven_gas", "converter_gas", "calcium_carbide_furnace_gas"}
)
"""Gases that a process makes of the carbon it takes in, and that are burned beside it."""


def same_carbon(scope: SiteScope, counted: list[Counted], at: datetime) -> Iterator[Clash]:
    """Pairs of sources in the total that would count the same carbon."""
    for one, other in combinations(counted, 2):
        yield from _weighed_twice(scope, one, other, at)
        yield from _gas_of_a_balance(scope, one, other, at)
        yield from _gas_of_a_balance(scope, other, one, at)
        yield from _stack_and_fuel(one, other)
        yield from _stack_and_fuel(other, one)


def _weighed_twice(scope: SiteScope, one: Counted, other: Counted, at: datetime) -> Iterator[Clash]:
    """A fuel counted as it is delivered and again as it is used; of a solid weighed by two scales in one
    place without a word about them, it is taken to be so."""
    if Method.FUEL not in {one.source.method, other.source.method}:
        return
    for first in fuels(scope, one, at):
        for second in fuels(scope, other, at):
            if first.carrier == second.carrier and first.device != second.device:
                message = _twice(scope, one, first, other, second)
                if message is not None:
                    yield Clash(one.name, other.name, message)


def _twice(scope: SiteScope, one: Counted, first: Fuel, other: Counted, second: Fuel) -> str | None:
    points = {first.metering_point, second.metering_point}
    if "delivery" in points and points != {"delivery"}:
        delivered, used = (first, second) if first.metering_point == "delivery" else (second, first)
        return (
            f"counts {first.carrier} in the total by {second.device}, and {one.name} by {first.device}: "
            f"{delivered.device} measures it as it is delivered, {used.device} as it is used, and it is the "
            "same fuel; set `in_total: false` on one."
        )
    scales = scope.kind(first.device) == scope.kind(second.device) == Kind.BELTSCALE
    if points == {None} and scales and one.facts.area == other.facts.area:
        where = f"in {one.facts.area}" if one.facts.area else "at the same place"
        return (
            f"counts {first.carrier} in the total by {second.device}, and {one.name} by {first.device}, both "
            f"{where}: if one weighs what the other has weighed (a truck scale and a belt), it counts twice; "
            "set `in_total: false` on one, or, if each weighs its own, say `metering_point: use` of both."
        )
    return None


def _gas_of_a_balance(scope: SiteScope, balance: Counted, burner: Counted, at: datetime) -> Iterator[Clash]:
    """A gas that is burned, and whose carbon a mass balance of the process has as its input already."""
    gas = burner.source.carrier
    if balance.source.method is not Method.MASS_BALANCE or burner.source.method is not Method.FUEL:
        return
    if all(each.metering_point == "delivery" for each in fuels(scope, burner, at)):
        return  # bought from elsewhere
    streams = balance.facts.streams or ()
    carriers = {stream.device: _carrier(scope, stream.device, at) for stream in streams}
    taken_off = {
        ref
        for stream in streams
        if stream.role == "output"
        for ref in (stream.device, carriers[stream.device])
    }
    if gas in taken_off or taken_off & set(burner.facts.devices or ()):
        return
    inputs = [stream for stream in streams if stream.role == "input"]
    taken_in = next((each.device for each in inputs if carriers[each.device] == gas), None)
    carbon = next((each.device for each in inputs if each.carbonate is None), None)
    if gas in DERIVED_GASES and (taken_in or carbon) is not None:
        message = (
            f"counts {gas} in the total as it burns, and {balance.name} counts its carbon in the total as "
            f"it goes in ({taken_in or carbon}): it would count twice; give {balance.name} an output stream "
            f"by a device of `carrier: {gas}`, which takes it off there, or set `in_total: false` on one."
        )
        yield Clash(balance.name, burner.name, message)


def _carrier(scope: SiteScope, ref: str, at: datetime) -> str | None:
    device = scope.site.devices.get(ref)
    facts = None if device is None else device_facts_at(device, at)
    return None if facts is None else facts.carrier


def _stack_and_fuel(stack: Counted, burner: Counted) -> Iterator[Clash]:
    """A stack, and what burns or is calcined in the same place. Of named routes it is told already."""
    if stack.source.method is not Method.CEMS or burner.source.method not in {
        Method.FUEL,
        Method.MASS_BALANCE,
    }:
        return
    if stack.facts.area is None or stack.facts.area != burner.facts.area or stack.facts.reconciles_with == ():
        return
    message = (
        f"counts {burner.source.carrier} of {burner.facts.area} in the total, and {stack.name} "
        "what a stack there emits: the CO2 leaves by the stack and would count twice; set `in_total: "
        f"false` on one and name the other in its `reconciles_with`, or, if it does not pass {stack.name}, "
        f"say `reconciles_with: []` of {stack.name}."
    )
    yield Clash(stack.name, burner.name, message)
