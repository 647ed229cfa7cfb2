"""What the views of schema api say, where they do more than rename."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

Row = dict[str, Any]
Database = psycopg.Connection[Row]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Two sources: one of a meter every 60 s, one of two belts every 60 s."""
    with psycopg.connect(database_url, row_factory=dict_row, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO core.site (site, timezone) VALUES ('s', 'Europe/Berlin'), ('k', 'Asia/Kolkata')"
        )
        connection.execute(
            "INSERT INTO core.device (site, kind, device) VALUES ('s', 'meter', 'm'), "
            "('s', 'beltscale', 'a'), ('s', 'beltscale', 'b'), ('s', 'meter', 'loose')"
        )
        connection.execute(
            "INSERT INTO core.device_period (device_id, valid_from, area, interval_s) "
            "SELECT device_id, '2020-01-01Z', 'hall', 60 FROM core.device WHERE device <> 'loose'"
        )
        connection.execute(
            "INSERT INTO core.source (site, source, scope, method, carrier) "
            "VALUES ('s', 'power', 2, 'electricity', 'electricity'), ('s', 'coal', 1, 'fuel', 'coal')"
        )
        connection.execute(
            "INSERT INTO core.source_period (source_id, valid_from, device_ids, in_total) "
            "VALUES (1, '2020-01-01Z', '{1}', true), (2, '2020-01-01Z', '{2,3}', true)"
        )
        yield connection


def one(database: Database, query: LiteralString, *values: object) -> Row:
    [row] = database.execute(query, values).fetchall()
    return row


def rate(
    database: Database, source: int, device: int, age_s: float, co2: float | None, **more: object
) -> None:
    values = {
        "source": source,
        "device": device,
        "age": age_s,
        "co2": co2,
        "basis": None,
        "factor": 1,
        **more,
    }
    database.execute(
        "INSERT INTO core.live_emission "
        "(source_id, device_id, time, basis, co2_kg_per_h, co2e_kg_per_h, factor_id) VALUES (%(source)s, "
        "%(device)s, now() - make_interval(secs => %(age)s), %(basis)s, %(co2)s, %(co2)s, %(factor)s)",
        values,
    )


def live(database: Database, source: str) -> Row:
    return one(database, "SELECT * FROM api.emissions_live WHERE source = %s", source)


def test_live_is_the_newest_of_each_device(database: Database) -> None:
    rate(database, 2, 2, 50, 7.0)
    rate(database, 2, 2, 10, 100.0)
    rate(database, 2, 3, 40, 20.0)
    row = live(database, "coal")
    assert row["co2_kg_per_h"] == 120.0
    assert row["co2e_kg_per_h"] == 120.0
    assert 40 <= row["age_s"] < 60
    assert row["factor"] == one(database, "SELECT factor FROM api.factors WHERE factor_id = 1")["factor"]
    assert row["in_total"] is True


@pytest.mark.parametrize(
    ("rates", "known_time"),
    [
        ([(2, 10, 100.0), (3, 190, 20.0)], True),  # one is older than 3 intervals
        ([(2, 10, 100.0), (3, 10, None)], True),  # the rate of one is unknown
        ([(2, 10, 100.0)], False),  # one never sent
        ([], False),
    ],
)
def test_live_is_unknown_where_a_device_is(
    database: Database, rates: list[tuple[int, float, float | None]], known_time: bool
) -> None:
    for device, age_s, co2 in rates:
        rate(database, 2, device, age_s, co2)
    row = live(database, "coal")
    assert row["co2_kg_per_h"] is None
    assert row["co2e_kg_per_h"] is None
    assert (row["time"] is not None) == (row["age_s"] is not None) == known_time


def test_live_is_unknown_without_an_interval(database: Database) -> None:
    database.execute("UPDATE core.device_period SET interval_s = NULL WHERE device_id = 3")
    rate(database, 2, 2, 10, 100.0)
    rate(database, 2, 3, 10, 20.0)
    assert live(database, "coal")["co2_kg_per_h"] is None


