"""The rows of the ledger, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import nan
from typing import NamedTuple

from services.domain.arrays import FloatArray
from services.domain.conversion import SourceKey
from services.domain.reading import DeviceKey


class SourceBasis(NamedTuple):
    """A source and one way of counting it: the key of its hours, but for the hour."""

    site: str
    source: str
    basis: str
    """'location' or 'market'; 'none' where a method has none."""


class DeviceHour(NamedTuple):
    """One quantity of a device in one hour, in the quantity's unit as sent; None where unknown."""

    device: DeviceKey
    hour: datetime
    quantity: int
    readings: int
    min: float | None
    max: float | None
    mean: float | None
    first: float | None
    last: float | None
    consumption: float | None
    coverage: float
    estimated: bool


class EnergyHour(NamedTuple):
    """The energy, or the carrier, that a device counted in one hour."""

    device: DeviceKey
    hour: datetime
    area: str | None
    carrier: str
    amount: float | None
    unit: str
    energy_kwh: float | None
    in_total: bool
    coverage: float
    estimated: bool


class EmissionHour(NamedTuple):
    """The emissions of a source in one hour; None where unknown, with the reason."""

    source: SourceBasis
    hour: datetime
    area: str | None
    activity: float | None
    activity_unit: str
    co2_kg: float | None
    ch4_kg: float | None
    n2o_kg: float | None
    co2e_kg: float | None
    biogenic_co2_kg: float | None
    gwp_set: str | None
    factor: str | None
    factor_provisional: bool
    in_total: bool
    uncertainty_pct: float | None
    coverage: float
    estimated: bool
    missing_reason: str | None
    activity_uncertainty_pct: float | None = None
    factor_uncertainty_pct: float | None = None
    """What of `uncertainty_pct` is the activity's and what the factor's: sums of hours need them apart."""
    parts: str | None = None
    """What each part contributed, by `contributions`; None where there is one, which the row then is."""


class StackHour(NamedTuple):
    """One item of a judged stack in one hour: a quantity's mean, or the emission [kg CO2]."""

    source: SourceKey
    device: DeviceKey
    item: str
    hour: datetime
    ran_h: float
    """How long the unit ran."""
    measured: float | None
    """None where the hour is not valid; of a quantity also where the unit did not run."""
    substituted: float | None
    method: str | None
    """By which rung of which policy."""
    reason: str | None
    """Why nothing stands in for what is missing."""
    availability_pct: float | None
    gap_h: int | None
    reporting_value: float | None = None
    """As a rule has it reported, in `reporting_unit`: rounded, and nothing is summed from it."""
    reporting_unit: str | None = None


def total(amounts: Sequence[float]) -> float | None:
    """The amounts added up one after the other; None where there is none or one is NaN."""
    amount = nan
    for index, each in enumerate(amounts):
        amount = each if index == 0 else amount + each
    return known(amount)


def known(value: float) -> float | None:
    """NaN is unknown; a zero has no sign."""
    return None if value != value else value + 0.0


def known_list(values: FloatArray) -> list[float | None]:
    """`known` of every value."""
    return [known(value) for value in values.tolist()]
