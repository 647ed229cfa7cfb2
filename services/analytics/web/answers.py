"""Answers of the JSON API. Rows are those of the `api` views; null is unknown, never 0. All times are UTC."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from services.store import board_rows as rows


class SitesAnswer(BaseModel):
    sites: list[rows.SiteRow]


class LiveAnswer(BaseModel):
    """The newest rate of each source."""

    as_of: datetime
    total_co2_kg_per_h: rows.Number = Field(
        description="over the in_total rows; null where one of them is unknown"
    )
    unknown: list[str] = Field(description="in_total sources (`site/source`) whose rate is unknown")
    sources: list[rows.LiveRow]


class EmissionHours(BaseModel):
    """Sum the rows with in_total only."""

    grain: str = "hour"
    begin: datetime
    end: datetime = Field(description="not included")
    rows: list[rows.EmissionHourRow]


class EmissionDays(BaseModel):
    """Sum the rows with in_total only."""

    grain: str = "day"
    begin: date
    end: date = Field(description="not included")
    rows: list[rows.EmissionDayRow]


class EnergyHours(BaseModel):
    """Sum the rows with in_total only."""

    grain: str = "hour"
    begin: datetime
    end: datetime = Field(description="not included")
    rows: list[rows.EnergyHourRow]


class EnergyDays(BaseModel):
    """Sum the rows with in_total only."""

    grain: str = "day"
    begin: date
    end: date = Field(description="not included")
    rows: list[rows.EnergyDayRow]


class DevicesAnswer(BaseModel):
    devices: list[rows.DeviceRow]
    next_after: str | None = Field(description="give it as `after` for the next page; null at the last")


class IngestAnswer(BaseModel):
    """What became of every reading: received = stored + duplicate + rejected."""

    as_of: datetime
    received: int
    stored: int
    duplicate: int
    rejected: int
    received_per_s: rows.Number = Field(
        description="over the last minute at most; null until it was looked at twice"
    )
    clients: list[rows.TotalsRow]
    dead_letters: list[rows.ReasonRow] = Field(description="neither replayed nor accepted, by reason")
    ledger: rows.BacklogRow = Field(description="what the hourly ledger still has to compute")


class Alive(BaseModel):
    status: str = "ok"


class Ready(BaseModel):
    ready: bool
    database: str = Field(description="`ok`, or what is wrong")
    migrations: str = Field(description="`ok`, or what is missing")
    ledger: str = Field(description="`ok`, or how far it is behind")
    ledger_lag_s: float | None = Field(description="age of the oldest reading that is in no ledger yet")
