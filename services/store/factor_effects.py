"""What new factors would make of the stored hours, in kg by source and month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import isnan
from typing import Final, NamedTuple

from services.domain.factor_effects import Effect
from services.store.pool import Connection


@dataclass(frozen=True, slots=True)
class MonthEffect:
    """A source on one basis in one month of the site's calendar: what is stored of the hours that would
    change, and what it would be."""

    site: str
    source: str
    basis: str | None
    month: date
    hours: int
    co2_kg: float | None
    """Stored; None where no hour is known."""
    new_co2_kg: float | None
    """None where no hour would be known."""
    unknown_hours: int
    """Stored without CO2."""
    new_unknown_hours: int
    """That would be without."""
    reason: str | None
    """Why some of them would be."""

    @property
    def difference_kg(self) -> float | None:
        """None where either is unknown."""
        return None if self.co2_kg is None or self.new_co2_kg is None else self.new_co2_kg - self.co2_kg


class _Sum(NamedTuple):
    """Stored hours of one effect in one month."""

    effect: int
    month: date
    hours: int
    known: int
    co2_kg: float | None
    counted: int
    activity: float | None


async def month_effects(connection: Connection, effects: Sequence[Effect]) -> list[MonthEffect]:
    """The effects on the hours that are stored, by source and month. Raises psycopg.Error."""
    columns = [
        [each.source.site for each in effects],
        [each.source.source for each in effects],
        [each.basis for each in effects],
        [each.begin for each in effects],
        [each.end for each in effects],
    ]
    cursor = await connection.execute(_SUMS, columns)
    found: defaultdict[tuple[str, str, str, date], list[_Sum]] = defaultdict(list)
    for row in map(_Sum._make, await cursor.fetchall()):
        effect = effects[row.effect - 1]
        found[effect.source.site, effect.source.source, effect.basis, row.month].append(row)
    return [_month(*key, sums, effects) for key, sums in sorted(found.items())]


def _month(
    site: str, source: str, basis: str, month: date, sums: Sequence[_Sum], effects: Sequence[Effect]
) -> MonthEffect:
    hours = sum(each.hours for each in sums)
    told = [each for each in sums if not isnan(effects[each.effect - 1].co2_kg_per_unit)]
    stored = [each.co2_kg for each in sums if each.co2_kg is not None]
    new = [
        each.activity * effects[each.effect - 1].co2_kg_per_unit for each in told if each.activity is not None
    ]
    reasons = dict.fromkeys(effects[each.effect - 1].reason for each in sums if each not in told)
    return MonthEffect(
        site=site,
        source=source,
        basis=None if basis == "none" else basis,
        month=month,
        hours=hours,
        co2_kg=sum(stored) if stored else None,
        new_co2_kg=sum(new) if new else None,
        unknown_hours=hours - sum(each.known for each in sums),
        new_unknown_hours=hours - sum(each.counted for each in told),
        reason=" ".join(each for each in reasons if each) or None,
    )


# An hour in which a factor or fact changes goes by its begin.
_SUMS: Final = """
SELECT effect.number, date_trunc('month', h.hour AT TIME ZONE t.timezone)::date AS month, count(*) AS hours,
    count(h.co2_kg) AS known, sum(h.co2_kg) AS co2_kg, count(h.activity) AS counted,
    sum(h.activity) AS activity
FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
    AS effect (site, source, basis, begins, ends, number)
JOIN core.source s ON s.site = effect.site AND s.source = effect.source
JOIN core.site t ON t.site = s.site
JOIN core.emission_hour h ON h.source_id = s.source_id AND h.basis = effect.basis
    AND h.hour >= effect.begins AND h.hour < effect.ends
GROUP BY effect.number, date_trunc('month', h.hour AT TIME ZONE t.timezone)::date
"""
