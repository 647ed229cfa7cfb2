"""Laboratory values of a fuel, brought to the basis of what is metered.

Solids are analysed air-dried (ad), or reported dry (d) or dry and free of ash (daf), and metered as received
(ar): C_ar = C_ad (100 - M_ar)/(100 - M_ad), GB/T 483 and ISO 1170. A net calorific value besides pays for the
water's evaporation: Q_ar = (Q_ad + 23 M_ad)(100 - M_ar)/(100 - M_ad) - 23 M_ar [kJ/kg, moisture in %],
GB/T 213 (at constant volume; ISO 1928 at constant pressure has 24.4, worth 0.06 % at 10 % moisture).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from services.domain.conditions import base_state_ratio
from services.domain.registry.model import BaseState, FuelProperties, LabBasis
from services.domain.units import Dimension, FactorUnit

EVAPORATION_KJ_PER_KG_PCT: Final = 23.0
"""What evaporating one per cent of water takes of a kilogram's heat."""

_NEEDS: Final = MappingProxyType(
    {
        LabBasis.AS_RECEIVED: (),
        LabBasis.AIR_DRIED: ("moisture_pct", "moisture_air_dried_pct"),
        LabBasis.DRY: ("moisture_pct",),
        LabBasis.DRY_ASH_FREE: ("moisture_pct", "ash_dry_pct"),
    }
)


class Sample(NamedTuple):
    """Moisture and ash of a sample, as far as known: total, of the mass as metered; air-dried; dry."""

    moisture_pct: float | None = None
    moisture_air_dried_pct: float | None = None
    ash_dry_pct: float | None = None


def lacking(basis: LabBasis, sample: Sample) -> tuple[str, ...]:
    """What is not known of the sample and is needed to leave the basis."""
    return tuple(name for name in _NEEDS[basis] if getattr(sample, name) is None)


def as_received(value: float, basis: LabBasis, sample: Sample) -> float:
    """A share of the mass (carbon, ash) on the basis of the mass as metered, in its own unit. What `lacking`
    names must be known."""
    return value * _share(basis, sample)


def ncv_as_received(ncv_kj_per_kg: float, basis: LabBasis, sample: Sample) -> float:
    """A net calorific value [kJ/kg] on the basis of the mass as metered."""
    if basis is LabBasis.AS_RECEIVED:
        return ncv_kj_per_kg
    own_pct = (sample.moisture_air_dried_pct or 0.0) if basis is LabBasis.AIR_DRIED else 0.0
    without_water = ncv_kj_per_kg + EVAPORATION_KJ_PER_KG_PCT * own_pct
    return without_water * _share(basis, sample) - EVAPORATION_KJ_PER_KG_PCT * (sample.moisture_pct or 0.0)


def _share(basis: LabBasis, sample: Sample) -> float:
    """kg of what the basis counts per kg as metered."""
    received = 100.0 - (sample.moisture_pct or 0.0)
    match basis:
        case LabBasis.AS_RECEIVED:
            return 1.0
        case LabBasis.AIR_DRIED:
            return received / (100.0 - (sample.moisture_air_dried_pct or 0.0))
        case LabBasis.DRY:
            return received / 100.0
        case LabBasis.DRY_ASH_FREE:
            return received / 100.0 * (100.0 - (sample.ash_dry_pct or 0.0)) / 100.0


