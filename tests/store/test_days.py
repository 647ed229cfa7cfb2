"""Days and months: the sums of their hours, by the site's own calendar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from services.domain.ledger.hours import DAY_US, HourGrid, from_us, to_us
from services.store.ledger_areas import roll_up_areas
from services.store.ledger_days import roll_up_days
from services.store.ledger_rows import Span
from services.store.pool import Connection, connect

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
ZONES = {
    "Asia/Shanghai": [date(2025, 6, 15)],
    "Asia/Kolkata": [date(2025, 6, 15)],
    "Asia/Kathmandu": [date(2025, 6, 15)],
    "Europe/Berlin": [date(2025, 3, 30), date(2025, 6, 15), date(2025, 10, 26)],
    "America/New_York": [date(2025, 3, 9), date(2025, 11, 2)],
    "Australia/Lord_Howe": [date(2025, 4, 6), date(2025, 10, 5)],  # half an hour
    "America/Havana": [date(2025, 3, 9), date(2025, 11, 2)],  # no midnight, and two of them
    "Africa/Cairo": [date(2025, 4, 25), date(2025, 10, 31)],
}
LENGTHS_H = {
    ("Europe/Berlin", date(2025, 3, 30)): 23,
    ("Europe/Berlin", date(2025, 10, 26)): 25,
    ("America/New_York", date(2025, 3, 9)): 23,
    ("America/New_York", date(2025, 11, 2)): 25,
    ("Australia/Lord_Howe", date(2025, 4, 6)): 24.5,
    ("Australia/Lord_Howe", date(2025, 10, 5)): 23.5,
    ("America/Havana", date(2025, 3, 9)): 23,
    ("America/Havana", date(2025, 11, 2)): 25,
    ("Africa/Cairo", date(2025, 4, 25)): 23,
    ("Africa/Cairo", date(2025, 10, 30)): 25,
}
CASES = [(zone, day) for zone, days in ZONES.items() for day in days]


@dataclass
class Ledger:
    """A database with one site of each zone, one source and one meter in it, and its hours."""

    connection: Connection

    async def fetch(self, query: LiteralString, *values: object) -> list[dict[str, Any]]:
        """Rows as dicts."""
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()

    async def view(self, name: str, *columns: str) -> list[dict[str, Any]]:
        """Some columns of a view."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier("api", name))
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement)
            return await cursor.fetchall()

    async def site(self, zone: str) -> int:
        """A site with a source and a meter of the same number; that number."""
        site = zone.lower().replace("/", "-")
        await self.connection.execute(
            "INSERT INTO core.site (site, timezone) VALUES (%s, %s) ON CONFLICT DO NOTHING", [site, zone]
        )
        [row] = await self.fetch(
            "INSERT INTO core.source (site, source, scope, method, carrier)"
            " VALUES (%s, 'power-' || gen_random_uuid(), 2, 'electricity', 'electricity')"
            " RETURNING source_id",
            site,
        )
        number: int = row["source_id"]
        await self.connection.execute(
            "INSERT INTO core.device (device_id, site, kind, device) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, %s, 'meter', 'm' || %s)",
            [number, site, number],
        )
        return number

    async def hour(self, number: int, hour: datetime, co2_kg: float | None, **more: Any) -> None:
        """An hour of the source and of the meter."""
        values = {
            "number": number,
            "hour": hour,
            "co2_kg": co2_kg,
            "co2e_kg": co2_kg,
            "ch4_kg": None,
            "basis": "location",
            "area": "hall",
            "in_total": True,
            "provisional": False,
            "coverage": 0.0 if co2_kg is None else 1.0,
            **more,
        }
        await self.connection.execute(_EMISSION, values)
        if values["basis"] == "location":
            await self.connection.execute(_ENERGY, values)

    async def roll_up(self, number: int, begin: datetime, end: datetime) -> None:
        """As the ledger does after it wrote hours."""
        await roll_up_days(self.connection, [Span(number, begin, end)], [Span(number, begin, end)])
        begins = await roll_up_areas(self.connection)
        while begins is not None:
            begins = await roll_up_areas(self.connection, begins)


