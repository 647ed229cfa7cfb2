"""What main meters count beyond their sub-meters, and what virtual meters come to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

Row = dict[str, Any]
Database = psycopg.Connection[Row]

MAIN, A, B, GAS = 1, 2, 3, 4
OLD = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A main meter with two sub-meters, the second since two hours ago of OLD; a tenant on what is left."""
    with psycopg.connect(database_url, row_factory=dict_row, autocommit=True) as connection:
        connection.execute("INSERT INTO core.site (site, timezone) VALUES ('s', 'UTC')")
        for kind, device in (("meter", "main"), ("meter", "a"), ("meter", "b"), ("flowmeter", "gas")):
            connection.execute(
                "INSERT INTO core.device (site, kind, device) VALUES ('s', %s, %s)", [kind, device]
            )
        connection.execute(
            "INSERT INTO core.submeter_period VALUES (2, 1, '2020-01-01Z', 'infinity', 2, 1), "
            "(3, 1, '2026-03-10 10:00Z', 'infinity', 2, 1)"
        )
        connection.execute(
            "INSERT INTO core.virtual_period VALUES "
            "('s', 'tenant', '2020-01-01Z', 'infinity', 'hall', 'electricity', '{1,2,3}', '{1,-1,-1}')"
        )
        yield connection


def hour(database: Database, device: int, at: datetime, kwh: float | None, **more: object) -> None:
    values = {"carrier": "electricity", "unit": "kWh", "coverage": 1.0, "estimated": False, **more}
    database.execute(
        "INSERT INTO core.energy_hour (device_id, hour, area, carrier, amount, unit, energy_kwh, in_total, "
        "coverage, estimated) VALUES (%(d)s, %(at)s, 'hall', %(carrier)s, %(kwh)s, %(unit)s, %(kwh)s, "
        "%(main)s, %(coverage)s, %(estimated)s)",
        {"d": device, "at": at, "kwh": kwh, "main": device == MAIN, **values},
    )


def one(database: Database, query: str) -> Row:
    [row] = database.execute(query.encode()).fetchall()
    return row


def test_what_no_submeter_counts_is_left(database: Database) -> None:
    hour(database, MAIN, OLD, 100.0)
    hour(database, A, OLD, 30.0, coverage=0.5, estimated=True)
    hour(database, B, OLD, 20.0)
    row = one(database, "SELECT * FROM api.energy_remainder_hourly")
    assert (row["device"], row["kind"], row["area"], row["carrier"]) == (
        "main",
        "meter",
        "hall",
        "electricity",
    )
    assert (row["main_kwh"], row["submeter_kwh"], row["remainder_kwh"]) == (100.0, 50.0, 50.0)
    assert (row["remainder"], row["unit"]) == (50.0, "kWh")
    assert row["tolerance_kwh"] == pytest.approx((1.0**2 + 0.6**2 + 0.4**2) ** 0.5)
    assert (row["submeters"], row["submeters_known"]) == (2, 2)
    assert (row["coverage"], row["estimated"], row["closed"]) == (0.5, True, True)
    row = one(database, "SELECT * FROM api.area_remainder_hourly")
    assert (row["area"], row["carrier"], row["remainder_kwh"], row["main_meters_known"]) == (
        "hall", "electricity", 50.0, 1,
    )  # fmt: skip


@pytest.mark.parametrize(("main", "b"), [(None, 20.0), ("no row", 20.0), (100.0, None), (100.0, "no row")])
def test_it_is_unknown_where_a_meter_is(
    database: Database, main: float | str | None, b: float | str | None
) -> None:
    for device, kwh in ((MAIN, main), (A, 30.0), (B, b)):
        if not isinstance(kwh, str):
            hour(database, device, OLD, kwh)
    row = one(database, "SELECT * FROM api.energy_remainder_hourly")
    assert (row["remainder"], row["remainder_kwh"]) == (None, None)
    assert (row["main_kwh"] is None, row["submeter_kwh"] is None) == (main != 100.0, b != 20.0)
    assert (row["coverage"] == 0) == ("no row" in (main, b))
    assert one(database, "SELECT remainder_kwh FROM api.area_remainder_hourly") == {"remainder_kwh": None}
    row = one(database, "SELECT * FROM api.virtual_energy_hourly")
    assert (row["energy_kwh"], row["amount"], row["parts"]) == (None, None, 3)
    assert row["parts_known"] == 2


