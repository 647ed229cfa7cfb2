"""Purchased electricity, location-based: kWh x grid factor of place and year (GHG Protocol scope 2
guidance). `market` has the other basis."""

from __future__ import annotations

from services.domain import activity
from services.domain.activity import Activity, Measure, Use
from services.domain.emission_factor import EmissionFactor, missing, of_energy
from services.domain.units import GJ_PER_KWH


def convert(use: Use) -> tuple[Activity, EmissionFactor]:
    """kWh imported, never negative: what is fed back is no negative purchase."""
    if activity.measure_of(use.kind, use.quantity) is not Measure.ELECTRICITY:
        reason = f"{use.quantity or 'No quantity'} of a {use.kind} is not electric energy."
        return activity.unknown(use.kind, use.quantity, "kWh", reason), missing(reason)
    counted = activity.linear(use, "kWh")
    if isinstance(use.found, str):
        return counted, missing(use.found, energy_kwh_per_unit=1.0)
    return counted, of_energy(use.found, use.site.gwp_set, GJ_PER_KWH, 1.0)
