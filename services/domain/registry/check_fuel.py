"""What a source of burned fuel must say of its factor, its density and its laboratory values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.domain.methods.liquid import expansion_of, is_liquid
from services.domain.registry.model import FuelProperties, SourceFacts
from services.domain.registry.problems import Place, Problem

_UNKNOWN: Final = "the source's CO2 stays unknown"
_LINE_VOLUME: Final = frozenset({"volume_m3", "flow_m3_h"})
_BASE_VOLUME: Final = frozenset({"volume_nm3", "flow_nm3_h"})


def check_fuel(facts: SourceFacts, place: Place) -> Iterator[Problem]:
    """What is wrong with, or missing of, the facts in force of a source of burned fuel."""
    if facts.factor_set is None and not _complete(facts.fuel):
        message = (
            "has no `factor_set`: name one, or give all of ncv_gj_per_unit, carbon_content_t_per_gj and "
            "oxidation_rate under `fuel`."
        )
        yield Problem(place, message)
    yield from _volume(facts, place)
    yield from _liquid(facts, place)


def _complete(fuel: FuelProperties | None) -> bool:
    return fuel is not None and None not in (
        fuel.ncv_gj_per_unit,
        fuel.carbon_content_t_per_gj,
        fuel.oxidation_rate,
    )


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
