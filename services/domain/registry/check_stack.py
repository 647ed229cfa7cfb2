"""Checks of measured stacks: the rules a source names, and what its devices must say for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from services.domain.quantities import NAMES, Kind
from services.domain.registry.model import DeviceFacts, SourceFacts
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import unknown_quantity
from services.domain.registry.stack import Bounds, StackRules
from services.domain.substitution import UNCONFIRMED, Policy

_HJ75: Final = StackRules.model_validate({})
_QUADRANT_S: Final = 900.0
_UNKNOWN: Final = "the source's CO2 stays unknown"


def check_stack(facts: SourceFacts, ref: str, device: DeviceFacts, place: Place) -> Iterator[Problem]:
    """What is wrong with the rules in force, and what a device of the stack must say for them."""
    yield from _rules(facts, place)
    yield from _device(facts, ref, device, place)


def _rules(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    rules = facts.stack or _HJ75
    where = (*place, "stack")
    if rules.form == "part75" and facts.quantity not in {None, "flow_wet_nm3_h"}:
        message = f"is {facts.quantity}: 40 CFR 75 computes with the wet flow, flow_wet_nm3_h."
        yield Problem((*place, "quantity"), message)
    if rules.diluent == "o2" and rules.form != "part75":
        yield Problem((*where, "diluent"), "is o2, which only form part75 makes CO2 of (F-14A, F-14B).")
    elif rules.diluent == "o2" and rules.f_factors is None:
        yield Problem(where, "has no `f_factors`: CO2 from O2 needs the fuel's fc and fd, with their source.")
    elif rules.f_factors is not None and rules.form != "part75":
        yield Problem((*where, "f_factors"), "has no effect on form hj75, only on part75: remove it.")
    yield from _substitution(rules, where)
    yield from _evidence(rules.stopped_evidence or {}, (*where, "stopped_evidence"))


def _substitution(rules: StackRules, place: Place) -> Iterator[Problem]:
    policy = rules.substitution
    if policy is Policy.NONE:
        return
    if rules.hour_validity is None:
        message = f"is {policy}, but without `hour_validity` no hour is ever missing: name one."
        yield Problem((*place, "substitution"), message)
    if policy in UNCONFIRMED:
        message = f"is {policy}, whose figures are unconfirmed: its hours stay provisional."
        yield Problem((*place, "substitution"), message, warning=True)
    name = "maximum_potential_co2_pct" if rules.diluent == "co2" else "minimum_potential_o2_pct"
    if policy is Policy.US_PART75 and getattr(rules, name) is None:
        message = f"has no `{name}`: hours missing at an availability below 80 % stay unknown."
        yield Problem(place, message, warning=True)


def _evidence(bounds: Mapping[str, Bounds], place: Place) -> Iterator[Problem]:
    for name, each in bounds.items():
        if name not in NAMES[Kind.CEMS]:
            yield Problem((*place, name), unknown_quantity(Kind.CEMS, name))
        elif each.at_least is None and each.at_most is None:
            yield Problem((*place, name), "must give `at_least` or `at_most`: else it shows nothing.")


def _device(facts: SourceFacts, ref: str, device: DeviceFacts, place: Place) -> Iterator[Problem]:
    if device.analyser is None:
        message = f"needs `analyser` of {ref}, wet or dry: the same percentage differs by the moisture."
        yield Problem(place, message)
    by_velocity = (facts.stack or _HJ75).form == "hj75" and facts.quantity in {None, "velocity_m_s"}
    if device.duct_area_m2 is None and by_velocity:
        message = (
            f"needs the `duct_area_m2` of {ref} unless it sends a flow: with a velocity alone {_UNKNOWN}."
        )
        yield Problem(place, message, warning=True)
    validity = (facts.stack or _HJ75).hour_validity
    if validity == "quadrant" and device.interval_s is not None and device.interval_s > _QUADRANT_S:
        message = (
            f"has hour_validity quadrant, but {ref} sends every {device.interval_s:g} s: no hour is valid."
        )
        yield Problem((*place, "stack"), message, warning=True)
