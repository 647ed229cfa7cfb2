"""Burned fuel: CO2 = AD x NCV x CC x OF x 44/12 (NDRC guidelines, eq. 2), or per energy with oxidation 1
(IPCC, EPA).

AD is brought to the unit of the factor: mass, gas at the base state the source names, liquid by volume or
density.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Final

from services.domain import activity
from services.domain.activity import Activity, Measure, Use
from services.domain.conditions import BASE_TEMPERATURE_K, base_state_ratio
from services.domain.emission_factor import EmissionFactor, missing, of_gases
from services.domain.factors import CO2_PER_CARBON, Factor, Found, co2_of_parts
from services.domain.formulas import GAS_LINE
from services.domain.methods import liquid
from services.domain.registry.model import FuelProperties
from services.domain.units import FACTOR_UNITS, KWH_PER_GJ, Dimension

_NO_BASE_STATE: Final = (
    "The factor is per gas volume, and the source does not name its base state (factor_base_state)."
)
_MEASURED: Final = "measured"
_NO_DEVICE_STATE: Final = "The device does not name the base state of its volume (base_state)."
_NO_DENSITY: Final = "The factor asks for mass, the device counts volume, and the source names no density."


def as_received(
    carbon_air_dried: float, moisture_as_received_pct: float, moisture_air_dried_pct: float
) -> float:
    """C_ar = C_ad (100 - M_ar)/(100 - M_ad) (GB/T 483): laboratory carbon on the basis of the mass as
    metered."""
    return carbon_air_dried * (100.0 - moisture_as_received_pct) / (100.0 - moisture_air_dried_pct)


def convert(use: Use) -> tuple[Activity, EmissionFactor]:
    """Activity in t, m3 or Nm3 at the factor's base state, and the factor per that unit."""
    found = _measured_only(use) if use.facts.factor_set is None else use.found
    if isinstance(found, str):
        return activity.plain(use.kind, use.device, use.quantity), missing(found)
    counted = _activity(use, FACTOR_UNITS[found.factor.unit].dimension)
    if counted.missing_reason is not None:
        return counted, missing(counted.missing_reason)
    return counted, emission_factor(found, use.facts.fuel, use.site.gwp_set)


def emission_factor(found: Found, measured: FuelProperties | None, gwp_set: str | None) -> EmissionFactor:
    """The factor per t, m3, Nm3 or GJ: each of its parts as measured where it was, else as published."""
    factor = found.factor
    parts = _parts(factor, measured)
    if isinstance(parts, str):
        return missing(parts)
    size = FACTOR_UNITS[factor.unit].size
    energy_kwh = nan if parts.ncv_gj is None else parts.ncv_gj * KWH_PER_GJ / size
    if parts.co2_kg is None:
        return missing(f"{factor.name} carries no CO2 factor.", energy_kwh_per_unit=energy_kwh)
    return of_gases(
        found,
        gwp_set,
        co2_kg=parts.co2_kg / size,
        ch4_kg=_by_energy(factor.ch4_kg_per_tj, parts.heating_gj) / size,
        n2o_kg=_by_energy(factor.n2o_kg_per_tj, parts.heating_gj) / size,
        energy_kwh=energy_kwh,
        name=_name(factor, measured),
    )


def _name(factor: Factor, measured: FuelProperties | None) -> str:
    if measured is None:
        return factor.name
    if factor.factor_set == _MEASURED:
        return f"measured ({measured.source})"
    return f"{factor.name} with measured values ({measured.source})"


@dataclass(frozen=True, slots=True)
class _Parts:
    """Per unit of the factor: kg CO2; the heating value its kg/TJ refer to; the net calorific value."""

    co2_kg: float | None
    heating_gj: float | None
    ncv_gj: float | None


def _parts(factor: Factor, measured: FuelProperties | None) -> _Parts | str:
    heating = factor.ncv_gj_per_unit
    ncv = None if factor.basis == "HHV" else heating
    if measured is None:
        return _Parts(_published_co2(factor), heating, ncv)
    whole = measured.ncv_gj_per_unit is not None and measured.carbon_content_t_per_gj is not None
    part = measured.ncv_gj_per_unit is not None or measured.carbon_content_t_per_gj is not None
    if factor.basis == "HHV" and part and not whole:
        return f"{factor.name} is by HHV: a measured NCV and carbon content can only replace it together."
    if factor.gas == "CO2e":
        return f"{factor.name} gives CO2e only; measured values of carbon have no part in it."
    energy = measured.ncv_gj_per_unit or heating
    carbon = measured.carbon_content_t_per_gj or _carbon_content(factor)
    oxidation = factor.oxidation_rate if measured.oxidation_rate is None else measured.oxidation_rate
    co2_kg = co2_of_parts(energy, carbon, oxidation)
    if co2_kg is None:
        return f"{factor.name} lacks what the source did not measure: NCV, carbon content or oxidation rate."
    if factor.basis == "HHV":
        return _Parts(co2_kg, heating, measured.ncv_gj_per_unit)
    return _Parts(co2_kg, energy, energy)


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


