"""Raw readings that are gone: their hours stay as they are, and what would need them is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from services.analytics.retention import Limits, drop_beyond
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry
from services.settings import SettingsError, load
from services.store.registry import plan_registry
from tests.ledger.conftest import ROOT, Database, reading, site_of
from tests.ledger.test_emission_hours import GRID

pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
SELDOM = DeviceKey("s", Kind.METER, "seldom")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CUT = BEGIN + timedelta(days=3)
NOW = CUT + timedelta(days=30)
RAW_30_DAYS = Limits(timedelta(days=30), None)


def plant(grid: dict[str, Any] | None = None) -> dict[str, Any]:
    """A meter every 15 minutes, another once a day."""
    meter = {"interval_s": 900, "carrier": "electricity", "energy_quantity": "energy_import_kwh"}
    seldom = {**GRID, "devices": ["meter/seldom"]}
    return {"s": site_of({"meter/m": meter, "meter/seldom": meter}, {"grid": grid or GRID, "seldom": seldom})}


def six_days() -> Iterator[Reading]:
    for number in range(6 * 96):
        yield reading(METER, BEGIN + number * timedelta(minutes=15), energy_import_kwh=float(number))
    for number in range(6):
        at = BEGIN + timedelta(days=number, hours=7)
        yield reading(SELDOM, at, energy_import_kwh=100.0 * number)


async def everything(database: Database) -> list[list[tuple[Any, ...]]]:
    days = [
        await database.fetch("SELECT * FROM core.emission_day ORDER BY source_id, day, basis, part"),
        await database.fetch("SELECT * FROM core.energy_day ORDER BY device_id, day, part"),
    ]
    return [*await database.ledger(), *days]


async def reopen_all(database: Database) -> None:
    """As a new factor does."""
    await database.connection.execute(
        "INSERT INTO core.dirty_range (device_id, from_time, to_time, reason)"
        " SELECT device_id, '2020-01-01Z', '2027-01-01Z', 'asked for' FROM core.device"
    )
    await database.connection.commit()
    await database.run()


@pytest.fixture
async def cut(database: Database) -> Database:
    """Six days were computed, then the raw readings of the first three dropped."""
    await database.apply(plant())
    await database.receive(six_days())
    await database.run()
    before = await everything(database)
    assert await drop_beyond(database.connection, RAW_30_DAYS, NOW) > 0
    await database.connection.commit()
    assert await database.fetch("SELECT min(time) FROM core.reading_meter") == [(CUT,)]
    assert await everything(database) == before
    return database


async def test_hours_whose_readings_are_gone_stay(cut: Database) -> None:
    before = await everything(cut)
    await reopen_all(cut)
    assert await everything(cut) == before


async def test_hours_after_them_are_still_restated(cut: Database) -> None:
    await cut.connection.execute("UPDATE core.reading_meter SET energy_import_kwh = energy_import_kwh * 2")
    before = dict(await hours(cut))
    await reopen_all(cut)
    after = dict(await hours(cut))
    changed = [hour for hour in after if after[hour] != before[hour]]
    # The step from the last reading that is gone reaches into the first hour; marks are remembered for a day.
    assert CUT < min(changed) <= CUT + timedelta(hours=26)
    assert CUT + timedelta(hours=26) in changed


async def hours(database: Database) -> list[tuple[Any, ...]]:
    return await database.fetch("SELECT hour, co2_kg FROM api.emissions_hourly WHERE source = 'grid'")


async def test_a_step_that_began_before_is_kept_whole(cut: Database) -> None:
    """A meter read once a day: the day around the cut follows from a reading that is gone."""
    before = await cut.fetch(
        "SELECT hour, co2_kg FROM api.emissions_hourly WHERE source = 'seldom' ORDER BY hour"
    )
    await cut.receive([reading(SELDOM, CUT + timedelta(hours=9), energy_import_kwh=305.0)])
    await cut.run()
    after = await cut.fetch(
        "SELECT hour, co2_kg FROM api.emissions_hourly WHERE source = 'seldom' ORDER BY hour"
    )
    assert [row for row in after if row[0] < CUT + timedelta(hours=7)] == [
        row for row in before if row[0] < CUT + timedelta(hours=7)
    ]
    assert after != before
    assert all(co2_kg is not None for _, co2_kg in after[:-1])


async def test_a_registry_change_that_needs_them_is_refused(cut: Database) -> None:
    changed = Registry.model_validate({"version": 1, "sites": plant({**GRID, "carrier": "electricity"})})
    site = changed.sites["s"]
    facts = site.devices["meter/m"].facts[0].model_copy(update={"multiplier": 2.0})
    device = site.devices["meter/m"].model_copy(update={"facts": (facts,)})
    sites = {"s": site.model_copy(update={"devices": {**site.devices, "meter/m": device}})}
    plan = await plan_registry(cut.connection, changed.model_copy(update={"sites": sites}))
    messages = [problem.message for problem in plan.refusals]
    assert any("2026-03-04 00:00 UTC cannot be computed anew" in message for message in messages), messages


NEW_FACTOR = (
    "CN_MEE_PROVINCE_2026,electricity_CN-SH,,electricity,CN-SH,kWh,CO2,average,,,,,,0.5,,,"
    "2026-01-01,2026-12-31,a test,transcribed\n"
)


async def test_a_new_factor_restates_what_it_can_and_says_what_it_cannot(
    cut: Database, database_url: str, tmp_path: Path
) -> None:
    table = tmp_path / "factors.csv"
    header, _, _ = (ROOT / "services/store/factors.csv").read_text(encoding="utf-8").partition("\n")
    table.write_text(f"{header}\n{NEW_FACTOR}", encoding="utf-8")
    command = [sys.executable, "-m", "services.cli.main", "factors", "load", str(table)]
    environment = {**os.environ, "CARBONFLOW_DATABASE_URL": database_url}
    said = await asyncio.to_thread(subprocess.check_output, command, env=environment, cwd=ROOT, text=True)
    assert "Hours before 2026-03-04 00:00 UTC keep the factor they have" in said
    before = dict(await hours(cut))
    await cut.run()
    after = dict(await hours(cut))
    assert all(after[hour] == before[hour] is not None for hour in before if hour < CUT)
    late = CUT + timedelta(days=2)
    assert after[late] == pytest.approx(before[late] * 0.5 / 0.5737)


async def test_nothing_is_dropped_without_a_limit(database: Database) -> None:
    await database.apply(plant())
    await database.receive(six_days())
    assert await drop_beyond(database.connection, Limits(None, None), NOW + timedelta(days=9999)) == 0
    assert await database.fetch("SELECT raw_since FROM core.setting") == [(None,)]


async def test_analytics_may_drop_and_others_may_not(role_url: Callable[[str], str]) -> None:
    with psycopg.connect(role_url("carbonflow_analytics")) as connection:
        assert connection.execute("SELECT core.drop_raw_readings('2020-01-01Z')").fetchone() == (0,)
        assert connection.execute("SELECT core.drop_live_emissions('2020-01-01Z')").fetchone() == (0,)
    with (
        psycopg.connect(role_url("carbonflow_ingest")) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT core.drop_raw_readings('2020-01-01Z')")


def test_a_limit_shorter_than_what_is_accepted_late_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONFLOW_RETENTION_RAW_DAYS", "400")
    with pytest.raises(SettingsError, match="7 days longer than CARBONFLOW_TOO_OLD_DAYS"):
        load(env_file=None)
    monkeypatch.setenv("CARBONFLOW_TOO_OLD_DAYS", "30")
    assert load(env_file=None).retention_raw_days == 400
