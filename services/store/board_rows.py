"""Rows of the `api` views as the JSON API and the board show them: names carry units, None is unknown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


def _finite(value: float | None) -> float | None:
    """What is no number is unknown; JSON has neither NaN nor Infinity."""
    return value if value is not None and abs(value) < float("inf") else None


Number = Annotated[float | None, PlainSerializer(_finite)]
"""A measured or computed amount; null where unknown, which is never 0."""


class Row(BaseModel):
    """A row of a view, read-only."""

    model_config = ConfigDict(frozen=True)


class SiteRow(Row):
    site: str = Field(description="site id")
    name: str
    timezone: str = Field(description="IANA name; it cuts hours and days")
    country: str | None
    region: str | None = Field(description="place of the grid factor")


class LiveRow(Row):
    time: datetime | None = Field(description="device time of the oldest of the newest readings")
    site: str
    source: str
    name: str
    scope: int
    basis: str | None = Field(description="`location` or `market` for electricity, else null")
    method: str
    carrier: str
    co2_kg_per_h: Number = Field(description="kg CO2/h; null where unknown or a device is silent")
    co2e_kg_per_h: Number = Field(description="kg CO2 equivalent/h; null where unknown")
    factor: str | None = Field(description="emission factor used, `set/fuel`")
    factor_valid_to: date | None = Field(description="last day of the factor's data year; null where open")
    in_total: bool = Field(description="whether the row counts in a total")
    age_s: Number = Field(description="seconds since `time`")


class EmissionHourRow(Row):
    hour: datetime = Field(description="begin of the hour of the site's clock")
    site: str
    area: str | None
    source: str
    scope: int
    basis: str | None
    method: str
    carrier: str
    activity: Number = Field(description="in activity_unit")
    activity_unit: str
    co2_kg: Number
    ch4_kg: Number
    n2o_kg: Number
    co2e_kg: Number
    biogenic_co2_kg: Number
    gwp_set: str | None
    factor: str | None
    in_total: bool
    uncertainty_pct: Number = Field(description="half width of the 95 % interval of co2_kg, in per cent")
    coverage: float = Field(description="share of the hour that readings cover, 0 to 1")
    estimated: bool
    status: str = Field(description="`open`, `provisional` or `final`")
    missing_reason: str | None = Field(description="why co2_kg is null")
    revision: int
    computed_at: datetime
    activity_uncertainty_pct: Number = Field(description="the activity's part of uncertainty_pct")
    factor_uncertainty_pct: Number = Field(description="the factor's part of uncertainty_pct")


class EmissionDayRow(Row):
    day: date = Field(description="date on the site's calendar")
    site: str
    area: str | None
    source: str
    scope: int
    basis: str | None
    method: str
    carrier: str
    co2_kg: Number = Field(description="of the hours known; null where none is")
    co2e_kg: Number
    in_total: bool
    coverage: float = Field(description="share of the whole day that readings cover, 0 to 1")
    status: str


class EnergyHourRow(Row):
    hour: datetime = Field(description="begin of the hour of the site's clock")
    site: str
    area: str | None
    device: str
    carrier: str
    amount: Number = Field(description="in unit")
    unit: str
    energy_kwh: Number = Field(description="of fuels by NCV")
    in_total: bool
    coverage: float
    estimated: bool


class EnergyDayRow(Row):
    day: date = Field(description="date on the site's calendar")
    site: str
    area: str | None
    device: str
    carrier: str
    amount: Number = Field(description="in unit, of the hours known; null where none is")
    unit: str
    energy_kwh: Number = Field(description="of the hours known; null where none is")
    in_total: bool
    coverage: float = Field(description="share of the whole day that readings cover, 0 to 1")
    estimated: bool


class DeviceRow(Row):
    site: str
    area: str | None
    device: str
    kind: str
    assigned: bool = Field(description="whether the registry knows the device now")
    state: str | None = Field(description="`online`, `offline` or null, as the device or its last will said")
    last_time: datetime | None = Field(description="device time of the newest stored reading")
    last_received_at: datetime | None
    interval_s: Number = Field(description="expected seconds between readings")
    stale: bool | None = Field(description="newest reading older than 3 intervals; null where none is known")


class TotalsRow(Row):
    client: str = Field(description="client id of the ingest process")
    received: int = Field(description="= stored + duplicate + rejected")
    stored: int
    duplicate: int
    rejected: int


class ReasonRow(Row):
    reason: str
    outstanding: int = Field(description="neither replayed nor accepted")
    newest_at: datetime


class DeadLetterRow(Row):
    id: int
    received_at: datetime
    topic: str
    reason: str
    detail: str


class BacklogRow(Row):
    backlog: int
    oldest_written_at: datetime | None
    lag_s: float
    live_lag_s: float = 0.0
    """Of the running hour and the last."""


class SourceHourRow(Row):
    """An hour of one source, as the board sums and draws it."""

    site: str
    source: str
    hour: datetime
    co2_kg: Number
    in_total: bool
    coverage: float
    estimated: bool
    status: str
    missing_reason: str | None
    method: str = ""
    factor: str | None = None
    activity_uncertainty_pct: Number = None
    factor_uncertainty_pct: Number = None


class CarrierHourRow(Row):
    """An hour of one energy carrier of a site, over its in_total devices."""

    site: str
    carrier: str
    hour: datetime
    energy_kwh: Number = Field(description="of the devices known; null where none is")
    devices: int
    unknown: int = Field(description="devices whose energy is unknown")
    coverage: float = Field(description="mean over the devices, 0 to 1")
    estimated: bool


class SourceRow(Row):
    site: str
    source: str
    name: str
    scope: int
    method: str
    carrier: str
    area: str | None
    in_total: bool
    reconciles_with: str | None = None


class DeviceCountRow(Row):
    site: str
    devices: int
    stale: int = Field(description="newest reading older than 3 expected intervals")
    offline: int = Field(description="said so themselves, or their last will did")
    unassigned: int = Field(description="send, but the registry does not know them")
