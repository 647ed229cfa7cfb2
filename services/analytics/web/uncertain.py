"""The uncertainty of sums of hours: rows of the API and the board as summands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from math import nan

from services.domain.registry.model import Method
from services.domain.uncertainty import Summand, total
from services.store.board_rows import SourceHourRow


def factors_of(site: str, source: str, method: str, factor: str | None) -> tuple[Hashable, ...]:
    """What a source was multiplied by; the carbon of a mass balance is its own, whatever it is called."""
    if method == Method.MASS_BALANCE or factor is None:
        return ((site, source),)
    return tuple(factor.split(", "))


def uncertainty_pct(rows: Iterable[SourceHourRow]) -> float | None:
    """Of the CO2 of hours, 95 %; None where that of one is unknown, or where they sum up to nothing."""
    by_factor: defaultdict[tuple[str, str, str, str | None], list[SourceHourRow]] = defaultdict(list)
    for row in rows:
        if row.co2_kg:  # neither unknown, which is in no sum, nor 0, which adds nothing
            by_factor[row.site, row.source, row.method, row.factor].append(row)
    return total(
        Summand(
            source=key[:2],
            factors=factors_of(*key),
            amount=sum(row.co2_kg or 0.0 for row in hours),
            activity_width=_width(hours, "activity_uncertainty_pct"),
            factor_width=_width(hours, "factor_uncertainty_pct"),
        )
        for key, hours in by_factor.items()
    ).uncertainty_pct


def _width(hours: Iterable[SourceHourRow], name: str) -> float:
    """Over the hours of one meter and one factor the half widths add up; NaN where one is unknown."""
    found = 0.0
    for row in hours:
        pct = getattr(row, name)
        found += nan if pct is None else (row.co2_kg or 0.0) * pct / 100.0
    return found
