"""Totals of sites over days, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import nan

from pydantic import BaseModel, Field

from services.analytics.web.uncertain import factors_of
from services.domain.uncertainty import Summand, total
from services.store.board_rows import Number
from services.store.emission_sums import EmissionSumRow


class Total(BaseModel):
    """CO2 over days. The uncertainty is the half width of the 95 % interval, in per cent (IPCC 2006, vol. 1
    ch. 3, approach 1): meters are independent, what shares a factor errs together."""

    co2_kg: Number = Field(description="of the hours known; null where none is")
    uncertainty_pct: Number = Field(description="of co2_kg; null where that of a part of it is unknown")
    assessed_co2_kg: Number = Field(description="the part of co2_kg whose uncertainty is known")
    assessed_uncertainty_pct: Number = Field(description="of assessed_co2_kg")
    hours: int = Field(description="of sources: an hour of two sources is two")
    unknown_hours: int = Field(description="those of them whose CO2 is unknown and is in no sum")


class SiteTotal(Total):
    site: str


class TotalsAnswer(BaseModel):
    """Each tonne once: the in_total rows."""

    begin: date
    end: date = Field(description="not included")
    sites: list[SiteTotal]
    total: Total = Field(description="over these sites")


def totals(begin: date, end: date, rows: Sequence[EmissionSumRow]) -> TotalsAnswer:
    """The answer from the sums of all sources over [begin, end)."""
    names = dict.fromkeys(row.site for row in rows)
    return TotalsAnswer(
        begin=begin,
        end=end,
        sites=[_of_site(name, [row for row in rows if row.site == name]) for name in names],
        total=_total(rows),
    )


def _of_site(site: str, rows: Sequence[EmissionSumRow]) -> SiteTotal:
    return SiteTotal.model_validate({"site": site, **_total(rows).model_dump()})


def _total(rows: Sequence[EmissionSumRow]) -> Total:
    found = total(_summand(row) for row in rows if row.co2_kg is not None)
    return Total(
        co2_kg=found.amount,
        uncertainty_pct=found.uncertainty_pct,
        assessed_co2_kg=found.assessed_amount,
        assessed_uncertainty_pct=found.assessed_uncertainty_pct,
        hours=sum(row.hours for row in rows),
        unknown_hours=sum(row.unknown_hours for row in rows),
    )


def _summand(row: EmissionSumRow) -> Summand:
    return Summand(
        source=(row.site, row.source),
        factors=factors_of(row.site, row.source, row.method, row.factor),
        amount=row.co2_kg or 0.0,
        activity_width=nan if row.activity_kg is None or not row.assessed else row.activity_kg,
        factor_width=nan if row.factor_kg is None or not row.assessed else row.factor_kg,
    )
