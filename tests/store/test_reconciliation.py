"""Two routes of the same carbon side by side: known where both are, judged where both are assessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

Row = dict[str, Any]
Database = psycopg.Connection[Row]

STACK, COAL, OIL = 1, 2, 3
HOUR = timedelta(hours=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A stack that reconciles with coal and oil together, of which coal has nearly all."""
    with psycopg.connect(database_url, row_factory=dict_row, autocommit=True) as connection:
        connection.execute("INSERT INTO core.site (site, timezone) VALUES ('p', 'Asia/Kolkata')")
        for source, method, in_total in (
            ("stack", "cems", False),
            ("coal", "fuel", True),
            ("oil", "fuel", True),
        ):
            connection.execute(
                "INSERT INTO core.device (site, kind, device) VALUES ('p', 'meter', %s)", [source]
            )
            connection.execute(
                "INSERT INTO core.source (site, source, scope, method, carrier) VALUES ('p', %s, 1, %s, 'x')",
                [source, method],
            )
            connection.execute(
                "INSERT INTO core.source_period (source_id, valid_from, device_ids, in_total) "
                "SELECT source_id, '2020-01-01Z', ARRAY[source_id], %s FROM core.source WHERE source = %s",
                [in_total, source],
            )
        connection.execute(
            "INSERT INTO core.device_period (device_id, valid_from, interval_s) "
            "SELECT device_id, '2020-01-01Z', 60 FROM core.device"
        )
        connection.execute("INSERT INTO core.route_period VALUES (1, '2020-01-01Z', 'infinity', '{2,3}')")
        yield connection


def hour(
    database: Database,
    source: int,
    at: datetime,
    co2_kg: float | None,
    activity_pct: float | None = 3.0,
    factor_pct: float | None = 4.0,
    coverage: float = 1.0,
) -> None:
    total = None if activity_pct is None or factor_pct is None else (activity_pct**2 + factor_pct**2) ** 0.5
    database.execute(
        "INSERT INTO core.emission_hour (source_id, hour, basis, activity_unit, co2_kg, factor_provisional, "
        "in_total, coverage, estimated, missing_reason, uncertainty_pct, activity_uncertainty_pct, "
        "factor_uncertainty_pct) VALUES (%s, %s, 'none', 't', %s, false, %s, %s, false, %s, %s, %s, %s)",
        [
            source,
            at,
            co2_kg,
            source != STACK,
            coverage,
            "silent." if co2_kg is None else None,
            total,
            activity_pct,
            factor_pct,
        ],
    )


def one(database: Database, query: str, *values: object) -> Row:
    [row] = database.execute(query.encode(), values).fetchall()
    return row


OLD = datetime(2026, 3, 10, 18, 30, tzinfo=UTC)
"""Midnight in Kolkata."""


def test_an_hour_is_compared_with_a_tolerance_of_both_uncertainties(database: Database) -> None:
    hour(database, STACK, OLD, 112.0, 7.5, 0.0)
    hour(database, COAL, OLD, 90.0)
    hour(database, OIL, OLD, 10.0)
    row = one(database, "SELECT * FROM api.reconciliation_hourly")
    assert (row["source"], row["others"], row["in_total"]) == ("stack", "coal, oil", "coal, oil")
    assert (row["source_co2_kg"], row["other_co2_kg"], row["difference_kg"]) == (112.0, 100.0, 12.0)
    assert row["difference_pct"] == pytest.approx(12.0)
    # Two meters by themselves, the factors together: 2.7 and 0.3, and 3.6 + 0.4.
    width = (2.7**2 + 0.3**2 + 4.0**2) ** 0.5
    assert row["other_width_kg"] == pytest.approx(width)
    assert row["source_width_kg"] == pytest.approx(8.4)
    assert row["tolerance_kg"] == pytest.approx((8.4**2 + width**2) ** 0.5)
    assert row["tolerance_pct"] == pytest.approx(row["tolerance_kg"])
    assert (row["verdict"], row["closed"]) == ("outside", True)


def test_nothing_of_it_is_in_a_total_twice(database: Database) -> None:
    for source, kg in ((STACK, 112.0), (COAL, 90.0), (OIL, 10.0)):
        hour(database, source, OLD, kg)
    assert one(database, "SELECT sum(co2_kg) AS kg FROM api.emissions_hourly WHERE in_total") == {"kg": 100.0}


@pytest.mark.parametrize(
    ("stack", "coal", "oil", "known"),
    [
        (None, 90.0, 10.0, False),
        (112.0, 90.0, None, False),
        (112.0, 90.0, "no row", False),
        (0.0, 0.0, 0.0, True),
    ],
)
def test_an_unknown_side_has_no_difference_and_no_verdict(
    database: Database, stack: float | None, coal: float, oil: float | str | None, known: bool
) -> None:
    hour(database, STACK, OLD, stack)
    hour(database, COAL, OLD, coal)
    if not isinstance(oil, str):
        hour(database, OIL, OLD, oil)
    row = one(database, "SELECT * FROM api.reconciliation_hourly")
    assert row["difference_pct"] is None
    assert row["difference_kg"] == (0.0 if known else None)
    assert row["verdict"] == ("within" if known else None)
    assert (row["coverage"] == 0) == isinstance(oil, str)
    if stack is None:
        assert row["missing_reason"] == "stack: silent."