_EMISSION = """
INSERT INTO core.emission_hour
    (source_id, hour, basis, area, activity, activity_unit, co2_kg, co2e_kg, ch4_kg, factor_provisional,
    in_total, coverage, estimated)
VALUES (%(number)s, %(hour)s, %(basis)s, %(area)s, %(co2_kg)s, 'kWh', %(co2_kg)s, %(co2e_kg)s, %(ch4_kg)s,
    %(provisional)s, %(in_total)s, %(coverage)s, false)
ON CONFLICT (source_id, basis, hour) DO UPDATE SET co2_kg = excluded.co2_kg, area = excluded.area
"""
_ENERGY = """
INSERT INTO core.energy_hour
    (device_id, hour, area, carrier, amount, unit, energy_kwh, in_total, coverage, estimated)
VALUES (%(number)s, %(hour)s, %(area)s, 'electricity', %(co2_kg)s, 'kWh', %(co2_kg)s, %(in_total)s,
    %(coverage)s, false)
ON CONFLICT (device_id, hour) DO UPDATE SET amount = excluded.amount, area = excluded.area
"""


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    """No hours yet."""
    async with await connect(database_url, name="tests", autocommit=True) as connection:
        yield Ledger(connection)


def hours_around(zone: str, day: date) -> list[datetime]:
    """Every hour of the three days around one, as the ledger cuts them."""
    noon = to_us(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    return [
        from_us(us) for us in HourGrid(ZoneInfo(zone)).starts(noon - 2 * DAY_US, noon + 2 * DAY_US).tolist()
    ]


def value_of(hour: datetime) -> float:
    """Such that sums in another order have other bits."""
    return 0.1 + (to_us(hour) // 900_000_000 % 977) / 7


@pytest.mark.parametrize(("zone", "day"), CASES)
async def test_a_day_is_the_sum_of_its_hours_to_the_bit(ledger: Ledger, zone: str, day: date) -> None:
    number = await ledger.site(zone)
    hours = hours_around(zone, day)
    async with ledger.connection.transaction():
        for hour in reversed(hours):
            await ledger.hour(number, hour, value_of(hour))
        await ledger.roll_up(number, hours[0], hours[-1] + HOUR)
    expected: dict[date, float] = {}
    counted: dict[date, int] = {}
    for hour in hours:
        local = hour.astimezone(ZoneInfo(zone)).date()
        expected[local] = expected.get(local, 0.0) + value_of(hour)
        counted[local] = counted.get(local, 0) + 1
    rows = await ledger.fetch("SELECT * FROM api.emissions_daily ORDER BY day")
    assert {row["day"]: row["co2_kg"] for row in rows} == expected
    energy = await ledger.fetch("SELECT * FROM api.energy_daily ORDER BY day")
    assert {row["day"]: row["energy_kwh"] for row in energy} == expected
    areas = await ledger.fetch("SELECT * FROM api.area_emissions_daily ORDER BY day")
    assert {row["day"]: row["co2_kg"] for row in areas} == expected
    for of_view in (rows, energy, areas):
        [row] = [each for each in of_view if each["day"] == day]
        assert row["hours_missing"] == 0
        assert row["coverage"] == pytest.approx(counted[day] / LENGTHS_H.get((zone, day), 24))
    [length] = await ledger.fetch("SELECT length_h FROM core.emission_day WHERE day = %s", day)
    assert length["length_h"] == LENGTHS_H.get((zone, day), 24)


async def test_a_span_touches_its_own_days_and_no_others(ledger: Ledger) -> None:
    number = await ledger.site("Asia/Kathmandu")
    midnight = datetime(2025, 6, 14, 18, 15, tzinfo=UTC)
    for offset in range(-30, 30):
        await ledger.hour(number, midnight + offset * HOUR, 1.0)
    await ledger.roll_up(number, midnight, midnight + 24 * HOUR)
    assert [row["day"] for row in await ledger.fetch("SELECT day FROM api.emissions_daily")] == [
        date(2025, 6, 15)
    ]
    await ledger.roll_up(number, midnight - HOUR, midnight)
    assert len(await ledger.fetch("SELECT day FROM api.emissions_daily")) == 2


async def test_unknown_hours_are_told(ledger: Ledger) -> None:
    number = await ledger.site("Europe/Berlin")
    begin = datetime(2025, 6, 14, 22, tzinfo=UTC)
    await ledger.hour(number, begin, 4.0, co2e_kg=None)
    await ledger.hour(number, begin + HOUR, None)
    await ledger.hour(number, begin + 2 * HOUR, 5.0, ch4_kg=0.5)
    await ledger.roll_up(number, begin, begin + 3 * HOUR)
    [row] = await ledger.fetch("SELECT * FROM api.emissions_daily")
    assert (row["co2_kg"], row["co2e_kg"], row["ch4_kg"]) == (9.0, 5.0, None)
    assert (row["hours_missing"], row["co2e_hours_missing"], row["status"]) == (22, 1, "final")
    assert row["coverage"] == pytest.approx(2 / 24)
    assert (row["activity"], row["activity_unit"]) == (9.0, "kWh")
    [month] = await ledger.fetch("SELECT * FROM api.emissions_monthly")
    assert (month["month"], month["co2_kg"], month["hours_missing"]) == (date(2025, 6, 1), 9.0, 718)
    assert month["coverage"] == pytest.approx(2 / 720)
    [energy] = await ledger.fetch("SELECT * FROM api.energy_monthly")
    assert (energy["amount"], energy["hours_missing"]) == (9.0, 718)


async def test_a_month_with_a_change_of_the_clock(ledger: Ledger) -> None:
    number = await ledger.site("America/New_York")
    zone = ZoneInfo("America/New_York")
    begin, end = datetime(2025, 11, 1, tzinfo=zone), datetime(2025, 12, 1, tzinfo=zone)
    hours = [from_us(us) for us in HourGrid(zone).starts(to_us(begin), to_us(end)).tolist()]
    for hour in hours:
        await ledger.hour(number, hour, 2.0)
    await ledger.roll_up(number, begin, end)
    [month] = await ledger.fetch("SELECT * FROM api.emissions_monthly")
    assert (month["co2_kg"], month["coverage"], month["hours_missing"]) == (2.0 * 721, 1.0, 0)
    [energy] = await ledger.fetch("SELECT * FROM api.energy_monthly")
    assert (energy["energy_kwh"], energy["coverage"], energy["hours_missing"]) == (2.0 * 721, 1.0, 0)
    [area] = await ledger.fetch("SELECT * FROM api.area_emissions_monthly")
    assert (area["co2_kg"], area["days"], area["least_coverage"]) == (2.0 * 721, 30, 1.0)
    [site] = await ledger.fetch("SELECT * FROM api.site_emissions_monthly")
    assert (site["co2_kg"], site["scope"], site["basis"]) == (2.0 * 721, 2, "location")
    [total] = await ledger.fetch("SELECT * FROM api.area_energy_monthly")
    assert (total["energy_kwh"], total["devices"]) == (2.0 * 721, 1)


async def test_a_device_that_moves_to_another_area_has_a_part_in_each(ledger: Ledger) -> None:
    number = await ledger.site("Asia/Shanghai")
    begin = datetime(2025, 6, 14, 16, tzinfo=UTC)
    for offset in range(20):
        await ledger.hour(number, begin + offset * HOUR, 1.0, area="hall" if offset < 10 else None)
    await ledger.roll_up(number, begin, begin + 20 * HOUR)
    parts = await ledger.fetch(
        "SELECT area, co2_kg, hours_missing FROM api.emissions_daily ORDER BY area NULLS LAST"
    )
    # The hours without a row are told once.
    assert [tuple(row.values()) for row in parts] == [("hall", 10.0, 0), (None, 10.0, 4)]
    months = await ledger.fetch("SELECT sum(hours_missing) AS missing FROM api.emissions_monthly")
    assert months == [{"missing": 30 * 24 - 20}]
    for offset in range(20):
        await ledger.hour(number, begin + offset * HOUR, 1.0, area="hall")
    await ledger.roll_up(number, begin, begin + HOUR)
    for view in ("emissions_daily", "energy_daily", "area_emissions_daily"):
        assert await ledger.view(view, "area", "hours_missing") == [{"area": "hall", "hours_missing": 4}]


async def test_a_day_whose_hours_are_gone_is_gone(ledger: Ledger) -> None:
    number = await ledger.site("Asia/Shanghai")
    hour = datetime(2025, 6, 15, tzinfo=UTC)
    await ledger.hour(number, hour, 1.0)
    await ledger.roll_up(number, hour, hour + HOUR)
    await ledger.connection.execute("DELETE FROM core.emission_hour")
    await ledger.connection.execute("DELETE FROM core.energy_hour")
    await ledger.roll_up(number, hour, hour + HOUR)
    for view in ("emissions_daily", "energy_daily", "area_emissions_daily"):
        assert await ledger.view(view, "day") == []


async def test_both_bases_and_the_sums_of_areas_and_sites(ledger: Ledger) -> None:
    first, second = await ledger.site("Asia/Kolkata"), await ledger.site("Asia/Kolkata")
    hour = datetime(2025, 6, 15, 18, 30, tzinfo=UTC)
    await ledger.hour(first, hour, 1.0)
    await ledger.hour(first, hour, 7.0, basis="market", in_total=False)
    await ledger.hour(second, hour, 2.0)
    await ledger.hour(second, hour + HOUR, 4.0, area="yard", in_total=False)
    for number in (first, second):
        await ledger.roll_up(number, hour, hour + 2 * HOUR)
    areas = await ledger.fetch(
        "SELECT day, area, basis, in_total, co2_kg, sources, hours_missing FROM api.area_emissions_daily"
        " ORDER BY in_total DESC, basis"
    )
    day = date(2025, 6, 16)
    assert [tuple(row.values()) for row in areas] == [
        (day, "hall", "location", True, 3.0, 2, 23),
        (day, "yard", "location", False, 4.0, 1, 22),
        (day, "hall", "market", False, 7.0, 1, 23),
    ]
    [site] = await ledger.fetch("SELECT * FROM api.site_emissions_daily")
    assert (site["co2_kg"], site["basis"], site["sources"]) == (3.0, "location", 2)


@pytest.mark.parametrize("now_known", [True, False])
async def test_the_running_day_misses_only_hours_that_are_over(ledger: Ledger, now_known: bool) -> None:
    number = await ledger.site("Asia/Shanghai")
    # One transaction: it is the same instant for all of it.
    async with ledger.connection.transaction():
        [row] = await ledger.fetch(
            "SELECT now(), date_trunc('hour', now()) AS hour, core.day_begins("
            "(now() AT TIME ZONE 'Asia/Shanghai')::date, 'Asia/Shanghai') AS begin"
        )
        hours = [row["begin"] + n * HOUR for n in range((row["hour"] - row["begin"]) // HOUR + 1)]
        known = hours if now_known else hours[:-1]
        for hour in known[1:]:
            await ledger.hour(number, hour, 1.0)
        await ledger.roll_up(number, row["begin"], hours[-1] + HOUR)
        found = await ledger.fetch("SELECT hours_missing, status FROM api.emissions_daily")
        over = len(hours) - 1
        if known[1:]:
            assert found == [{"hours_missing": min(over, 1), "status": "open"}]
            areas = await ledger.fetch("SELECT hours_missing, status FROM api.area_emissions_daily")
            assert areas == found
