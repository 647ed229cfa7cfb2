"""The hours hang on what is stored, not on its order nor on how much is computed at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.ledger.hours import HOUR_US, to_us
from services.domain.ledger.kernel import Ledger
from services.domain.ledger.readings import State, readings_of
from services.domain.ledger.track import Window
from services.domain.quantities import NAMES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import T0, MakeWorld, World, approx, reading, site_of

METER = DeviceKey("s", Kind.METER, "m")
FLOW = DeviceKey("s", Kind.FLOWMETER, "f")
CEMS = DeviceKey("s", Kind.CEMS, "c")
INTERVAL_S = 600

DEVICES: dict[str, dict[str, Any]] = {
    "meter/m": {
        "facts": [
            {
                "from": "2020-01-01T00:00:00Z",
                "interval_s": INTERVAL_S,
                "carrier": "electricity",
                "energy_quantity": "energy_import_kwh",
                "registers": {"energy_import_kwh": {"modulus": 1000, "resolution": 0.01}},
                "repeats_frames": True,
            },
            {"from": (T0 + timedelta(minutes=100)).isoformat(), "multiplier": 3},
        ]
    },
    "flowmeter/f": {"interval_s": INTERVAL_S, "pressure_reference": "absolute", "gauges": "interval_mean"},
    "cems/c": {"interval_s": INTERVAL_S, "analyser": "wet", "duct_area_m2": 10.0},
}
SOURCES: dict[str, dict[str, Any]] = {
    "grid": {
        "scope": 2,
        "method": "electricity",
        "carrier": "electricity",
        "devices": ["meter/m"],
        "quantity": "energy_import_kwh",
        "factor_set": "CN_MEE_PROVINCE",
        "market": {"supplier_co2_kg_per_kwh": 0.4, "document": "letter"},
        "contracts": [
            {
                "contract": "green",
                "from": (T0 + timedelta(minutes=65)).isoformat(),
                "until": (T0 + timedelta(minutes=205)).isoformat(),
                "share": 0.3,
                "co2_kg_per_kwh": 0,
                "certificate": "c",
                "document": "d",
            }
        ],
    },
    "balance": {
        "scope": 1,
        "method": "mass_balance",
        "carrier": "slurry",
        "streams": [{"device": "flowmeter/f", "quantity": "mass_t", "carbon_fraction": 0.4}],
        "stocks": [
            {
                "material": "slurry",
                "at": (T0 + timedelta(minutes=minutes)).isoformat(),
                "mass_t": mass_t,
                "carbon_fraction": 0.4,
                "document": "survey",
            }
            for minutes, mass_t in ((40, 10.0), (130, 14.0), (250, 3.0))
        ],
    },
    "steam": {
        "scope": 2,
        "method": "heat",
        "carrier": "steam",
        "devices": ["flowmeter/f"],
        "quantity": "mass_t",
        "medium": "superheated_steam",
        "factor_set": "CN_GBT32150_2025",
        "factor_fuel": "heat_purchased",
    },
    "stack": {"scope": 1, "method": "cems", "carrier": "flue_gas", "devices": ["cems/c"]},
}
EVENTS = [
    {
        "type": "meter_replaced",
        "device": "meter/m",
        "at": (T0 + timedelta(minutes=155)).isoformat(),
        "final": {"energy_import_kwh": 700.0},
        "initial": {"energy_import_kwh": 2.0},
    }
]


@pytest.fixture(scope="module")
def plant(factors: Any) -> World:
    return World(factors, {"s": site_of(DEVICES, SOURCES, "Asia/Kolkata", events=EVENTS)})


def some_readings(seed: int) -> list[Reading]:
    """Readings of the plant over a few hours: gaps, statuses, what is absent, repeated frames, rollovers."""
    chance = random.Random(seed)
    rows: list[Reading] = []
    ranges = {
        "power_kw": (0, 900),
        "pressure_kpa": (900, 1100),
        "temperature_c": (230, 320),
        "velocity_m_s": (0, 20),
        "static_pressure_pa": (-500, 0),
        "barometric_pressure_pa": (98_000, 102_000),
        "moisture_pct": (5, 15),
        "co2_pct": (8, 13),
        "operating_fraction": (0, 1),
        "energy_import_kwh": (0, 30),
        "energy_export_kwh": (0, 0.2),
        "mass_t": (0, 4),
    }
    for device in (METER, FLOW, CEMS):
        registers = {
            name: chance.uniform(0, 900) for name in ("energy_import_kwh", "energy_export_kwh", "mass_t")
        }
        names = [name for name in NAMES[device.kind] if name in ranges]
        at = chance.uniform(0, 3000)
        while at < 6 * 3600:
            values: dict[str, float] = {}
            for name in names:
                value = chance.uniform(*ranges[name])
                if name in registers:
                    registers[name] = value = (registers[name] + value) % 1000
                if chance.random() < 0.8:
                    values[name] = value
            if values:
                status: Any = Status.VALID
                if chance.random() < 0.1:
                    status = chance.choice([Status.FAULT, Status.MANUAL])
                elif chance.random() < 0.1:
                    status = {chance.choice(names): chance.choice(["calibration", "manual"])}
                rows.append(reading(device, at, status, **values))
                if chance.random() < 0.1:
                    rows.append(rows[-1]._replace(time=rows[-1].time + timedelta(seconds=INTERVAL_S / 2)))
            at += INTERVAL_S * chance.choice([1, 1, 1, 1, 2, 3.5, 12])
    return rows


@dataclass
class Context:
    """What `kernel.compute` asks for beside a window, and no more."""

    hold_us: int = 3 * INTERVAL_S * 1_000_000

    def around(self, rows: Sequence[Reading], device: DeviceKey, window: Window) -> list[Reading]:
        mine = sorted((row for row in rows if row.device == device), key=lambda row: row.time)
        batch = readings_of(device.kind, [device], mine)
        times = [to_us(row.time) for row in mine]
        begin, end = window.begin_us - self.hold_us, window.end_us + self.hold_us
        stretches = [(begin, end)]
        # Of any status: between the first and the last there are rows.
        stretches += [(time, time + 1) for time in times[:1] + times[-1:]]
        for name in NAMES[device.kind]:
            counts = (batch.columns[name].state == State.VALID) | (batch.columns[name].state == State.MANUAL)
            # Two, as the nearest may be a repeated frame.
            for before in [times[i] for i in range(len(times)) if counts[i] and times[i] < window.begin_us][
                -2:
            ]:
                stretches.append((before - self.hold_us, before + 1))
            for after in [times[i] for i in range(len(times)) if counts[i] and times[i] >= window.end_us][:2]:
                stretches.append((after - self.hold_us, after + self.hold_us))
        taken = [any(low <= time < high for low, high in stretches) for time in times]
        # Whether a reading repeats the one before it, the two before say.
        wanted = [i for i in range(len(times)) if any(taken[i : i + 3])]
        return [mine[i] for i in wanted]


def every_hour(plant: World, rows: Sequence[Reading]) -> Ledger:
    whole = Window(*WHOLE)
    return plant.ledger(rows, dict.fromkeys((METER, FLOW, CEMS), whole), every_source(plant, whole))


# Hours of +05:30 begin at half past: two before the first reading to four after the last.
WHOLE = (to_us(T0) - HOUR_US * 5 // 2, to_us(T0) + HOUR_US * 21 // 2)


def every_source(plant: World, window: Window) -> dict[Any, Window]:
    return {source: window for device in (METER, FLOW, CEMS) for source in plant.plan.sources_of(device)}


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_order_of_arrival_says_nothing(plant: World, seed: int) -> None:
    rows = some_readings(seed)
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    assert every_hour(plant, shuffled) == every_hour(plant, rows)


@given(seed=st.integers(0, 10**6), first=st.integers(0, 12), count=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_few_hours_alone_have_the_bits_they_have_among_all(
    plant: World, seed: int, first: int, count: int
) -> None:
    rows = some_readings(seed)
    whole = every_hour(plant, rows)
    window = Window(WHOLE[0] + first * HOUR_US, min(WHOLE[0] + (first + count) * HOUR_US, WHOLE[1]))
    context = [row for device in (METER, FLOW, CEMS) for row in Context().around(rows, device, window)]
    alone = plant.ledger(context, dict.fromkeys((METER, FLOW, CEMS), window), every_source(plant, window))
    pairs: Any = zip(alone, whole, strict=True)
    for part, among_all in pairs:
        inside = [row for row in among_all if window.begin_us <= to_us(row.hour) < window.end_us]
        assert list(part) == inside


@given(steps=st.lists(st.tuples(st.floats(1.0, 20_000.0), st.floats(0.0, 50.0)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_hours_of_a_register_add_up_to_its_movement(
    world: MakeWorld, steps: list[tuple[float, float]]
) -> None:
    site = world({"meter/m": {"interval_s": 60}}, timezone="Asia/Kathmandu")
    rows, at, shown = [reading(METER, 0, energy_import_kwh=1000.0)], 0.0, 1000.0
    for seconds, amount in steps:
        at, shown = at + seconds, shown + amount
        rows.append(reading(METER, at, energy_import_kwh=shown))
    total = sum(row.consumption or 0.0 for row in site.ledger(rows).device_hours)
    assert total == approx(shown - 1000.0, abs=1e-9, rel=1e-12)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_no_hour_is_covered_more_than_whole(plant: World, seed: int) -> None:
    ledger = every_hour(plant, some_readings(seed))
    for part in (ledger.device_hours, ledger.energy_hours, ledger.emission_hours):
        assert all(0.0 <= row.coverage <= 1.0 for row in part)