@pytest.mark.parametrize(("source", "activity", "factor"), [(STACK, None, 0.0), (OIL, 3.0, None)])
def test_without_both_uncertainties_there_is_no_verdict(
    database: Database, source: int, activity: float | None, factor: float | None
) -> None:
    for each, kg in ((STACK, 500.0), (COAL, 90.0), (OIL, 10.0)):
        stated = (activity, factor) if each == source else (3.0, 4.0)
        hour(database, each, OLD, kg, *stated)
    row = one(database, "SELECT * FROM api.reconciliation_hourly")
    assert row["difference_pct"] == pytest.approx(400.0)
    assert (row["tolerance_kg"], row["tolerance_pct"], row["verdict"]) == (None, None, None)
    assert one(database, "SELECT verdict FROM api.reconciliation_daily") == {"verdict": None}


@pytest.mark.parametrize(("known", "verdict"), [(24, "outside"), (20, "outside"), (19, None)])
def test_a_day_is_judged_by_the_hours_in_which_both_are_known(
    database: Database, known: int, verdict: str | None
) -> None:
    for number in range(24):
        at = OLD + number * HOUR
        hour(database, STACK, at, 120.0 if number < known else None, 6.0, 0.0)
        hour(database, COAL, at, 100.0)
        hour(database, OIL, at, 0.0, None, None)  # what is 0 adds no uncertainty
    row = one(database, "SELECT * FROM api.reconciliation_daily")
    assert (str(row["day"]), row["known_hours"]) == ("2026-03-11", known)
    assert row["other_co2_kg"] == known * 100.0
    assert row["difference_pct"] == pytest.approx(20.0)
    # No more certain than one of its hours: 6 % of 120, and 5 % of 100.
    assert row["tolerance_pct"] == pytest.approx((7.2**2 + 5.0**2) ** 0.5)
    assert row["verdict"] == verdict
    month = one(database, "SELECT * FROM api.reconciliation_monthly")
    assert (str(month["month"]), month["known_hours"], month["closed_hours"]) == ("2026-03-01", known, 24)
    assert month["verdict"] == verdict


def rate(database: Database, source: int, kg_per_h: float | None, age_s: float = 10.0) -> None:
    database.execute(
        "INSERT INTO core.live_emission (source_id, device_id, time, co2_kg_per_h) "
        "VALUES (%s, %s, now() - make_interval(secs => %s), %s)",
        [source, source, age_s, kg_per_h],
    )


def closed_hours(database: Database, stack_kg: float, hours: int = 24) -> None:
    now = one(database, "SELECT date_trunc('hour', now()) AS now")["now"]
    for back in range(1, hours + 1):
        # Coal is weighed hours before it burns: no single hour agrees.
        shift = 60.0 if back % 2 else -60.0
        hour(database, STACK, now - back * HOUR, stack_kg + shift, 7.5, 0.0)
        hour(database, COAL, now - back * HOUR, 100.0 - shift)
        hour(database, OIL, now - back * HOUR, 0.0)
    hour(database, COAL, now, 999.0)  # the running one


@pytest.mark.parametrize(
    ("stack_kg", "hours", "verdict"), [(102.0, 24, "within"), (130.0, 24, "outside"), (130.0, 19, None)]
)
def test_a_pair_is_judged_by_a_day_and_not_by_an_hour(
    database: Database, stack_kg: float, hours: int, verdict: str | None
) -> None:
    closed_hours(database, stack_kg, hours)
    outside = one(
        database,
        "SELECT count(*) AS hours FROM api.reconciliation_hourly WHERE verdict = 'outside' AND closed",
    )
    assert outside["hours"] == hours
    row = one(database, "SELECT * FROM api.reconciliation_live")
    assert (row["day_known_hours"], row["day_verdict"]) == (hours, verdict)
    if hours == 24:
        assert row["day_difference_pct"] == pytest.approx(stack_kg - 100.0)
    found = database.execute(
        "SELECT device, detail FROM api.findings WHERE finding = 'routes_disagree'"
    ).fetchall()
    assert [each["device"] for each in found] == (["stack"] if verdict == "outside" else [])
    assert all("has 720 kg CO2 more than its other route" in each["detail"] for each in found)


def test_live_rates_are_compared_by_what_the_newest_hour_states(database: Database) -> None:
    rate(database, STACK, 205.0)
    rate(database, COAL, 190.0, age_s=40)
    rate(database, OIL, 10.0)
    row = one(database, "SELECT * FROM api.reconciliation_live")
    assert row["difference_pct"] == pytest.approx(2.5)
    assert (row["tolerance_pct"], row["verdict"], row["day_known_hours"]) == (None, None, 0)
    assert 40 <= row["age_s"] < 60
    assert row["in_total"] == "coal, oil"
    closed_hours(database, 100.0)
    row = one(database, "SELECT * FROM api.reconciliation_live")
    width = ((205 * 0.075) ** 2 + 5.7**2 + 0.3**2 + 8.0**2) ** 0.5
    assert row["tolerance_pct"] == pytest.approx(width / 200 * 100)
    assert row["verdict"] == "within"
    rate(database, OIL, None, age_s=5)
    row = one(database, "SELECT * FROM api.reconciliation_live")
    assert (row["other_co2_kg_per_h"], row["difference_pct"], row["verdict"]) == (None, None, None)


def test_a_pair_that_ended_is_not_live(database: Database) -> None:
    database.execute("UPDATE core.route_period SET valid_to = '2026-01-01Z'")
    assert database.execute("SELECT * FROM api.reconciliation_live").fetchall() == []
