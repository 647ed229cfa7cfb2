"""The questions of the SQL guide are answered: by the numbers of a small world, asked as people ask."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from services.store.ledger_areas import roll_up_areas
from services.store.ledger_days import roll_up_days
from services.store.ledger_rows import Span
from services.store.pool import connect

GUIDE = Path(__file__).resolve().parents[2] / "docs/sql.md"
_QUESTION = re.compile(r"([^\n]+)\n\n```sql\n(.*?)```", re.DOTALL)
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
BEGIN = NOW - timedelta(days=40)
HOURS = (NOW - BEGIN) // HOUR
UNKNOWN = NOW - timedelta(days=3)
FILL = """
INSERT INTO core.site (site, timezone) VALUES ('campus', 'Asia/Shanghai');
INSERT INTO core.area (site, area, type, floor_area_m2) VALUES ('campus', 'hall', 'building', 100);
INSERT INTO core.device (site, kind, device) VALUES ('campus', 'meter', 'main');
INSERT INTO core.source (site, source, scope, method, carrier) VALUES
    ('campus', 'grid-electricity', 2, 'electricity', 'electricity'),
    ('campus', 'gas', 1, 'fuel', 'natural_gas');
INSERT INTO core.source_period (source_id, valid_from, area, device_ids, in_total)
VALUES (1, '2020-01-01Z', 'hall', '{1}', true), (2, '2020-01-01Z', 'hall', '{1}', true);
"""
EMISSIONS = """
INSERT INTO core.emission_hour (source_id, hour, basis, area, activity, activity_unit, co2_kg, co2e_kg,
    factor_provisional, in_total, coverage, estimated, missing_reason)
SELECT 1, at.hour, 'location', 'hall', 4, 'kWh', CASE WHEN at.hour <> %(unknown)s THEN 2 END, 2, false, true,
    1, false, CASE WHEN at.hour = %(unknown)s THEN 'no reading' END
FROM generate_series(%(begin)s, %(now)s - interval '1 hour', interval '1 hour') AS at (hour)
"""
ENERGY = """
INSERT INTO core.energy_hour
    (device_id, hour, area, carrier, amount, unit, energy_kwh, in_total, coverage, estimated)
SELECT 1, at.hour, 'hall', 'electricity', 4, 'kWh', 4, true, 1, false
FROM generate_series(%(begin)s, %(now)s - interval '1 hour', interval '1 hour') AS at (hour)
"""


async def _roll_up(url: str) -> None:
    span = Span(1, BEGIN, NOW)
    async with await connect(url, name="tests", autocommit=True) as connection:
        await roll_up_days(connection, [span], [span])
        while await roll_up_areas(connection) is not None:
            pass


Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def ask(database_url: str, role_url: Callable[[str], str]) -> Ask:
    """The answer to the question that begins with these words, as people's role."""
    with psycopg.connect(database_url) as owner:
        owner.execute(FILL.encode())
        for statement in (EMISSIONS, ENERGY):
            owner.execute(statement.encode(), {"begin": BEGIN, "now": NOW, "unknown": UNKNOWN})
    asyncio.run(_roll_up(database_url))
    questions = dict(_QUESTION.findall(GUIDE.read_text(encoding="utf-8")))

    def answer(begins: str) -> list[dict[str, Any]]:
        [query] = [query for question, query in questions.items() if question.startswith(begins)]
        with psycopg.connect(role_url("carbonflow_ops"), row_factory=dict_row) as reader:
            return reader.execute(query.encode()).fetchall()

    return answer


def test_days_months_and_areas(ask: Ask) -> None:
    months = ask("Which months can be reported")
    assert sum(row["co2_t"] for row in months) == pytest.approx((HOURS - 1) * 2 / 1000)
    assert not any(row["complete"] for row in months)
    year = ask("What did the whole portfolio emit")
    assert sum(row["co2_t"] for row in year) == pytest.approx((HOURS - 1) * 2 / 1000)
    # The first day is not whole. Hours to come are not missing; one may have ended since the rows were made.
    assert sum(row["hours_missing"] for row in year[1:]) in (1, 2)
    this_month = sum(row["co2_t"] or 0 for row in ask("What did each site emit this month"))
    assert sum(row["co2_t"] or 0 for row in ask("Which buildings and plants")) == pytest.approx(this_month)
    assert [row["co2_kg"] for row in ask("When does a site emit most")] == [2.0] * 5
    gases = ask("Each gas of each source")
    assert sum(row["activity"] for row in gases) == 4.0 * HOURS
    assert all(row["ch4_kg"] is None for row in gases)
    energy = ask("By energy content, 34.12 kg/GJ")
    assert sum(row["coal_equivalent_t"] for row in energy) == pytest.approx(4e-3 * HOURS * 0.0036 * 34.12)


def test_what_is_missing_is_told(ask: Ask) -> None:
    assert ask("Which hours of which source are unknown") == [
        {
            "site": "campus",
            "source": "grid-electricity",
            "missing_reason": "no reading",
            "hours": 1,
            "first": UNKNOWN,
            "last": UNKNOWN,
        }
    ]
    silent = ask("Which sources told nothing at all")
    assert {row["source"] for row in silent} == {"gas"}
    assert len(silent) == 7
    assert ask("Since when are all raw readings") == [{"raw_since": None}]


def test_the_guide_has_its_questions() -> None:
    questions = [question for question, _ in _QUESTION.findall(GUIDE.read_text(encoding="utf-8"))]
    assert len(questions) >= 20
    assert len([each for each in questions if "?" in each]) >= 10