def test_two_streams_of_one_device_are_summed_and_the_market_basis_is_not(database: Database) -> None:
    with database.transaction():  # in which it is the same time all along
        rate(database, 1, 1, 10, 5.0, basis="location")
        rate(database, 1, 1, 10, 2.0, basis="location", factor=2)
        rate(database, 1, 1, 10, 1000.0, basis="market")
    row = live(database, "power")
    assert (row["co2_kg_per_h"], row["basis"], row["factor"]) == (7.0, "location", None)


def test_a_source_that_ended_is_not_live(database: Database) -> None:
    database.execute("UPDATE core.source SET ended_at = now() - interval '1 minute' WHERE source = 'coal'")
    assert database.execute("SELECT * FROM api.emissions_live WHERE source = 'coal'").fetchall() == []


def test_devices_and_their_staleness(database: Database) -> None:
    database.execute(
        "INSERT INTO core.reading_meter (device_id, time, received_at) VALUES "
        "(1, now() - interval '1 minute', now()), (4, now() - interval '1 year', now())"
    )
    rows = {row["device"]: row for row in database.execute("SELECT * FROM api.devices").fetchall()}
    assert [(d, rows[d]["assigned"], rows[d]["stale"]) for d in ("m", "a", "loose")] == [
        ("m", True, False),
        ("a", True, True),  # never sent
        ("loose", False, None),  # nobody knows how often it should send
    ]
    assert rows["m"]["area"] == "hall"
    assert rows["loose"]["last_time"] is not None
    database.execute("UPDATE core.reading_meter SET time = time - interval '3 minutes' WHERE device_id = 1")
    assert one(database, "SELECT stale FROM api.devices WHERE device = 'm'")["stale"] is True


def test_readings_show_each_value_with_its_status(database: Database) -> None:
    database.execute(
        "INSERT INTO core.reading_beltscale "
        "(device_id, time, received_at, status, quantity_status, rate_t_h, running, mass_t) VALUES "
        "(2, '2026-01-01Z', now(), 0, '{\"mass_t\":\"fault\"}', 5, true, 9), "
        "(2, '2026-01-02Z', now(), 4, NULL, 6, NULL, NULL)"
    )
    rows = database.execute("SELECT quantity, value, unit, status FROM api.readings ORDER BY time, quantity")
    assert [tuple(row.values()) for row in rows] == [
        ("mass_t", 9.0, "t", "fault"),
        ("rate_t_h", 5.0, "t/h", "valid"),
        ("running", 1.0, "1", "valid"),
        ("rate_t_h", 6.0, "t/h", "fault"),
    ]


def hour(database: Database, source: int, at: datetime, co2: float | None, **more: object) -> None:
    values = {"s": source, "at": at, "co2": co2, "provisional": False, "coverage": 1.0, **more}
    database.execute(
        "INSERT INTO core.emission_hour (source_id, hour, basis, activity_unit, co2_kg, factor_provisional, "
        "in_total, coverage, estimated) "
        "VALUES (%(s)s, %(at)s, 'none', 't', %(co2)s, %(provisional)s, true, %(coverage)s, false)",
        values,
    )


@pytest.mark.parametrize(
    ("age", "provisional", "status"),
    [
        (timedelta(minutes=30), False, "open"),
        (timedelta(minutes=90), False, "provisional"),
        (timedelta(days=7, minutes=30), False, "provisional"),
        (timedelta(days=7, minutes=90), False, "final"),
        (timedelta(days=70), True, "provisional"),
    ],
)
def test_an_hour_settles(database: Database, age: timedelta, provisional: bool, status: str) -> None:
    hour(database, 2, datetime.now(UTC) - age, 1.0, provisional=provisional)
    row = one(database, "SELECT status, basis FROM api.emissions_hourly")
    assert row == {"status": status, "basis": None}


def test_dead_letters_show_bytes_that_are_no_text(database: Database) -> None:
    database.execute(
        "INSERT INTO core.dead_letter "
        "(client, topic, reason, detail, payload, payload_bytes, payload_sha256, key) "
        "VALUES ('c', 't', 'not_json', 'd', %s, 3, '', 'k')",
        [b"a\xff\x00"],
    )
    assert one(database, "SELECT payload FROM api.dead_letters")["payload"] == r"a\377\000"


def test_the_totals_hold_their_identity(database: Database) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("INSERT INTO core.ingest_total (client, received, stored) VALUES ('c', 2, 1)")
