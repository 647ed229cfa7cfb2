"""`carbonflow factors load`: what is recorded, and which hours are computed anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.store.test_commands import DEMO, Carbonflow, carbonflow

__all__ = ["carbonflow"]

TABLE = (
    "factor_set,fuel,region,unit,gas,basis,co2_kg_per_unit,valid_from,valid_to,source,verified\n"
    "CN_MEE_PROVINCE_2024,electricity_CN-SH,CN-SH,kWh,CO2,average,0.55,2024-01-01,2024-12-31,doc,transcribed\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "factors.csv"
    file.write_text(TABLE, encoding="utf-8")
    return file


def _read(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_hours_that_hang_on_a_new_factor_are_computed_anew(
    carbonflow: Carbonflow, database_url: str, table: Path
) -> None:
    carbonflow("registry", "apply", str(DEMO))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO core.reading_meter (device_id, time, received_at, power_kw) "
            "SELECT device_id, %s, now(), 1 FROM core.device WHERE kind = 'meter'",
            [datetime(2023, 6, 1, tzinfo=UTC)],
        )
        connection.execute("DELETE FROM core.dirty_range")
    dry = carbonflow("factors", "load", str(table), "--dry-run").stdout
    assert "1 factor would be new" in dry
    assert carbonflow.json("factors", "load", str(table), "--dry-run")["effects"] == []
    assert _read(database_url, "SELECT * FROM core.dirty_range") == []
    outcome = carbonflow.json("factors", "load", str(table))
    assert (outcome["loaded"], outcome["new"]) == (True, 1)
    # The campus is in Shanghai, the plant is not.
    assert {each["site"] for each in outcome["recomputed"]} == {"campus"}
    assert {each["from"] for each in outcome["recomputed"]} == {"2023-12-31T16:00:00+00:00"}
    dirty = _read(
        database_url,
        "SELECT DISTINCT d.site, r.from_time FROM core.dirty_range r JOIN core.device d USING (device_id)",
    )
    assert dirty == [("campus", datetime(2023, 12, 31, 16, tzinfo=UTC))]
    assert "Nothing changes" in carbonflow("factors", "load", str(table)).stdout
    [listed] = carbonflow.json("factors", "list", "--set", "CN_MEE_PROVINCE_2024")
    assert listed["value"] == 0.55


def test_a_table_at_fault_is_told_with_its_line_and_nothing_is_recorded(
    carbonflow: Carbonflow, database_url: str, table: Path
) -> None:
    table.write_text(TABLE + TABLE.splitlines()[1].replace(",CO2,", ",C,"), encoding="utf-8")
    told = carbonflow("factors", "load", str(table), status=1).stderr
    assert "factors.csv: line 3: gas is 'C'" in told
    table.write_bytes(b"\xff\xfe")
    assert "is not UTF-8 (byte 1)" in carbonflow("factors", "load", str(table), status=1).stderr
    assert _read(database_url, "SELECT 1 FROM core.factor WHERE factor_set = 'CN_MEE_PROVINCE_2024'") == []


def test_what_would_change_is_told_in_kg(carbonflow: Carbonflow, database_url: str, table: Path) -> None:
    carbonflow("registry", "apply", str(DEMO))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO core.emission_hour (source_id, hour, basis, activity, activity_unit, co2_kg, "
            "factor_provisional, in_total, coverage, estimated) "
            "SELECT source_id, '2024-05-01Z', 'location', 100, 'kWh', 57.37, false, true, 1, false "
            "FROM core.source WHERE site = 'campus' AND source = 'grid-electricity'"
        )
    head, row = carbonflow("factors", "load", str(table), "--dry-run").stdout.splitlines()[1:]
    assert head.split("\t")[5:] == ["now kg", "then kg", "difference kg", "unknown h"]
    assert row.split("\t") == [
        "campus", "grid-electricity", "location", "2024-05", "1", "57.37", "55", "-2.37", "0 -> 0",
    ]  # fmt: skip
    [effect] = carbonflow.json("factors", "load", str(table), "--dry-run")["effects"]
    assert effect["difference_kg"] == pytest.approx(-2.37)
    assert (effect["month"], effect["new_unknown_hours"]) == ("2024-05", 0)


@pytest.mark.parametrize("column", ["unit", "basis", "source", "gas", "factor_set", "fuel", "verified"])
def test_a_factor_that_does_not_say_what_it_is_is_refused(
    carbonflow: Carbonflow, table: Path, column: str
) -> None:
    names = TABLE.splitlines()[0].split(",")
    values = TABLE.splitlines()[1].split(",")
    values[names.index(column)] = ""
    table.write_text(f"{','.join(names)}\n{','.join(values)}\n", encoding="utf-8")
    told = carbonflow("factors", "load", str(table), status=1).stderr
    assert f"line 2: {column} is " in told
    assert len(told.splitlines()) == 1


MEASURED = (
    "site,source,sampled_from,sampled_to,laboratory,document,ncv_gj_per_t,carbon_pct\n"
    "plant,coal,2026-05-01,2026-05-31,Lab 7,2026-118,22.9,57.3\n"
)


def test_measured_values_of_a_table_are_in_force(carbonflow: Carbonflow, tmp_path: Path) -> None:
    carbonflow("registry", "apply", str(DEMO))
    file = tmp_path / "lab.csv"
    file.write_text(MEASURED, encoding="utf-8")
    dry = carbonflow("factors", "measured", "load", str(file), "--dry-run").stdout
    assert "+ sites.plant.sources.coal.facts.2026-05-01: " in dry
    assert "Nothing was applied." in dry
    outcome = carbonflow.json("factors", "measured", "load", str(file))
    assert (outcome["applied"], outcome["version"]) == (True, 2)
    assert [(each["device"], each["from"]) for each in outcome["recomputed"]] == [
        ("coal", "2026-04-30T16:00:00+00:00")
    ]
    assert "Nothing changes." in carbonflow("factors", "measured", "load", str(file)).stdout
    shown = tmp_path / "shown.yaml"
    shown.write_text(carbonflow("registry", "show").stdout, encoding="utf-8")
    assert "document: 2026-118" in shown.read_text(encoding="utf-8")
    assert "Nothing changes." in carbonflow("registry", "apply", str(shown)).stdout
    file.write_text(MEASURED.replace("plant,coal", "plant,cole"), encoding="utf-8")
    told = carbonflow("factors", "measured", "load", str(file), status=1).stderr
    assert f"Error: {file}:2: names source cole, which site plant does not have." in told


def test_a_measured_value_behind_computed_hours_is_not_changed(
    carbonflow: Carbonflow, database_url: str, tmp_path: Path
) -> None:
    carbonflow("registry", "apply", str(DEMO))
    file = tmp_path / "lab.csv"
    file.write_text(MEASURED, encoding="utf-8")
    carbonflow("factors", "measured", "load", str(file))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO core.device_hour (device_id, hour, quantity, readings, coverage, estimated) "
            "SELECT d.device_id, '2026-06-01Z', q.code, 1, 1, false FROM core.device d "
            "JOIN core.quantity q ON q.kind = d.kind AND q.quantity = 'mass_t' "
            "WHERE d.kind = 'beltscale' AND d.device = 'coal'"
        )
    file.write_text(MEASURED.replace("57.3", "58.1"), encoding="utf-8")
    told = carbonflow("factors", "measured", "load", str(file), status=1).stderr
    assert f"Error: {file}:2: sites.plant.sources.coal.facts[2]: changes fuel from 2026-05-01 on" in told
