"""A database that an earlier version filled comes to this one with all it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from services.store import migrate as m
from services.store.ledger_areas import roll_up_areas
from services.store.ledger_days import roll_up_days
from services.store.ledger_rows import Span
from services.store.migrate import migrate
from services.store.pool import connect

pytestmark = pytest.mark.anyio

EARLIER = 7
"""Migrations of the first release."""
# Days around that on which Berlin's clock goes back; the sources change their area, an hour is unknown.
FILL = """
INSERT INTO core.site (site, timezone) VALUES ('s', 'Europe/Berlin'), ('k', 'Asia/Kathmandu');
INSERT INTO core.device (site, kind, device) VALUES ('s', 'meter', 'm'), ('k', 'meter', 'n');
INSERT INTO core.source (site, source, scope, method, carrier) VALUES
    ('s', 'power', 2, 'electricity', 'electricity'), ('s', 'gas', 1, 'fuel', 'natural_gas'),
    ('k', 'power', 2, 'electricity', 'electricity');
INSERT INTO core.reading_meter (device_id, time, received_at, energy_import_kwh, extra)
SELECT d.device_id, at.time, at.time, extract(epoch FROM at.time) / 3600, '{"x": 1}'
FROM core.device d, generate_series('2025-10-24Z'::timestamptz, '2025-10-28Z', '15 minutes') AS at (time);
INSERT INTO core.live_emission (source_id, device_id, time, basis, co2_kg_per_h)
VALUES (1, 1, '2025-10-27Z', 'location', 5);
INSERT INTO core.emission_hour (source_id, hour, basis, area, activity, activity_unit, co2_kg, co2e_kg,
    factor_provisional, in_total, coverage, estimated)
SELECT s.source_id, at.hour + CASE s.site WHEN 'k' THEN interval '15 minutes' ELSE interval '0' END,
    CASE s.method WHEN 'fuel' THEN 'none' ELSE 'location' END,
    CASE WHEN at.hour < '2025-10-25 10:00Z' THEN 'a' END, 1, 'kWh',
    CASE WHEN at.hour <> '2025-10-25 03:00Z' THEN 0.1 * extract(hour FROM at.hour) END, 0.3, false, true, 0.9,
    false
FROM core.source s, generate_series('2025-10-24Z'::timestamptz, '2025-10-28Z', '1 hour') AS at (hour);
INSERT INTO core.energy_hour
    (device_id, hour, carrier, amount, unit, energy_kwh, in_total, coverage, estimated)
SELECT d.device_id, at.hour + CASE d.site WHEN 'k' THEN interval '15 minutes' ELSE interval '0' END,
    'electricity', 0.7 * extract(hour FROM at.hour), 'kWh', 0.7 * extract(hour FROM at.hour), true, 1, false
FROM core.device d, generate_series('2025-10-24Z'::timestamptz, '2025-10-28Z', '1 hour') AS at (hour);
INSERT INTO core.dead_letter (client, topic, reason, detail, payload, payload_bytes, payload_sha256, key)
VALUES ('c', 't', 'not_json', 'd', 'x', 1, '', 'k');
INSERT INTO core.ingest_total (client, received, stored, rejected) VALUES ('c', 3, 2, 1);
INSERT INTO core.dirty (device_ids, quarters) VALUES ('{1}', '{1957000}');
"""
BOOKS = """
CREATE SCHEMA carbonflow_migrations;
CREATE TABLE carbonflow_migrations.migration (name text PRIMARY KEY, sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), applied_by text NOT NULL DEFAULT session_user);
CREATE TABLE carbonflow_migrations.view_file (name text PRIMARY KEY, sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now());
"""
KEPT = (
    "site", "device", "source", "reading_meter", "live_emission", "emission_hour", "energy_hour",
    "dead_letter",
    "ingest_total", "dirty",
)  # fmt: skip
MADE = ("emission_day", "energy_day", "area_day", "area_hour")
BEGIN, END = datetime(2025, 10, 20, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)


def contents(url: str, tables: tuple[str, ...], columns: dict[str, list[str]]) -> dict[str, list[Any]]:
    """All rows of tables, of some columns, in no order that matters."""
    found = {}
    with psycopg.connect(url) as connection:
        for table in tables:
            names = sql.SQL(", ").join(map(sql.Identifier, columns[table]))
            query = sql.SQL("SELECT ({})::text FROM (SELECT {} FROM {}) AS r ORDER BY 1").format(
                sql.SQL("r"), names, sql.Identifier("core", table)
            )
            found[table] = connection.execute(query).fetchall()
    return found


def columns_of(url: str) -> dict[str, list[str]]:
    """The columns of all tables of core."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(url) as connection:
        for table, column in connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'core'"
            " ORDER BY table_name, ordinal_position"
        ):
            found.setdefault(table, []).append(column)
    return found


@pytest.fixture
def filled_url(empty_database_url: str) -> str:
    """A database of an earlier version, with rows."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        connection.execute(BOOKS.encode())
        for file in m.read_files(m.MIGRATIONS)[:EARLIER]:
            connection.execute(file.text)
            connection.execute(
                "INSERT INTO carbonflow_migrations.migration (name, sha256) VALUES (%s, %s)",
                [file.name, file.checksum],
            )
        connection.execute(FILL.encode())
    return empty_database_url


async def test_all_that_was_there_is_there(filled_url: str) -> None:
    columns = columns_of(filled_url)
    before = contents(filled_url, KEPT, columns)
    report = await migrate(filled_url)
    assert len(report.migrations) == len(m.read_files(m.MIGRATIONS)) - EARLIER
    assert contents(filled_url, KEPT, columns) == before
    assert all(before.values())


async def test_days_of_hours_that_were_there_are_those_of_the_ledger(filled_url: str) -> None:
    await migrate(filled_url)
    columns = columns_of(filled_url)
    made = contents(filled_url, MADE, columns)
    assert all(made.values())
    with psycopg.connect(filled_url) as connection:
        for table in MADE:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("core", table)))
    async with await connect(filled_url, name="tests", autocommit=True) as ledger:
        spans = [Span(number, BEGIN, END) for number in (1, 2, 3)]
        await roll_up_days(ledger, spans, spans[:2])
        while await roll_up_areas(ledger) is not None:
            pass
    assert contents(filled_url, MADE, columns) == made
    with psycopg.connect(filled_url) as connection:
        rows = connection.execute(
            "SELECT sum(co2_kg), max(hours_missing) FROM api.emissions_daily WHERE day = '2025-10-26'"
            " AND site = 's' AND source = 'gas'"
        ).fetchall()
        # From 22:00 UTC on 25 hours, of which two are in the next day: 22, 23, 0 to 22.
        assert rows == [(pytest.approx(0.1 * (22 + 23 + sum(range(23)))), 0)]
