"""Hours of burned fuel: liquids by their temperature, laboratory values by their dates."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from tests.ledger.conftest import SINCE, T0, MakeWorld, approx, reading

FLOW = DeviceKey("s", Kind.FLOWMETER, "f")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
H = timedelta(hours=1)

OIL: dict[str, Any] = {
    "scope": 1,
    "method": "fuel",
    "carrier": "diesel",
    "devices": ["flowmeter/f"],
    "quantity": "volume_m3",
    "factor_set": "CN_NDRC_2.1",
    "density_t_per_m3": 0.840,
    "density_at_c": 15.0,
    "expansion_per_k": 0.0008,
    "in_total": True,
}
METER = {"flowmeter/f": {"interval_s": 900}}


def _correction(temperature_c: float) -> float:
    return math.exp(-0.0008 * (temperature_c - 15.0))


def test_a_liquid_by_the_temperatures_at_both_ends_of_each_step(world: MakeWorld) -> None:
    site = world(METER, {"boiler": OIL})
    warm = [15.0, 20.0, 25.0, 25.0, 25.0, 25.0]
    rows = [reading(FLOW, 900 * i, volume_m3=10.0 * i, temperature_c=each) for i, each in enumerate(warm)]
    hour = site.emissions(rows, "boiler")[T0]
    ends = [_correction(each) for each in warm]
    mass_t = sum(10.0 * 0.840 * (ends[i] + ends[i + 1]) / 2 for i in range(4))
    assert (hour.activity, hour.activity_unit) == (approx(mass_t), "t")
    assert hour.co2_kg == approx(mass_t * 43.33 * 0.0202 * 0.98 * 44 / 12 * 1000)
    assert (hour.factor, hour.coverage) == ("CN_NDRC_2.1/diesel", 1.0)


def test_the_flow_and_the_register_come_to_the_same(world: MakeWorld) -> None:
    by_flow = world(METER, {"boiler": {**OIL, "quantity": "flow_m3_h"}})
    rows = [reading(FLOW, 900 * i, volume_m3=10.0 * i, flow_m3_h=40.0, temperature_c=30.0) for i in range(6)]
    one = by_flow.emissions(rows, "boiler")[T0]
    other = world(METER, {"boiler": OIL}).emissions(rows, "boiler")[T0]
    assert one.activity == approx(other.activity)
    assert one.activity == approx(40.0 * 0.840 * _correction(30.0))


@pytest.mark.parametrize(
    ("temperature_c", "reason"),
    [(None, "input temperature_c missing"), (180.0, "liquid outside -50 to 150 degC")],
)
def test_without_a_temperature_there_is_no_mass(
    world: MakeWorld, temperature_c: float | None, reason: str
) -> None:
    rows = [reading(FLOW, 900 * i, volume_m3=10.0 * i, temperature_c=temperature_c) for i in range(6)]
    hour = world(METER, {"boiler": OIL}).emissions(rows, "boiler")[T0]
    assert (hour.co2_kg, hour.activity) == (None, None)
    assert reason in str(hour.missing_reason)


def _coal(*entries: dict[str, Any]) -> dict[str, Any]:
    begin = {
        "from": SINCE, "devices": ["beltscale/b"], "quantity": "mass_t", "factor_set": "CN_NDRC_2.1",
        "in_total": True,
    }  # fmt: skip
    return {"scope": 1, "method": "fuel", "carrier": "bituminous_coal", "facts": [begin, *entries]}


def test_a_laboratory_value_goes_before_the_set_for_its_time(world: MakeWorld) -> None:
    measured = {
        "carbon_pct": 58.2,
        "carbon_basis": "ad",
        "moisture_pct": 12.5,
        "moisture_air_dried_pct": 2.1,
        "oxidation_rate": 0.99,
        "biogenic_fraction": 0.1,
        "source": "lab 7",
    }
    source = _coal(
        {"from": (T0 + H).isoformat(), "fuel": measured},
        {"from": (T0 + 2 * H).isoformat(), "fuel": {"oxidation_rate": 0.99, "source": "lab 8"}},
        {"from": (T0 + 3 * H).isoformat(), "fuel": None},
    )
    site = world({"beltscale/b": {"interval_s": 900}}, {"coal": source})
    hours = site.emissions([reading(BELT, 900 * i, mass_t=2.5 * i) for i in range(18)], "coal")
    default, mixed, alone, again = (hours[T0 + i * H] for i in range(4))
    assert default.co2_kg == approx(10 * 2071.5093, rel=1e-7)
    assert default.biogenic_co2_kg == 0.0
    assert mixed.co2_kg == approx(0.9 * 10 * 1888.23, rel=1e-5)
    assert mixed.biogenic_co2_kg == approx(0.1 * 10 * 1888.23, rel=1e-5)
    assert mixed.factor == (
        "CN_NDRC_2.1/bituminous_coal with measured carbon, oxidation, biogenic fraction (lab 7)"
    )
    # The later report replaces the former whole: nothing of the two is mixed unseen.
    assert alone.co2_kg == approx(10 * 2071.5093 * 0.99 / 0.93, rel=1e-7)
    assert alone.factor == "CN_NDRC_2.1/bituminous_coal with measured oxidation (lab 8)"
    assert (again.co2_kg, again.factor) == (approx(default.co2_kg), default.factor)
