"""Live emissions in the database, beside the readings they follow from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.domain.registry.model import Registry
from tests.ingest.conftest import Database
from tests.ingest.live import (
    GAS,
    apply,
    converter,
    factor,
    line_gas,
    rates,
    reading,
    registry,
)
from tests.ingest.test_write import NOW, Ingest, at, message


def live_rows(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT extract(epoch FROM %s - time)::integer, source, co2_kg_per_h "
        "FROM api.emissions_rate ORDER BY time",
        [NOW],
    )


def test_written_with_the_readings(database_url: str, database: Database) -> None:
    apply(database_url, registry())

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            await ingest.write(
                message("site", at(90, power_kw=1), "main"),
                message("site", at(60, energy_import_kwh=5), "main"),
            )
            await ingest.write(message("site", at(75, power_kw=2), "main"))  # late: no rate
            await ingest.write(message("site", at(90, voltage_v=3), "main"))  # merged, not the newest
            await ingest.write(message("site", at(60, voltage_v=3), "main"))  # merged, but nothing of power
        async with Ingest(database_url) as ingest:  # finds the register of the one before
            await ingest.write(
                message("site", at(30, energy_import_kwh=6), "main"),
                message("site", at(30, power_kw=6), "stranger"),
            )

    asyncio.run(steps())
    kg = factor("power")
    assert live_rows(database) == [
        (90, "power", pytest.approx(kg)),
        (60, "power", pytest.approx(kg)),  # what it showed before holds
        (30, "power", pytest.approx(120 * kg)),
    ]


def test_the_rest_of_the_newest_reading_completes_its_rate(
    role_url: Callable[[str], str], database_url: str, database: Database
) -> None:
    apply(database_url, registry())

    async def steps() -> None:
        async with Ingest(role_url("carbonflow_ingest")) as ingest:
            await ingest.write(message("site", at(90, power_kw=1), "main"))
            await ingest.write(message("site", at(60, energy_import_kwh=5), "main"))
            await ingest.write(message("site", at(60, power_kw=3), "main"))
            await ingest.write(message("site", at(60, power_kw=3, current_a=1), "main"))
            await ingest.write(message("site", at(30, power_kw=5), "main"))
            await ingest.write(message("site", at(30, energy_import_kwh=6), "main"))
            await ingest.write(message("site", at(60, frequency_hz=50), "main"))
        async with Ingest(database_url) as ingest:
            await ingest.write(message("site", at(30, power_factor=1), "main"))
            await ingest.write(message("site", at(15, energy_import_kwh=6.5), "main"))
            await ingest.write(
                message("site", at(15, power_kw=8), "main"), message("site", at(5, power_kw=9), "main")
            )

    asyncio.run(steps())
    kg = factor("power")
    assert live_rows(database) == [
        (90, "power", pytest.approx(kg)),
        (60, "power", pytest.approx(kg)),  # told already, from what was held
        (30, "power", pytest.approx(5 * kg)),
        (15, "power", pytest.approx(120 * kg)),  # a newer one was there already when the rest came
        (5, "power", pytest.approx(9 * kg)),
    ]


def test_a_device_that_always_sends_in_parts(database_url: str, database: Database) -> None:
    apply(database_url, line_gas())

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            for second, flow, pressure in ((120, 10, 100), (60, 20, 200)):
                first = at(second, flow_m3_h=flow, temperature_c=20)
                await ingest.write(message("site", first, "gas", "flowmeter"))
                rest = at(second, pressure_kpa=pressure)
                await ingest.write(message("site", rest, "gas", "flowmeter"))

    asyncio.run(steps())
    (rate,) = rates(
        reading(GAS, 0, flow_m3_h=10.0, temperature_c=20.0, pressure_kpa=100.0), live=converter(line_gas())
    )
    assert rate is not None
    assert live_rows(database) == [(120, "gas", pytest.approx(rate)), (60, "gas", pytest.approx(2 * rate))]


def test_a_registry_applied_meanwhile_is_loaded(database_url: str, database: Database) -> None:
    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            await ingest.write(message("site", at(90, power_kw=1), "main"))
            await asyncio.to_thread(apply, database_url, registry())
            await ingest.reference.refresh()
            await ingest.write(message("site", at(60, power_kw=2), "main"))

    asyncio.run(steps())
    assert live_rows(database) == [(60, "power", pytest.approx(2 * factor("power")))]


def test_a_conversion_that_begins_later_is_compiled_then(database_url: str, database: Database) -> None:
    begins = NOW + timedelta(hours=1)
    document = registry().model_dump(by_alias=True)
    document["sites"]["site"]["sources"]["power"]["facts"][0]["from"] = begins
    apply(database_url, Registry.model_validate(document))
    now = [NOW]

    async def steps() -> None:
        async with Ingest(database_url, clock=lambda: now[0]) as ingest:
            await ingest.write(message("site", at(90, power_kw=1), "main"))
            now[0] = begins
            await ingest.reference.refresh()
            await ingest.write(message("site", at(60, power_kw=2), "main"))

    asyncio.run(steps())
    assert [row[0] for row in live_rows(database)] == [60]
