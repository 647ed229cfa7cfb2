"""A converter of live emissions for a small site, as tests ask for it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from services.domain.conversion import SourceKey, compile_conversions
from services.domain.factors import FactorBook
from services.domain.ledger.hours import from_us, to_us
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References, keep, lookups, take
from services.store.factors import shipped_factors
from services.store.pool import connect
from services.store.reading_columns import columns_of
from services.store.registry import apply_registry, plan_registry
from tests.ingest.test_write import NOW

FACTORS = FactorBook(shipped_factors())
SINCE = "2020-01-01T00:00:00Z"
METER = DeviceKey("site", Kind.METER, "main")
GAS = DeviceKey("site", Kind.FLOWMETER, "gas")
COAL = DeviceKey("site", Kind.BELTSCALE, "coal")
IDS = {METER: 1, GAS: 2, COAL: 3}
SOURCES = {SourceKey("site", name): 10 + i for i, name in enumerate(["power", "gas", "coal", "unknown"])}
FAULT = STATUS_CODES[Status.FAULT]
MANUAL = STATUS_CODES[Status.MANUAL]


def registry(**meter_facts: Any) -> Registry:
    def fuel(carrier: str, device: str, quantity: str, **facts: Any) -> dict[str, Any]:
        named = {"from": SINCE, "devices": [device], "quantity": quantity, "factor_set": "CN_NDRC_2.1"}
        return {"scope": 1, "method": "fuel", "carrier": carrier, "facts": [named | facts]}

    meter = {"from": SINCE, "interval_s": 30, "registers": {"energy_import_kwh": {"modulus": 1000}}}
    gas = {
        "from": SINCE,
        "interval_s": 60,
        "base_state": "0C",
        "energy_quantity": "volume_nm3",
        "rated_flow": 100,
    }
    electricity = {"from": SINCE, "devices": ["meter/main"], "factor_set": "CN_MEE_PROVINCE"}
    return Registry.model_validate(
        {
            "version": 1,
            "sites": {
                "site": {
                    "timezone": "Asia/Shanghai",
                    "region": "CN-SH",
                    "devices": {
                        "meter/main": {"facts": [meter | meter_facts]},
                        "flowmeter/gas": {"facts": [gas]},
                        "beltscale/coal": {"facts": [{"from": SINCE, "interval_s": 30}]},
                    },
                    "sources": {
                        "power": {
                            "scope": 2,
                            "method": "electricity",
                            "carrier": "electricity",
                            "facts": [electricity],
                        },
                        "gas": fuel("natural_gas", "flowmeter/gas", "volume_nm3", factor_base_state="0C"),
                        "coal": fuel("bituminous_coal", "beltscale/coal", "mass_t"),
                        "unknown": fuel("moon_dust", "beltscale/coal", "mass_t"),
                    },
                }
            },
        }
    )


def line_gas(**facts: Any) -> Registry:
    """The gas meter measures at line conditions."""
    document = registry().model_dump(by_alias=True, exclude_unset=True)
    device = document["sites"]["site"]["devices"]["flowmeter/gas"]["facts"][0]
    device |= {"energy_quantity": "flow_m3_h", "pressure_reference": "absolute"} | facts
    source = document["sites"]["site"]["sources"]["gas"]["facts"][0]
    source["quantity"] = "flow_m3_h"
    return Registry.model_validate(document)


def converter(document: Registry | None = None) -> LiveConverter:
    return LiveConverter(References(document or registry(), FACTORS, IDS, SOURCES), NOW)


def factor(source: str, document: Registry | None = None) -> float:
    """kg CO2 per unit of the activity."""
    compiled = compile_conversions(document or registry(), FACTORS, NOW)
    found = [each for of in compiled.values() for each in of if each.source.source == source]
    return found[0].factor.co2_kg_per_unit


def reading(device: DeviceKey, second: float, status: int = 0, **values: float | None) -> Reading:
    measured = tuple(values.get(name) for name in NAMES[device.kind])
    return Reading(device, NOW + timedelta(seconds=second), None, measured, status)


class LiveRow(NamedTuple):
    source_id: int
    device_id: int
    time: datetime
    basis: str | None
    co2_kg_per_h: float | None
    factor_id: int | None


def convert(live: LiveConverter, *readings: Reading) -> list[LiveRow]:
    """As one batch of one kind, committed."""
    times = np.array([to_us(each.time) for each in readings], np.int64)
    ids = np.array([IDS.get(each.device, 99) for each in readings], np.int64)
    selection = live.select(columns_of(readings[0].device.kind, ids, times, times, readings))
    if selection is None:
        return []
    for lookup in lookups(selection):
        take(selection, lookup, {})
    converted = live.convert(selection)
    keep(converted)
    return [
        LiveRow(
            int(block.source_ids[row]),
            int(block.device_ids[row]),
            from_us(int(block.times_us[row])),
            block.basis,
            None if np.isnan(block.co2_kg_per_h[row]) else float(block.co2_kg_per_h[row]),
            None if np.isnan(block.factor_ids[row]) else int(block.factor_ids[row]),
        )
        for block in converted.blocks
        for row in range(len(block.times_us))
    ]


def rates(*readings: Reading, live: LiveConverter | None = None) -> list[float | None]:
    return [row.co2_kg_per_h for row in convert(live or converter(), *readings)]


def apply(url: str, document: Registry) -> None:
    async def steps() -> None:
        async with await connect(url, name="test") as connection:
            await apply_registry(connection, await plan_registry(connection, document))

    asyncio.run(steps())
