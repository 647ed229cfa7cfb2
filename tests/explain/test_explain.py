"""Every method's hour is explained, and comes out again to the last bit; what was tampered with does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.analytics.calculation import calculation
from services.analytics.explain import Explainer, NotExplainedError
from services.analytics.explanation import Explanation
from services.domain.factors import Factor
from services.domain.ledger.overlay import Action
from services.store.corrections import Wish, record_correction
from services.store.factor_loading import load_table
from tests.explain.conftest import Database, Explain
from tests.ledger.conftest import T0, approx, reading, site_of
from tests.ledger.test_order_free import DEVICES, EVENTS, SOURCES, some_readings
from tests.ledger.test_recompute import BELT, METER, PLANT, an_hour

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


def values(explanation: Explanation) -> dict[str, float | str | None]:
    """The lines by name; of several of one name the last."""
    return {line.name: line.value for line in explanation.lines}


async def prepared(database: Database) -> None:
    await database.apply({"s": PLANT})
    await database.receive(an_hour())
    await database.run()


FIGURES = {
    "grid": {"energy_import_kwh": 100.0, "co2_kg_per_unit": 0.5737, "co2_kg": 57.37},
    "boiler": {"scale": 273.15 / 293.15, "ncv": 389.31, "carbon_content_t_per_gj": 0.0153},
    "steam": {"enthalpy_kj_per_kg": 2768.302, "mass_t": 120.5, "activity": 323.4898},
    "coal": {"oxidation_rate": 0.93, "co2_kg_per_unit": 2071.509},
    "lime": {"mass_t": 1000.0, "co2_kg_per_unit": 395.7416},
    "stack": {"flow_nm3_h": 1_656_003.885, "dry_share": 0.885, "activity": 383.838},
}


@pytest.mark.parametrize("source", FIGURES)
async def test_every_method(database: Database, explain: Explain, source: str) -> None:
    await prepared(database)
    told = await explain(source, T0 + timedelta(minutes=20))
    assert (told.hour, told.end, told.reasons, told.reproduced) == (T0, T0 + HOUR, [], True)
    found = values(told)
    assert {name: found[name] for name in FIGURES[source]} == approx(FIGURES[source], rel=1e-6)
    [kept] = await database.fetch(
        "SELECT activity, co2_kg FROM api.emissions_hourly WHERE source = %s AND hour = %s", source, T0
    )
    assert (found["activity"], found["co2_kg"]) == kept
    assert told.computed_by is not None
    assert (told.computed_by.code, told.computed_by.registry_version) == (calculation().code, 1)


@pytest.mark.parametrize("source", FIGURES)
async def test_sql_tells_the_same(database: Database, explain: Explain, source: str) -> None:
    await prepared(database)
    lines = await database.fetch(
        "SELECT name, value, said, by FROM api.explain('s', %s, %s)", source, T0 + timedelta(minutes=59)
    )
    told = {name: value for name, value, _, _ in lines}
    expected = values(await explain(source, T0))
    shared = [name for name in told if isinstance(expected.get(name), float) and told[name] is not None]
    assert {"activity", "co2_kg", "scale", "co2_kg_per_unit"} <= set(shared)
    shared.remove("readings")  # there those of a quantity, here all that the hour rests on
    assert {name: told[name] for name in shared} == {name: expected[name] for name in shared}
    factors = [(said, by) for name, _, said, by in lines if name == "factor"]
    if source == "grid":
        [(said, by)] = factors
        assert said == "CN_MEE_PROVINCE_2023/electricity_CN-SH"
        assert all(
            each in by for each in ("series CN_MEE_PROVINCE", "CN-SH", "confirmed", "2023-12-31", "No.47")
        )


async def test_the_steps_of_a_register(database: Database, explain: Explain) -> None:
    await prepared(database)
    told = await explain("grid", T0)
    found = [
        (step.begin - T0, step.end - T0, step.movement, step.read_as, step.in_hour) for step in told.steps
    ]
    quarter = HOUR / 4
    assert found == [(n * quarter, (n + 1) * quarter, 25.0, "normal", 25.0) for n in range(4)]
    assert {(step.about, step.quantity, step.unit) for step in told.steps} == {
        ("meter/m", "energy_import_kwh", "kWh")
    }
    assert (await explain("stack", T0)).steps == []


async def test_hours_of_changing_facts_come_out_again(database: Database, explain: Explain) -> None:
    """Contracts, stocks, a changed ratio, a replaced meter, means, steam and a stack, with faults."""
    await database.apply({"s": site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)})
    await database.receive(some_readings(3))
    await database.run()
    rows = await database.fetch("SELECT source, basis, hour, co2_kg FROM api.emissions_hourly")
    assert len(rows) > 20
    for source, basis, hour, co2_kg in rows:
        told = await explain(source, hour, basis)
        assert (told.reproduced, told.reasons) == (True, []), (source, basis, hour)
        assert values(told)["co2_kg"] == co2_kg
        moved = [step.in_hour for step in told.steps if step.in_hour is not None]
        shown = [line.value for line in told.lines if line.name in {step.quantity for step in told.steps}]
        if moved and len(told.steps) == len(moved):
            assert shown[0] == approx(sum(moved))
    [stretches] = await database.fetch(
        "SELECT count(*) FROM api.emission_parts WHERE source = 'grid' AND facts_from IS NOT NULL"
    )
    assert stretches[0] > 0


async def test_late_data_and_a_restart(database: Database, explain: Explain) -> None:
    await prepared(database)
    before = await explain("grid", T0)
    await database.receive([reading(METER, 450, energy_import_kwh=20.0)])
    waiting = await explain("grid", T0)
    assert waiting.reproduced is False
    assert "still has work" in waiting.reasons[0]
    assert any("5 readings" in reason and "6 readings" in reason for reason in waiting.reasons)
    await database.run()
    after = await Explainer().explain(database.connection, "s", "grid", T0)
    assert (after.reproduced, after.reasons) == (True, [])
    assert before.read is not None
    assert after.read is not None
    assert (before.read.readings, after.read.readings) == (5, 6)


async def test_a_new_version_of_a_factor(
    database: Database, explain: Explain, factors: tuple[Factor, ...]
) -> None:
    await prepared(database)
    old = await explain("grid", T0)
    [shanghai] = [each for each in factors if each.name == "CN_MEE_PROVINCE_2023/electricity_CN-SH"]
    corrected = replace(shanghai, co2_kg_per_unit=0.6, source="corrigendum")
    async with database.connection.transaction():
        await load_table(database.connection, (corrected,))
    waiting = await explain("grid", T0)
    assert waiting.reproduced is False
    assert any("co2_kg_per_unit was 0.5737, is 0.6" in reason for reason in waiting.reasons)
    await database.run()
    new = await explain("grid", T0)
    assert (new.reproduced, values(new)["co2_kg"]) == (True, 60.0)
    assert old.recipe != new.recipe
    # The former recipe stays: what was reported then can be told.
    versions = await database.fetch(
        "SELECT value, source, confirmed FROM api.recipe_factors WHERE factor = %s ORDER BY value",
        shanghai.name,
    )
    assert versions == [(0.5737, shanghai.source, True), (0.6, "corrigendum", True)]


async def test_a_correction_is_told_and_computed_with(database: Database, explain: Explain) -> None:
    await prepared(database)
    wish = Wish(BELT, T0 + HOUR, T0 + 2 * HOUR, "mass_t", Action.ADD, 5.0, "tared wrongly", "A. Chen")
    await record_correction(database.connection, wish)
    waiting = await explain("coal", T0)
    assert (waiting.reproduced, "still has work" in waiting.reasons[0]) == (False, True)
    await database.run()
    told = await explain("coal", T0)
    assert (told.reproduced, told.reasons, values(told)["mass_t"]) == (True, [], 105.0)
    [line] = [line for line in told.lines if line.name == "correction"]
    assert (line.about, line.value) == ("beltscale/b", "add mass_t 5")
    assert line.by.startswith("correction 1 of A. Chen, ")
    assert line.by.endswith(": tared wrongly")
    [row] = await database.fetch(
        "SELECT value, said, by FROM api.explain('s', 'coal', %s) WHERE name = 'correction'", T0
    )
    assert row[:2] == (5.0, "add mass_t")
    assert row[2].endswith(": tared wrongly")


async def test_a_row_that_was_tampered_with(database: Database, explain: Explain) -> None:
    await prepared(database)
    await database.fetch("UPDATE core.emission_hour SET co2_kg = co2_kg * (1 + 2.3e-16) RETURNING 1")
    told = await explain("coal", T0)
    assert told.reproduced is False
    [different] = [figure for figure in told.figures if not figure.same]
    assert different.name == "co2_kg"
    assert isinstance(different.stored, float)
    assert different.stored != different.recomputed == approx(different.stored, rel=1e-15)
    [reason] = told.reasons
    assert reason.startswith(
        "Readings and recipe are the same, yet co2_kg differ: what is kept was not written"
    )


async def test_readings_that_are_no_longer_kept(database: Database, explain: Explain) -> None:
    await prepared(database)
    await database.fetch("DELETE FROM core.reading_beltscale RETURNING 1")
    told = await explain("coal", T0)
    assert told.reproduced is None
    assert "no longer kept" in told.reasons[0]
    found = values(told)
    assert (found["mass_t"], found["co2_kg"]) == (100.0, approx(207_150.9, abs=0.1))


async def test_other_code(database: Database, explain: Explain) -> None:
    await prepared(database)
    await database.fetch("UPDATE core.calculation SET code = 'earlier' RETURNING 1")
    assert (await explain("coal", T0)).reproduced is True
    await database.fetch("UPDATE core.emission_hour SET co2_kg = 1 RETURNING 1")
    told = await explain("coal", T0)
    assert told.reproduced is False
    assert "other code (0.1.0, earlier)" in told.reasons[0]


async def test_an_hour_from_before_lineage_was_kept(database: Database, explain: Explain) -> None:
    await prepared(database)
    await database.fetch(
        "UPDATE core.emission_hour SET parts = NULL, recipe = NULL, read_from = NULL, read_to = NULL,"
        " readings = NULL, calculation_id = NULL RETURNING 1"
    )
    told = await explain("coal", T0)
    assert (told.reproduced, told.computed_by, told.read, told.recipe) == (True, None, None, None)
    assert values(told)["co2_kg_per_unit"] == approx(2071.509, rel=1e-6)
    await database.fetch("UPDATE core.emission_hour SET activity = 1 RETURNING 1")
    told = await explain("coal", T0)
    assert told.reproduced is False
    assert told.reasons[0] == "The hour was computed before lineage was kept."


async def test_what_is_not_there(database: Database, explain: Explain) -> None:
    await prepared(database)
    with pytest.raises(NotExplainedError, match="no source 'sun'"):
        await explain("sun", T0)
    with pytest.raises(NotExplainedError, match="nothing is kept of it"):
        await explain("coal", T0 + 1000 * HOUR)
    with pytest.raises(NotExplainedError, match="has no basis 'market'"):
        await explain("coal", T0, "market")


async def test_nothing_is_written(database: Database, explain: Explain) -> None:
    await prepared(database)
    await database.receive([reading(BELT, 450, mass_t=20.0)])
    before = await database.ledger()
    await explain("coal", T0)
    assert await database.ledger() == before
    assert await database.run() != []
