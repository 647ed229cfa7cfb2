"""Live and ledger are one: what a source emits steadily for an hour is what the ledger says of that hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.domain.conversion import SourceKey
from services.domain.ledger.hours import to_us
from services.domain.ledger.kernel import compute
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import readings_of
from services.domain.ledger.track import Window
from services.domain.quantities import NAMES, Kind
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References
from services.store.reading_columns import columns_of
from tests.ingest.live import FACTORS, SINCE
from tests.ingest.test_write import NOW

HOUR = NOW.replace(minute=0, second=0, microsecond=0)
STEP_S = 300
Steady = Mapping[str, Mapping[str, float]]
"""By device: its register's name, what it moves in an hour, and its gauges."""


def world(devices: Mapping[str, Mapping[str, Any]], source: Mapping[str, Any], **site: Any) -> Registry:
    """A site `s` with these devices and one source `x`."""
    head = {name: source[name] for name in ("scope", "method", "carrier", "contracts") if name in source}
    facts = {name: value for name, value in source.items() if name not in head}
    return Registry.model_validate(
        {
            "version": 1,
            "sites": {
                "s": {
                    "timezone": "Asia/Shanghai",
                    "region": "CN-SH",
                    "devices": {
                        ref: {"facts": [{"from": SINCE, "interval_s": STEP_S, **each}]}
                        for ref, each in devices.items()
                    },
                    "sources": {"x": {**head, "facts": [{"from": SINCE, "in_total": True, **facts}]}},
                    **site,
                }
            },
        }
    )