def _measured_only(use: Use) -> Found | str:
    """A fuel of which everything was measured needs no set: per t, or per 1e4 Nm3 of a gas."""
    measured = use.facts.fuel
    if measured is None or None in (
        measured.ncv_gj_per_unit,
        measured.carbon_content_t_per_gj,
        measured.oxidation_rate,
    ):
        return (
            "The source names no factor set, and not all of NCV, carbon content and oxidation are measured."
        )
    gas = use.facts.factor_base_state is not None or _measure(use) is Measure.BASE_VOLUME
    unit = "1e4 Nm3" if gas else "t"
    factor = Factor(
        factor_set=_MEASURED,
        series=_MEASURED,
        fuel=use.source.carrier,
        region=None,
        unit=unit,
        gas="CO2",
        basis="LHV",
        biogenic=False,
        ncv=measured.ncv_gj_per_unit,
        ncv_unit=f"GJ/{unit}",
        carbon_content_t_per_gj=measured.carbon_content_t_per_gj,
        oxidation_rate=measured.oxidation_rate,
        co2_kg_per_unit=None,
        ch4_kg_per_tj=None,
        n2o_kg_per_tj=None,
        valid_from=None,
        valid_to=None,
        source=measured.source,
        confirmed=True,
    )
    return Found(factor, provisional=False)


def _measure(use: Use) -> Measure | None:
    return activity.measure_of(use.kind, use.quantity)


def _activity(use: Use, dimension: Dimension) -> Activity:
    """The quantity in what the factor counts. A cubic metre is gas where the source names the factor's base
    state."""
    if dimension is Dimension.VOLUME:
        dimension = Dimension.LIQUID if use.facts.factor_base_state is None else Dimension.GAS
    match dimension:
        case Dimension.MASS:
            return _mass(use)
        case Dimension.GAS:
            return _gas(use)
        case Dimension.LIQUID:
            return _liquid(use)
        case _:
            return _no_way(use, "t", "a factor per unit of energy")


def _mass(use: Use) -> Activity:
    density = use.facts.density_t_per_m3
    match _measure(use):
        case Measure.MASS:
            return activity.linear(use, "t")
        case Measure.LINE_VOLUME | Measure.BASE_VOLUME if liquid.is_liquid(use.facts):
            return liquid.mass(use)
        case Measure.LINE_VOLUME | Measure.BASE_VOLUME if density is None:
            return activity.unknown(use.kind, use.quantity, "t", _NO_DENSITY)
        case Measure.LINE_VOLUME if use.facts.factor_base_state is None and density is not None:
            return activity.linear(use, "t", density)
        case Measure.LINE_VOLUME | Measure.BASE_VOLUME if density is not None:
            # A gas by mass: its density is that at the base state the source names.
            return _gas(use, density, "t")
        case _:
            return _no_way(use, "t", "mass")


def _gas(use: Use, scale: float = 1.0, unit: str | None = None) -> Activity:
    base = use.facts.factor_base_state
    if base is None:
        return activity.unknown(use.kind, use.quantity, unit or "Nm3", _NO_BASE_STATE)
    unit = unit or f"Nm3@{base}"
    density = use.facts.density_t_per_m3
    match _measure(use):
        case Measure.BASE_VOLUME if use.device.base_state is None:
            return activity.unknown(use.kind, use.quantity, unit, _NO_DEVICE_STATE)
        case Measure.BASE_VOLUME if use.device.base_state is not None:
            return activity.linear(use, unit, scale * base_state_ratio(use.device.base_state, base))
        case Measure.LINE_VOLUME:
            offset = activity.pressure_offset_kpa(use.device)
            if isinstance(offset, str):
                return activity.unknown(use.kind, use.quantity, unit, offset)
            ratio = use.device.compressibility_ratio or 1.0
            return activity.scaled(
                use.kind,
                use.device,
                use.quantity,
                scale,
                GAS_LINE,
                unit,
                offset,
                BASE_TEMPERATURE_K[base],
                ratio,
            )
        case Measure.MASS if density is not None:
            return activity.linear(use, unit, 1.0 / density)
        case Measure.MASS:
            reason = "The factor is per volume, the device counts mass, and the source names no density."
            return activity.unknown(use.kind, use.quantity, unit, reason)
        case _:
            return _no_way(use, unit, "a gas volume")


def _liquid(use: Use) -> Activity:
    density = use.facts.density_t_per_m3
    match _measure(use):
        case Measure.LINE_VOLUME:
            return activity.linear(use, "m3")
        case Measure.MASS if density is not None:
            return activity.linear(use, "m3", 1.0 / density)
        case Measure.MASS:
            reason = "The factor is per volume, the device counts mass, and the source names no density."
            return activity.unknown(use.kind, use.quantity, "m3", reason)
        case _:
            return _no_way(use, "m3", "a liquid volume")


def _no_way(use: Use, unit: str, wanted: str) -> Activity:
    reason = f"From {use.quantity or 'no quantity'} of a {use.kind} there is no way to {wanted}."
    return activity.unknown(use.kind, use.quantity, unit, reason)
