"""A factor as it applies to one source at one instant: per unit of the activity, every gas apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Final

from services.domain.factors import Found
from services.domain.gwp import GWP_SETS
from services.domain.units import FACTOR_UNITS, Dimension


@dataclass(frozen=True, slots=True)
class EmissionFactor:
    """kg of each gas and kWh of energy (fuels: by NCV) per unit of the activity; NaN is unknown.

    `name` is that of `api.factors`, or says what was measured or computed instead. `gwp_set` is set where
    `co2e_kg_per_unit` rests on warming potentials. `missing_reason` says, in a sentence, why the number is
    unknown.
    """

    name: str | None
    factor_id: int | None
    co2_kg_per_unit: float
    ch4_kg_per_unit: float
    n2o_kg_per_unit: float
    co2e_kg_per_unit: float
    biogenic_co2_kg_per_unit: float
    energy_kwh_per_unit: float
    gwp_set: str | None
    provisional: bool
    missing_reason: str | None


UNKNOWN: Final = EmissionFactor(None, None, nan, nan, nan, nan, nan, nan, None, False, None)


def missing(reason: str, *, energy_kwh_per_unit: float = nan) -> EmissionFactor:
    """No factor: every gas unknown, for `reason`."""
    return replace(UNKNOWN, energy_kwh_per_unit=energy_kwh_per_unit, missing_reason=reason)


def co2_only(name: str | None, co2_kg_per_unit: float) -> EmissionFactor:
    """CO2 by measurement or by carbon: CH4, N2O, so CO2e, and what of it is biogenic are unknown."""
    return replace(UNKNOWN, name=name, co2_kg_per_unit=co2_kg_per_unit)


def of_energy(
    found: Found, gwp_set: str | None, unit_gj: float, energy_kwh_per_unit: float
) -> EmissionFactor:
    """A factor of purchased energy, per activity unit of `unit_gj` (1 for GJ, 0.0036 for kWh)."""
    factor = found.factor
    size = FACTOR_UNITS[factor.unit]
    if size.dimension is not Dimension.ENERGY:
        return missing(
            f"{factor.name} is per {factor.unit}, not per unit of energy.",
            energy_kwh_per_unit=energy_kwh_per_unit,
        )
    if factor.co2_kg_per_unit is None:
        return missing(f"{factor.name} carries no CO2 factor.", energy_kwh_per_unit=energy_kwh_per_unit)
    units = unit_gj / size.size
    return of_gases(
        found,
        gwp_set,
        co2_kg=factor.co2_kg_per_unit * units,
        ch4_kg=_times(factor.ch4_kg_per_tj, unit_gj / 1000.0),
        n2o_kg=_times(factor.n2o_kg_per_tj, unit_gj / 1000.0),
        energy_kwh=energy_kwh_per_unit,
        biogenic_known=False,
    )


def of_gases(
    found: Found,
    gwp_set: str | None,
    *,
    co2_kg: float,
    ch4_kg: float,
    n2o_kg: float,
    energy_kwh: float,
    biogenic_known: bool = True,
    biogenic_share: float | None = None,
    name: str | None = None,
) -> EmissionFactor:
    """The emission factor of `found` from its gases per activity unit.

    Biogenic CO2 is a memo item and counts 0: all of it by a biogenic factor, none by another, unless a
    `biogenic_share` was measured. A biogenic factor printed as 0 leaves the memo unknown. CO2e is unknown
    where CH4 or N2O is (sets of CO2 only), or where the site names no GWP set. A set that gives only the sum
    (gas CO2e) leaves CO2 unknown, and its GWPs are its publisher's.
    """
    factor = found.factor
    if factor.gas == "CO2e":
        return EmissionFactor(
            name=name or factor.name,
            factor_id=factor.factor_id,
            co2_kg_per_unit=nan,
            ch4_kg_per_unit=nan,
            n2o_kg_per_unit=nan,
            co2e_kg_per_unit=co2_kg,
            biogenic_co2_kg_per_unit=nan,
            energy_kwh_per_unit=energy_kwh,
            gwp_set=None,
            provisional=found.provisional,
            missing_reason=f"{factor.name} gives CO2e only, not its CO2.",
        )
    share = float(factor.biogenic) if biogenic_share is None else biogenic_share
    counted_kg, biogenic_kg = co2_kg * (1.0 - share), co2_kg * share
    if not biogenic_known or (share > 0.0 and co2_kg == 0.0):
        biogenic_kg = nan
    co2e_kg = _co2e(share, gwp_set, counted_kg, ch4_kg, n2o_kg)
    return EmissionFactor(
        name=name or factor.name,
        factor_id=factor.factor_id,
        co2_kg_per_unit=counted_kg,
        ch4_kg_per_unit=ch4_kg,
        n2o_kg_per_unit=n2o_kg,
        co2e_kg_per_unit=co2e_kg,
        biogenic_co2_kg_per_unit=biogenic_kg,
        energy_kwh_per_unit=energy_kwh,
        gwp_set=None if isnan(co2e_kg) else gwp_set,
        provisional=found.provisional,
        missing_reason=None,
    )


def _co2e(biogenic_share: float, gwp_set: str | None, co2_kg: float, ch4_kg: float, n2o_kg: float) -> float:
    if gwp_set is None:
        return nan
    gwp = GWP_SETS[gwp_set]
    ch4 = biogenic_share * gwp.ch4(biogenic=True) + (1.0 - biogenic_share) * gwp.ch4(biogenic=False)
    return co2_kg + ch4_kg * ch4 + n2o_kg * gwp.n2o


def _times(per_tj: float | None, tj: float) -> float:
    return nan if per_tj is None else per_tj * tj