def steady(device: DeviceKey, register: str, per_h: float, **gauges: float) -> list[Reading]:
    """Readings of an hour and one at its end: the register moves evenly, the gauges stand still."""

    def values(step: int) -> tuple[float | None, ...]:
        shown = {**gauges, register: 1000.0 + per_h * step * STEP_S / 3600}
        return tuple(shown.get(name) for name in NAMES[device.kind])

    return [
        Reading(device, HOUR + timedelta(seconds=STEP_S * step), None, values(step), 0)
        for step in range(3600 // STEP_S + 1)
    ]


def live_kg_per_h(registry: Registry, readings: list[Reading]) -> dict[str, float]:
    """By basis: what the newest readings emit, over all devices."""
    devices = sorted({each.device for each in readings})
    ids = {key: index + 1 for index, key in enumerate(devices)}
    live = LiveConverter(References(registry, FACTORS, ids, {SourceKey("s", "x"): 1}), HOUR)
    found: dict[str, float] = {}
    for device in devices:
        own = [each for each in readings if each.device == device]
        times = np.array([to_us(each.time) for each in own], np.int64)
        selection = live.select(columns_of(device.kind, np.full(len(own), ids[device]), times, times, own))
        assert selection is not None
        for block in live.convert(selection).blocks:
            newest = block.times_us == times[-1]
            of_device = float(block.co2_kg_per_h[newest].sum())
            found[block.basis or "none"] = found.get(block.basis or "none", 0.0) + of_device
    return found


def ledger_kg(registry: Registry, readings: list[Reading]) -> dict[str, float | None]:
    """By basis: the ledger's hour."""
    plan = Plan(registry, FACTORS)
    window = Window(to_us(HOUR), to_us(HOUR + timedelta(hours=1)))
    devices = sorted({each.device for each in readings})
    batches = [
        readings_of(kind, of_kind, [each for each in readings if each.device.kind is kind])
        for kind in Kind
        if (of_kind := [key for key in devices if key.kind is kind])
    ]
    found = compute(plan, batches, dict.fromkeys(devices, window), {SourceKey("s", "x"): window})
    return {row.source.basis: row.co2_kg for row in found.emission_hours}


def agree(registry: Registry, readings: list[Reading]) -> dict[str, float]:
    """kg of the hour by basis; fails where live and ledger differ."""
    live, ledger = live_kg_per_h(registry, readings), ledger_kg(registry, readings)
    assert live == pytest.approx(ledger, rel=1e-9)
    return live


HEAT = {"scope": 2, "method": "heat", "carrier": "steam", "factor_set": "CN_GBT32150_2025"}
STEAM: dict[str, Any] = {**HEAT, "factor_fuel": "heat_purchased", "devices": ["flowmeter/f"]}
FLOW, RETURN = DeviceKey("s", Kind.FLOWMETER, "f"), DeviceKey("s", Kind.FLOWMETER, "r")


def test_wet_steam_less_its_condensate() -> None:
    source = {
        **STEAM,
        "quantity": "mass_t",
        "medium": "saturated_steam_by_pressure",
        "dryness_fraction": 0.96,
        "condensate": [{"device": "flowmeter/r", "quantity": "mass_t"}],
    }
    registry = world({"flowmeter/f": {"pressure_reference": "absolute"}, "flowmeter/r": {}}, source)
    readings = steady(FLOW, "mass_t", 12.0, pressure_kpa=1000.0)
    readings += steady(RETURN, "mass_t", 9.0, temperature_c=80.0)
    steam_gj = 12.0 * (762.683 + 0.96 * (2777.120 - 762.683) - 83.74) / 1000
    condensate_gj = 9.0 * 60.0 * 4.1868 / 1000
    assert agree(registry, readings)["none"] == pytest.approx((steam_gj - condensate_gj) * 110.0, rel=1e-6)
    # Of condensate that nobody measures nothing is known: neither is the net heat.
    assert ledger_kg(registry, readings[:13] + readings[13:14]) == {"none": None}


@pytest.mark.parametrize(("position", "gj"), [("supply", 10.09544), ("return", 10.26200)])
def test_a_closed_loop_by_where_its_meter_sits(position: str, gj: float) -> None:
    facts = {"pressure_reference": "absolute", "meter_position": position}
    registry = world({"flowmeter/f": facts}, {**STEAM, "quantity": "volume_m3", "medium": "hot_water_closed"})
    loop = {"pressure_kpa": 600.0, "temperature_c": 95.0, "return_temperature_c": 70.0}
    found = agree(registry, steady(FLOW, "volume_m3", 100.0, **loop))
    assert found["none"] == pytest.approx(gj * 110.0, abs=2e-3)


def test_a_steam_line_that_is_shut_off() -> None:
    """Over a weekend it is at 20 degC and under no pressure."""
    source = {**STEAM, "quantity": "mass_t", "medium": "superheated_steam"}
    registry = world({"flowmeter/f": {"pressure_reference": "absolute"}}, source)
    cold = {"pressure_kpa": 101.0, "temperature_c": 20.0}
    assert agree(registry, steady(FLOW, "mass_t", 0.0, **cold)) == {"none": 0.0}
    assert ledger_kg(registry, steady(FLOW, "mass_t", 0.1, **cold)) == {"none": None}


METER = DeviceKey("s", Kind.METER, "m")
GRID: dict[str, Any] = {
    "scope": 2,
    "method": "electricity",
    "carrier": "electricity",
    "devices": ["meter/m"],
    "quantity": "energy_import_kwh",
    "factor_set": "CN_MEE_PROVINCE",
    "market": {
        "factor_set": "CN_MEE_NATIONAL",
        "factor_fuel": "electricity_national_excl_market_nonfossil",
        "region": "CN",
    },
    "contracts": [
        {
            "contract": "PPA",
            "from": "2020-01-01T00:00:00Z",
            "until": "2040-01-01T00:00:00Z",
            "share": 0.4,
            "co2_kg_per_kwh": 0,
            "certificate": "GEC",
            "document": "binder",
        }
    ],
}


@pytest.mark.parametrize("gauges", [{}, {"power_kw": 500.0}])
def test_electricity_on_both_bases(gauges: dict[str, float]) -> None:
    registry = world({"meter/m": {}}, GRID)
    found = agree(registry, steady(METER, "energy_import_kwh", 500.0, **gauges))
    location, market = (500 * factor for factor in (0.5737, 0.6 * 0.6096))
    assert found == {"location": pytest.approx(location), "market": pytest.approx(market)}


COAL, TAR, GAS = (DeviceKey("s", Kind.FLOWMETER, name) for name in ("coal", "tar", "gas"))


def test_a_mass_balance_by_mass_and_by_volume() -> None:
    """A slurry by mass, a gas from line conditions, and tar that leaves."""
    streams: list[dict[str, Any]] = [
        {"device": "flowmeter/coal", "quantity": "mass_t", "carbon_fraction": 0.5},
        {"device": "flowmeter/tar", "quantity": "volume_m3", "role": "output", "carbon_fraction": 0.9},
        {"device": "flowmeter/gas", "quantity": "volume_m3", "carbon_fraction": 0.75},
    ]
    streams[1] |= {"density_t_per_m3": 1.15}
    streams[2] |= {"density_t_per_m3": 0.000717, "density_base_state": "0C"}
    devices = {"flowmeter/coal": {}, "flowmeter/tar": {}, "flowmeter/gas": {"pressure_reference": "absolute"}}
    source = {"scope": 1, "method": "mass_balance", "carrier": "carbon", "streams": streams}
    readings = steady(COAL, "mass_t", 20.0) + steady(TAR, "volume_m3", 3.0)
    readings += steady(GAS, "volume_m3", 1000.0, temperature_c=18.0, pressure_kpa=451.325)
    found = agree(world(devices, source), readings)
    # 1000 m3 at 451.325 kPa and 18 degC are 4178.854 m3 at 0 degC.
    carbon_t = 20 * 0.5 - 3 * 1.15 * 0.9 + 4178.854 * 0.000717 * 0.75
    assert found["none"] == pytest.approx(carbon_t * 44 / 12 * 1000, rel=1e-6)
