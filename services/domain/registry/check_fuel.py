"""What a source of burned fuel must say of its factor, its density and its laboratory values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.domain.laboratory import lacking, sample_of
from services.domain.methods.fuel_factor import is_complete
from services.domain.methods.liquid import expansion_of, is_liquid
from services.domain.registry.model import FuelProperties, SourceFacts
from services.domain.registry.problems import Place, Problem

_UNKNOWN: Final = "the source's CO2 stays unknown"
_LINE_VOLUME: Final = frozenset({"volume_m3", "flow_m3_h"})
_BASE_VOLUME: Final = frozenset({"volume_nm3", "flow_nm3_h"})


def check_fuel(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    """What is wrong with, or missing of, the facts in force of a source of burned fuel."""
    if facts.factor_set is None and not is_complete(facts.fuel):
        message = (
            "has no `factor_set`: name one, or give oxidation_rate and either carbon_pct, or an NCV and "
            "carbon_content_t_per_gj, under `fuel`."
        )
        yield Problem(place, message)
    yield from _volume(facts, place)
    yield from _liquid(facts, place)
    yield from _laboratory(facts, (*place, "fuel"))
    yield from _sampled(facts.fuel, (*place, "fuel"))


def _sampled(fuel: FuelProperties | None, place: Place) -> Iterator[Problem]:
    if fuel is None or fuel.sampled_from is None or fuel.sampled_to is None:
        return
    if fuel.sampled_to < fuel.sampled_from:
        yield Problem((*place, "sampled_to"), f"is before `sampled_from`, {fuel.sampled_from}.")


def _laboratory(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    """Each property once, and all that brings it to the mass or volume as metered."""
    fuel = facts.fuel
    if fuel is None:
        return
    for names in _ONE_OF:
        given = [name for name in names if getattr(fuel, name) is not None]
        if len(given) > 1:
            yield Problem(place, f"has {' and '.join(given)}: the same property twice; remove one.")
    for basis_name, value_name in _BASES.items():
        basis = getattr(fuel, basis_name)
        if basis is None:
            continue
        if getattr(fuel, value_name) is None:
            yield Problem((*place, basis_name), f"has no effect without `{value_name}`: remove it.")
        elif lacks := lacking(basis, sample_of(fuel)):
            message = f"is {basis}: bringing {value_name} to the mass as metered needs {' and '.join(lacks)}."
            yield Problem((*place, basis_name), message)
    per_m3 = [name for name in _PER_M3 if getattr(fuel, name) is not None]
    if per_m3 and fuel.base_state is None and facts.factor_base_state is not None:
        yield Problem(place, f"has {per_m3[0]} of a gas without its `base_state`, such as 20C.")
    if fuel.base_state is not None and not per_m3:
        yield Problem((*place, "base_state"), "has no effect without a value per m3: remove it.")


_PER_M3: Final = ("ncv_mj_per_m3", "hhv_mj_per_m3", "carbon_kg_per_m3")
_ONE_OF: Final = (
    ("ncv_gj_per_unit", "ncv_gj_per_t", "ncv_mj_per_m3"),
    ("hhv_gj_per_t", "hhv_mj_per_m3"),
    ("carbon_content_t_per_gj", "carbon_pct", "carbon_kg_per_m3"),
)
_BASES: Final = {"ncv_basis": "ncv_gj_per_t", "hhv_basis": "hhv_gj_per_t", "carbon_basis": "carbon_pct"}


def _volume(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    if facts.factor_base_state is not None or is_liquid(facts):
        return
    if facts.quantity in _BASE_VOLUME:
        message = f"has no `factor_base_state`: without the base state of the factor {_UNKNOWN}."
        yield Problem(place, message, warning=True)
    if facts.quantity in _LINE_VOLUME and facts.density_t_per_m3 is None:
        message = (
            f"has neither `factor_base_state` (for a gas) nor `density_t_per_m3` (for a liquid): {_UNKNOWN}."
        )
        yield Problem(place, message, warning=True)


def _liquid(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    """Density, its temperature and the expansion from there belong together."""
    expands = [name for name in ("petroleum_group", "expansion_per_k") if getattr(facts, name) is not None]
    if len(expands) == 2:
        message = (
            "has `petroleum_group` and `expansion_per_k`: the expansion is known by one; remove the other."
        )
        yield Problem(place, message)
    elif facts.density_at_c is None:
        if expands:
            yield Problem(
                place, f"has `{expands[0]}` without `density_at_c`, the temperature of its density."
            )
    elif facts.density_t_per_m3 is None:
        yield Problem(place, "has `density_at_c` without `density_t_per_m3`: give the density there.")
    elif facts.factor_base_state is not None:
        message = "has `density_at_c`, of a liquid, and `factor_base_state`, of a gas: remove one."
        yield Problem(place, message)
    elif expands and isinstance(reason := expansion_of(facts), str):
        yield Problem(place, f"is not to be found: {reason[0].lower()}{reason[1:]}")
    elif not expands and facts.quantity in _LINE_VOLUME:
        message = (
            "has `density_at_c`, and not how the liquid expands from there (`petroleum_group` or "
            f"`expansion_per_k`): {_UNKNOWN}."
        )
        yield Problem(place, message, warning=True)
