"""What the CO2 per unit of an activity is made of, in words with their clause."""

from __future__ import annotations

from services.domain.activity import Use
from services.domain.conversion import Conversion
from services.domain.registry.model import Method


def made_of(use: Use, conversion: Conversion) -> str:
    """What the factor of a conversion is the product of, or where it comes from."""
    if use.source.method is Method.MASS_BALANCE:
        return "carbon x 44/12, or the carbonate's, x purity x conversion"
    if use.source.method is Method.CEMS:
        return "measured as CO2: 1000 kg/t"
    if conversion.basis == "market":
        return "shares x factors of contracts and of the rest (GHG Protocol scope 2, ch. 6)"
    if use.source.method is not Method.FUEL:
        return "as published"
    if use.facts.fuel is not None and use.facts.fuel.carbon_pct is not None:
        return "carbon x oxidation rate x 44/12 (NDRC eq. 3)"
    if use.facts.fuel is None and not isinstance(use.found, str) and use.found.factor.oxidation_rate == 1.0:
        return "as published per energy, oxidation 1"
    return "NCV x carbon content x oxidation rate x 44/12 (NDRC eq. 2)"
