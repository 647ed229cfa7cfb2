"""What the ledger said at an instant, and why it says something else today: for people, in sums."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple

from psycopg.rows import class_row

from services.store.errors import StoreError
from services.store.pool import Connection


class Moment(NamedTuple):
    """The instant asked about at one site, and the hours compared: of what had ended by then."""

    site: str
    as_of: datetime
    from_hour: datetime | None
    to_hour: datetime | None


class SourceSum(NamedTuple):
    """A source on one basis, then and now: kg of CO2 of the hours known, None where none is."""

    site: str
    source: str
    scope: int
    basis: str | None
    in_total: bool
    hours_then: int
    co2_kg_then: float | None
    hours_now: int
    co2_kg_now: float | None


class Change(NamedTuple):
    """What changed the sum of a source since, for one reason."""

    site: str
    source: str
    basis: str | None
    reason: str
    detail: str | None
    restatement: int | None
    hours: int
    co2_kg: float
    co2_kg_in_total: float


# A quarter of an hour after a day's end on the site's clock: then the day's last hour is exact, too. Or an
# instant as it is.
_MOMENTS: Final = """
SELECT s.site,
    coalesce(%(instant)s::timestamptz,
        (%(day)s::date + 1)::timestamp AT TIME ZONE s.timezone + interval '15 minutes'),
    %(first)s::date::timestamp AT TIME ZONE s.timezone,
    (%(last)s::date + 1)::timestamp AT TIME ZONE s.timezone
FROM core.site s
WHERE %(site)s::text IS NULL OR s.site = %(site)s
ORDER BY s.site
"""

_SUMS: Final = """
SELECT coalesce(t.site, n.site) AS site, source, coalesce(t.scope, n.scope) AS scope,
    nullif(key_basis, 'none') AS basis, key_in_total AS in_total, coalesce(t.hours, 0) AS hours_then,
    t.co2_kg AS co2_kg_then, coalesce(n.hours, 0) AS hours_now, n.co2_kg AS co2_kg_now
FROM (
    SELECT h.site, h.source, h.scope, coalesce(h.basis, 'none') AS key_basis, h.in_total AS key_in_total,
        count(*) AS hours, sum(h.co2_kg) AS co2_kg
    FROM api.emissions_as_of(%(as_of)s::timestamptz) h
    WHERE h.site = %(site)s AND h.hour >= %(from)s::timestamptz AND h.hour < %(to)s::timestamptz
        AND h.hour < %(as_of)s::timestamptz - interval '1 hour'
    GROUP BY h.site, h.source, h.scope, h.basis, h.in_total
) AS t
FULL JOIN (
    SELECT h.site, h.source, h.scope, coalesce(h.basis, 'none') AS key_basis, h.in_total AS key_in_total,
        count(*) AS hours, sum(h.co2_kg) AS co2_kg
    FROM api.emissions_hourly h
    WHERE h.site = %(site)s AND h.hour >= %(from)s::timestamptz AND h.hour < %(to)s::timestamptz
        AND h.hour < %(as_of)s::timestamptz - interval '1 hour'
    GROUP BY h.site, h.source, h.scope, h.basis, h.in_total
) AS n USING (source, key_basis, key_in_total)
ORDER BY source, basis, in_total DESC
"""

_CHANGES: Final = """
SELECT site, source, basis, reason, detail, restatement, hours, co2_kg, co2_kg_in_total
FROM api.emissions_difference(%(as_of)s::timestamptz, %(from)s::timestamptz, %(to)s::timestamptz, %(site)s)
ORDER BY source, basis, abs(co2_kg) DESC, reason, restatement
"""


async def moments(
    connection: Connection,
    day_or_instant: date | datetime,
    site: str | None,
    first: date | None,
    last: date | None,
) -> list[Moment]:
    """A quarter of an hour after that local day at each site, or the instant; with the local days `first` to
    `last` of which hours are compared. Raises StoreError where there is no such site, psycopg.Error."""
    instant = day_or_instant if isinstance(day_or_instant, datetime) else None
    parameters = {"instant": instant, "day": day_or_instant, "site": site, "first": first, "last": last}
    cursor = await connection.execute(_MOMENTS, parameters)
    found = [Moment(*row) for row in await cursor.fetchall()]
    if site is not None and not found:
        raise StoreError(f"The registry has no site {site}: see api.sites.")
    return found


async def sums_of(connection: Connection, moment: Moment) -> list[SourceSum]:
    """Each source of the site, then and now. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(SourceSum)) as cursor:
        await cursor.execute(_SUMS, _parameters(moment))
        return await cursor.fetchall()


async def changes_of(connection: Connection, moment: Moment) -> list[Change]:
    """Why they differ: the changes of a source add up to the difference. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(Change)) as cursor:
        await cursor.execute(_CHANGES, _parameters(moment))
        return await cursor.fetchall()


def _parameters(moment: Moment) -> dict[str, str | datetime]:
    return {
        "site": moment.site,
        "as_of": moment.as_of,
        "from": moment.from_hour or "-infinity",
        "to": moment.to_hour or "infinity",
    }
