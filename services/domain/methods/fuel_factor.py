"""The factor of a burned fuel: each of its parts as measured where it was, else as published.

CO2 = NCV x CC x OF x 44/12 per unit, or C x OF x 44/12 where the laboratory gives the carbon by itself (NDRC
guidelines, eq. 2 and 3); sets per energy (IPCC, EPA) have oxidation 1. A measured HHV is EPA's tier 2 (40 CFR
98.33(a)(2), eq. C-2a).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Final

from services.domain.emission_factor import EmissionFactor, missing, of_gases
from services.domain.factors import CO2_PER_CARBON, Factor, Found, co2_of_parts
from services.domain.laboratory import Measured, measured
from services.domain.registry.model import BaseState, FuelProperties
from services.domain.units import FACTOR_UNITS, KWH_PER_GJ

MEASURED: Final = "measured"
"""The set of a fuel of which everything was measured."""


def emission_factor(
    found: Found, properties: FuelProperties | None, gwp_set: str | None, base_state: BaseState | None = None
) -> EmissionFactor:
    """The factor per t, m3, Nm3 (at `base_state`) or GJ."""
    factor = found.factor
    unit = FACTOR_UNITS[factor.unit]
    lab = None if properties is None else measured(properties, unit, base_state)
    if isinstance(lab, str):
        return missing(lab)
    parts = _published(factor) if lab is None else _parts(factor, lab)
    if isinstance(parts, str):
        return missing(parts)
    energy_kwh = nan if parts.ncv_gj is None else parts.ncv_gj * KWH_PER_GJ / unit.size
    if parts.co2_kg is None:
        return missing(f"{factor.name} carries no CO2 factor.", energy_kwh_per_unit=energy_kwh)
    return of_gases(
        found,
        gwp_set,
        co2_kg=parts.co2_kg / unit.size,
        ch4_kg=_by_energy(factor.ch4_kg_per_tj, parts.heating_gj) / unit.size,
        n2o_kg=_by_energy(factor.n2o_kg_per_tj, parts.heating_gj) / unit.size,
        energy_kwh=energy_kwh,
        biogenic_share=None if lab is None else lab.biogenic_fraction,
        name=factor.name if lab is None or properties is None else _name(factor, lab, properties),
    )


def _name(factor: Factor, lab: Measured, properties: FuelProperties) -> str:
    if factor.factor_set == MEASURED:
        return f"{MEASURED} ({properties.source})"
    return f"{factor.name} with measured {', '.join(lab.names)} ({properties.source})"


@dataclass(frozen=True, slots=True)
class _Parts:
    """Per unit of the factor: kg CO2; the heating value its kg/TJ refer to; the net calorific value."""

    co2_kg: float | None
    heating_gj: float | None
    ncv_gj: float | None


def _published(factor: Factor) -> _Parts:
    heating = factor.ncv_gj_per_unit
    return _Parts(_published_co2(factor), heating, None if factor.basis == "HHV" else heating)


def _parts(factor: Factor, lab: Measured) -> _Parts | str:
    published = _published(factor)
    ncv_gj = published.ncv_gj if lab.ncv_gj is None else lab.ncv_gj
    gross_gj = published.heating_gj if lab.hhv_gj is None else lab.hhv_gj
    heating_gj = gross_gj if factor.basis == "HHV" else ncv_gj
    if factor.gas == "CO2e":
        return f"{factor.name} gives CO2e only; measured values of carbon have no part in it."
    if lab.hhv_gj is not None and factor.basis != "HHV":
        return f"{factor.name} is by {factor.basis}: a measured HHV has no part in it."
    if lab.carbon_t is not None:
        co2_kg = co2_of_carbon(lab.carbon_t, _oxidation_rate(factor, lab))
    elif (lab.ncv_gj, lab.hhv_gj, lab.carbon_t_per_gj, lab.oxidation_rate) == (None, None, None, None):
        co2_kg = published.co2_kg
        if co2_kg is None:
            return f"{factor.name} carries no CO2 factor."
    elif factor.basis == "HHV" and (lab.ncv_gj is None) != (lab.carbon_t_per_gj is None):
        return f"{factor.name} is by HHV: a measured NCV and carbon content can only replace it together."
    else:
        carbon = _carbon_content(factor) if lab.carbon_t_per_gj is None else lab.carbon_t_per_gj
        energy_gj = heating_gj if lab.ncv_gj is None else lab.ncv_gj
        co2_kg = co2_of_parts(energy_gj, carbon, _oxidation_rate(factor, lab))
    if co2_kg is None:
        return f"{factor.name} lacks what the source did not measure: NCV, carbon content or oxidation rate."
    return _Parts(co2_kg, heating_gj, ncv_gj)


def co2_of_carbon(carbon_t_per_unit: float, oxidation_rate: float | None) -> float | None:
    """C x OF x 44/12 in kg CO2 per unit (NDRC guidelines, eq. 3); None where the oxidation is unknown."""
    return None if oxidation_rate is None else carbon_t_per_unit * oxidation_rate * CO2_PER_CARBON * 1000.0


def _oxidation_rate(factor: Factor, lab: Measured) -> float | None:
    return factor.oxidation_rate if lab.oxidation_rate is None else lab.oxidation_rate


def _published_co2(factor: Factor) -> float | None:
    """The product of the parts: what is printed beside them is rounded. Where oxidation is 1 the set is per
    energy: its product is exact, and the carbon content beside it is what was rounded."""
    if factor.oxidation_rate == 1.0 and factor.co2_kg_per_unit is not None:
        return factor.co2_kg_per_unit
    parts = co2_of_parts(factor.ncv_gj_per_unit, factor.carbon_content_t_per_gj, factor.oxidation_rate)
    return factor.co2_kg_per_unit if parts is None else parts


def _carbon_content(factor: Factor) -> float | None:
    """tC/GJ; of a set per energy from its CO2, which is exact."""
    ncv = factor.ncv_gj_per_unit
    if factor.oxidation_rate == 1.0 and factor.co2_kg_per_unit is not None and ncv is not None:
        return factor.co2_kg_per_unit / 1000.0 / CO2_PER_CARBON / ncv
    return factor.carbon_content_t_per_gj


def _by_energy(kg_per_tj: float | None, gj: float | None) -> float:
    return nan if kg_per_tj is None or gj is None else kg_per_tj * gj / 1000.0


def is_complete(properties: FuelProperties | None) -> bool:
    """Whether everything was measured, so that no set is needed."""
    if properties is None or properties.oxidation_rate is None:
        return False
    if properties.carbon_pct is not None or properties.carbon_kg_per_m3 is not None:
        return True
    ncv = (properties.ncv_gj_per_unit, properties.ncv_gj_per_t, properties.ncv_mj_per_m3)
    return properties.carbon_content_t_per_gj is not None and any(value is not None for value in ncv)


def all_measured(properties: FuelProperties, carrier: str, *, gas: bool) -> Found:
    """A factor without a set, of whose parts each is measured: per t, per m3, or per 1e4 Nm3 of a `gas` whose
    values are per unit."""
    if properties.ncv_mj_per_m3 is not None or properties.carbon_kg_per_m3 is not None:
        unit = "m3"
    elif properties.ncv_gj_per_t is not None or properties.carbon_pct is not None:
        unit = "t"
    else:
        unit = "1e4 Nm3" if gas else "t"
    factor = Factor(
        factor_set=MEASURED,
        series=MEASURED,
        fuel=carrier,
        region=None,
        unit=unit,
        gas="CO2",
        basis="LHV",
        biogenic=False,
        ncv=None,
        ncv_unit=None,
        carbon_content_t_per_gj=None,
        oxidation_rate=None,
        co2_kg_per_unit=None,
        ch4_kg_per_tj=None,
        n2o_kg_per_tj=None,
        valid_from=None,
        valid_to=None,
        source=properties.source,
        confirmed=True,
    )
    return Found(factor, provisional=False)