class Measured(NamedTuple):
    """Measured properties per unit of a factor, as metered; None where not measured."""

    ncv_gj: float | None = None
    carbon_t: float | None = None
    """Carbon by itself, where it is not by NCV and `carbon_t_per_gj`."""
    carbon_t_per_gj: float | None = None
    oxidation_rate: float | None = None
    biogenic_fraction: float | None = None
    hhv_gj: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What was measured, as the name of the factor tells it."""
        told = {
            "NCV": self.ncv_gj,
            "HHV": self.hhv_gj,
            "carbon": self.carbon_t_per_gj if self.carbon_t is None else self.carbon_t,
            "oxidation": self.oxidation_rate,
            "biogenic fraction": self.biogenic_fraction,
        }
        return tuple(name for name, value in told.items() if value is not None)


def sample_of(fuel: FuelProperties) -> Sample:
    """What the registry says of the sample."""
    return Sample(fuel.moisture_pct, fuel.moisture_air_dried_pct, fuel.ash_dry_pct)


def measured(fuel: FuelProperties, unit: FactorUnit, base_state: BaseState | None) -> Measured | str:
    """The properties per `unit` (its gas at `base_state`), or the reason why they cannot be said so."""
    is_mass = unit.dimension is Dimension.MASS
    if is_mass and _any(fuel.ncv_mj_per_m3, fuel.hhv_mj_per_m3, fuel.carbon_kg_per_m3):
        return "The laboratory's values are per m3, and the factor is per mass."
    if not is_mass and _any(fuel.ncv_gj_per_t, fuel.hhv_gj_per_t, fuel.carbon_pct):
        return "The laboratory's values are per mass, and the factor is per volume."
    for basis in (fuel.ncv_basis, fuel.hhv_basis, fuel.carbon_basis):
        if basis is not None and (names := lacking(basis, sample_of(fuel))):
            return f"Laboratory values on the basis {basis} lack {' and '.join(names)}."
    return _per_mass(fuel, unit) if is_mass else _per_volume(fuel, unit, base_state)


def _any(*values: float | None) -> bool:
    return any(value is not None for value in values)


def _per_mass(fuel: FuelProperties, unit: FactorUnit) -> Measured:
    sample = sample_of(fuel)
    ncv_gj, hhv_gj, carbon_t = fuel.ncv_gj_per_unit, None, None
    if fuel.ncv_gj_per_t is not None:
        basis = fuel.ncv_basis or LabBasis.AS_RECEIVED
        # MJ/kg is GJ/t, and kJ/kg a thousandth of it.
        ncv_gj = ncv_as_received(fuel.ncv_gj_per_t * 1000.0, basis, sample) / 1000.0 * unit.size
    if fuel.hhv_gj_per_t is not None:
        # A gross value does not pay for the water: it goes with the dry mass alone.
        basis = fuel.hhv_basis or LabBasis.AS_RECEIVED
        hhv_gj = as_received(fuel.hhv_gj_per_t, basis, sample) * unit.size
    if fuel.carbon_pct is not None:
        basis = fuel.carbon_basis or LabBasis.AS_RECEIVED
        carbon_t = as_received(fuel.carbon_pct, basis, sample) / 100.0 * unit.size
    return Measured(
        ncv_gj, carbon_t, fuel.carbon_content_t_per_gj, fuel.oxidation_rate, fuel.biogenic_fraction, hhv_gj
    )


def _per_volume(fuel: FuelProperties, unit: FactorUnit, base_state: BaseState | None) -> Measured | str:
    per_m3 = _any(fuel.ncv_mj_per_m3, fuel.hhv_mj_per_m3, fuel.carbon_kg_per_m3)
    if per_m3 and base_state is not None and fuel.base_state is None:
        return "The laboratory's values are per m3 of gas, and their base state is not named."
    if base_state is None or fuel.base_state is None:
        m3 = unit.size
    else:
        m3 = unit.size * base_state_ratio(base_state, fuel.base_state)
    return Measured(
        fuel.ncv_gj_per_unit if fuel.ncv_mj_per_m3 is None else fuel.ncv_mj_per_m3 / 1000.0 * m3,
        None if fuel.carbon_kg_per_m3 is None else fuel.carbon_kg_per_m3 / 1000.0 * m3,
        fuel.carbon_content_t_per_gj,
        fuel.oxidation_rate,
        fuel.biogenic_fraction,
        None if fuel.hhv_mj_per_m3 is None else fuel.hhv_mj_per_m3 / 1000.0 * m3,
    )
