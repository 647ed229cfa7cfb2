"""An explained hour, as the command and the JSON API give it. null is unknown, never 0. All times are UTC."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field


class Basis(StrEnum):
    """By which electricity is counted."""

    LOCATION = "location"
    MARKET = "market"


Value = float | str | bool | None


class ExplainedLine(BaseModel):
    """One value on the way from readings to CO2."""

    about: str = Field(description="device (`kind/id`) it is of; empty for the hour as a whole")
    name: str
    value: float | str | None
    unit: str
    by: str = Field(description="formula, clause or source")


class Figure(BaseModel):
    """One column of the hour: as it is kept, and as it comes out now."""

    name: str
    stored: Value
    recomputed: Value
    same: bool = Field(description="to the last bit")


class MadeBy(BaseModel):
    """The code that computes: equal where version, code and libraries are."""

    version: str
    code: str = Field(description="digest of the source that computes")
    libraries: dict[str, str]
    registry_version: int


class ReadingsUsed(BaseModel):
    """The readings that the hour rests on, its neighbours included, over all devices of the source."""

    readings: int
    first: datetime | None
    last: datetime | None


class ExplainedStep(BaseModel):
    """What a register moved between two readings, and what of it is in the hour."""

    about: str = Field(description="device (`kind/id`)")
    quantity: str
    unit: str
    begin: datetime
    end: datetime
    movement: float | None = Field(description="null where it cannot be known")
    read_as: str = Field(description="normal, rollover, jitter, unexplained or implausible")
    in_hour: float | None = Field(description="the movement's share of time in the hour")
    estimated: bool


class Explanation(BaseModel):
    """How an hour came about, and whether it comes about again."""

    site: str
    source: str
    basis: str | None
    hour: datetime
    end: datetime
    timezone: str
    scope: int
    method: str
    carrier: str
    status: str | None = Field(description="open, provisional or final; null where no hour is kept")
    revision: int | None
    computed_at: datetime | None
    computed_by: MadeBy | None = Field(description="null where it was computed before lineage was kept")
    read: ReadingsUsed | None
    recipe: str | None = Field(description="name of the recipe: see `api.recipes`")
    lines: list[ExplainedLine]
    steps: list[ExplainedStep] = Field(
        description="of registers, from the readings stored now; their shares in the hour add up"
    )
    recomputed_by: MadeBy
    recomputed_from: ReadingsUsed | None = Field(description="null where nothing comes out")
    figures: list[Figure]
    reproduced: bool | None = Field(
        description="whether it comes out again to the last bit; null where it cannot be computed again"
    )
    reasons: list[str] = Field(description="why not, in sentences; empty where it does")