def test_a_submeter_counts_from_its_date_on(database: Database) -> None:
    hour(database, MAIN, OLD - 3 * HOUR, 100.0)
    hour(database, A, OLD - 3 * HOUR, 30.0)
    hour(database, B, OLD - 3 * HOUR, 20.0)
    row = one(database, "SELECT * FROM api.energy_remainder_hourly")
    assert (row["submeters"], row["remainder_kwh"]) == (1, 70.0)


def test_a_submeter_of_another_carrier_or_unit_has_no_sum(database: Database) -> None:
    hour(database, MAIN, OLD, 100.0, carrier="heat", unit="GJ")
    hour(database, A, OLD, 30.0, carrier="heat", unit="GJ")
    hour(database, B, OLD, 20.0, carrier="heat", unit="m3")
    row = one(database, "SELECT * FROM api.energy_remainder_hourly")
    assert (row["remainder"], row["remainder_kwh"]) == (None, 50.0)
    database.execute("UPDATE core.energy_hour SET carrier = 'steam' WHERE device_id = 3")
    row = one(database, "SELECT * FROM api.energy_remainder_hourly")
    assert (row["remainder"], row["remainder_kwh"]) == (None, None)


def day(database: Database, main: float, a: float, hours: int = 24) -> Row:
    now = one(database, "SELECT date_trunc('hour', now()) AS now")["now"]
    for back in range(hours + 1):  # the running hour included
        hour(database, MAIN, now - back * HOUR, main)
        hour(database, A, now - back * HOUR, a)
        hour(database, B, now - back * HOUR, 20.0)
    return one(database, "SELECT * FROM api.energy_remainder_24h")


@pytest.mark.parametrize(
    ("main", "a", "hours", "verdict"),
    [
        (100.0, 30.0, 24, "plausible"),
        (100.0, 81.0, 24, "plausible"),  # 1 kWh less than nothing is within what the meters are
        (100.0, 83.0, 24, "negative"),
        (100.0, 83.0, 19, None),
    ],
)
def test_more_by_the_submeters_than_by_the_main_meter_is_told(
    database: Database, main: float, a: float, hours: int, verdict: str | None
) -> None:
    row = day(database, main, a, hours)
    assert (row["known_hours"], row["verdict"]) == (hours, verdict)
    assert row["remainder_kwh"] == pytest.approx(hours * (main - a - 20.0))
    assert row["remainder_pct"] == pytest.approx(100 * (main - a - 20.0) / main)
    assert row["to_time"] - row["from_time"] == hours * HOUR
    found = database.execute(
        "SELECT device, unit, low, detail FROM api.findings WHERE finding = 'negative_remainder'"
    )
    told = "The sub-meters count 72 kWh more than the main meter; 46.9 is explained."
    assert [(each["device"], each["unit"], each["detail"][:51]) for each in found] == (
        [("main", "kWh", told[:51])] if verdict == "negative" else []
    )


def test_where_no_uncertainty_is_stated_any_negative_day_is_told(database: Database) -> None:
    database.execute("UPDATE core.submeter_period SET uncertainty_pct = NULL")
    row = day(database, 100.0, 81.0)
    assert (row["tolerance_kwh"], row["verdict"]) == (None, "negative")


def test_a_virtual_meter_is_the_sum_and_difference_of_its_parts(database: Database) -> None:
    hour(database, MAIN, OLD, 100.0)
    hour(database, A, OLD, 30.0, coverage=0.5)
    hour(database, B, OLD, 80.0)
    row = one(database, "SELECT * FROM api.virtual_energy_hourly")
    assert (row["device"], row["area"], row["carrier"], row["unit"]) == (
        "tenant",
        "hall",
        "electricity",
        "kWh",
    )
    assert (row["amount"], row["energy_kwh"]) == (-10.0, -10.0), "shown as it is"
    assert (row["in_total"], row["coverage"], row["parts_known"]) == (False, 0.5, 3)


def test_its_columns_are_those_of_the_energy_view(database: Database) -> None:
    def columns(view: str) -> list[str]:
        found = database.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'api' "
            "AND table_name = %s ORDER BY ordinal_position",
            [view],
        )
        return [row["column_name"] for row in found]

    assert columns("virtual_energy_hourly")[:11] == columns("energy_hourly")[:11]
