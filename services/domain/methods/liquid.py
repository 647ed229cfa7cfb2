"""A metered liquid in t: a totaliser corrected to a base temperature, or the volume at line temperature."""

from __future__ import annotations

from typing import Final

from services.domain import activity, liquids
from services.domain.activity import Activity, Measure, Use
from services.domain.conditions import BASE_TEMPERATURE_K, ZERO_C_K
from services.domain.formulas import LIQUID_LINE
from services.domain.liquids import Expansion
from services.domain.registry.model import SourceFacts

_NO_EXPANSION: Final = (
    "The density is given at a temperature (density_at_c), and how the liquid expands from there is not: "
    "name its petroleum_group or expansion_per_k."
)
_NO_DEVICE_STATE: Final = "The device does not name the base state of its volume (base_state)."


def is_liquid(facts: SourceFacts) -> bool:
    """Whether the source's density is that of a liquid at a temperature: a gas has a base state instead."""
    return facts.density_at_c is not None and facts.factor_base_state is None


def mass(use: Use) -> Activity:
    """t from a volume by the density at the liquid's own temperature."""
    facts = use.facts
    expansion = expansion_of(facts)
    if use.quantity and activity.measure_of(use.kind, use.quantity) is Measure.BASE_VOLUME:
        return _corrected(use, expansion)
    if isinstance(expansion, str):
        return activity.unknown(use.kind, use.quantity, "t", expansion)
    return activity.scaled(
        use.kind,
        use.device,
        use.quantity,
        expansion.density_t_per_m3,
        LIQUID_LINE,
        "t",
        expansion.at_c,
        expansion.per_k,
        expansion.curvature,
    )


def _corrected(use: Use, expansion: Expansion | str) -> Activity:
    """A totaliser that corrects to its base temperature itself: the density there is one number."""
    if use.device.base_state is None:
        return activity.unknown(use.kind, use.quantity, "t", _NO_DEVICE_STATE)
    base_c = BASE_TEMPERATURE_K[use.device.base_state] - ZERO_C_K
    if use.facts.density_t_per_m3 is not None and base_c == use.facts.density_at_c:
        return activity.linear(use, "t", use.facts.density_t_per_m3)
    if isinstance(expansion, str):
        return activity.unknown(use.kind, use.quantity, "t", expansion)
    return activity.linear(use, "t", liquids.density_at(expansion, base_c))


def expansion_of(facts: SourceFacts) -> Expansion | str:
    """How the source's liquid expands, or the reason why that is unknown."""
    density, at_c = facts.density_t_per_m3, facts.density_at_c
    if density is None or at_c is None:
        return "The device counts volume, and the source names no density."
    if facts.expansion_per_k is not None:
        return liquids.by_coefficient(density, at_c, facts.expansion_per_k)
    if facts.petroleum_group is None:
        return _NO_EXPANSION
    found = liquids.by_table(facts.petroleum_group, density, at_c)
    if found is None:
        return f"A density of {density:g} t/m3 at {at_c:g} degC is in no table of {facts.petroleum_group}."
    return found
