"""The simulators' own properties against IAPWS-IF97, and the balances of their sites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seuif97
from ruamel.yaml import YAML

from simulators.accounting import errors_pct
from simulators.device import Device
from simulators.physics import factors, water
from simulators.process import BLOCK_S, Process
from simulators.sites.campus import CampusPower, DistrictHeat, GasBoilers, campus
from simulators.sites.catalogue import demo_sites
from simulators.sites.furnace import CoalUnit
from simulators.sites.plant import StationSupply, SteamSold

PT_H, PT_V = 4, 3
REGISTRY = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "registry.yaml"


@pytest.mark.parametrize("supply_c", [78.0, 85.0, 99.0])
@pytest.mark.parametrize("return_c", [50.0, 61.0, 72.0])
def test_heat_of_the_closed_loop_is_that_of_if97(supply_c: float, return_c: float) -> None:
    t, p = np.array([supply_c, return_c]), np.array([701.3, 701.3])
    own = water.liquid_density_kg_per_m3(t, p)[0] * -np.diff(water.liquid_enthalpy_kj_per_kg(t, p))[0]
    drop = seuif97.pt(0.7013, supply_c, PT_H) - seuif97.pt(0.7013, return_c, PT_H)
    assert own == pytest.approx(drop / seuif97.pt(0.7013, supply_c, PT_V), rel=2e-4)


def test_the_domain_example_of_a_closed_loop() -> None:
    # 100 m3 of 95/70 degC at 0.6 MPa with the meter in the supply: 10.09544 GJ.
    t, p = np.array([95.0, 70.0]), np.array([600.0, 600.0])
    drop = -np.diff(water.liquid_enthalpy_kj_per_kg(t, p))[0]
    heat_gj = 100.0 * water.liquid_density_kg_per_m3(t, p)[0] * drop / 1e6
    assert heat_gj == pytest.approx(10.09544, rel=2e-4)


@pytest.mark.parametrize(
    ("pressure_mpa", "temperature_c", "rel"),
    [(1.0, 250.0, 1e-4), (1.092, 243.0, 2e-4), (1.12, 257.0, 2e-4), (0.8, 225.0, 4e-4), (1.2, 299.0, 4e-4)],
)
def test_superheated_steam_is_that_of_if97(pressure_mpa: float, temperature_c: float, rel: float) -> None:
    own = water.superheated_enthalpy_kj_per_kg(np.array([temperature_c]), np.array([pressure_mpa]))[0]
    assert own == pytest.approx(seuif97.pt(pressure_mpa, temperature_c, PT_H), rel=rel)


def test_vapour_pressure() -> None:
    own = water.saturation_pressure_pa(np.array([20.0, 50.0]))
    assert own == pytest.approx([seuif97.tx(c, 0.0, 0) * 1e6 for c in (20.0, 50.0)], rel=3e-3)


def test_factors_are_the_published_ones() -> None:
    assert pytest.approx(2071.5093, abs=1e-4) == factors.BITUMINOUS_KG_CO2_PER_T
    assert pytest.approx(2.16218881, abs=1e-8) == factors.NATURAL_GAS_KG_CO2_PER_NM3_0C
    assert pytest.approx(0.43971, abs=5e-6) == factors.CALCIUM_CARBONATE_T_CO2_PER_T


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("make", [CampusPower, GasBoilers, DistrictHeat, CoalUnit, SteamSold, StationSupply])
def test_signals_are_sound_over_the_year(make: Callable[[int], Process], seed: int, now: float) -> None:
    """Finite everywhere, and nothing that flows ever flows backwards."""
    process = make(seed)
    for week in range(0, 52, 4):
        series = process.block(int(now // BLOCK_S) + week * 168 + week)
        assert all(np.all(np.isfinite(values)) for values in series.values())
        rates = [v for name, v in series.items() if name.endswith(("_kw", "_h"))]
        assert rates
        assert all(np.all(values >= 0.0) for values in rates)


def test_the_main_meter_sees_the_sum_of_all(now: float) -> None:
    process = CampusPower(1)
    for hour in range(24):
        series = process.block(int(now // BLOCK_S) + hour)
        subs = series["floor1_kw"] + series["floor2_kw"] + series["chiller_kw"]
        assert series["main_kw"] == pytest.approx(subs + series["unallocated_kw"], rel=1e-12)
        assert np.all(series["unallocated_kw"] > 20.0)
        for name in ("main", "floor1", "chiller"):
            power = np.sqrt(3.0) * series[f"{name}_v"] * series[f"{name}_a"] * series[f"{name}_pf"] / 1000.0
            assert power == pytest.approx(series[f"{name}_kw"], rel=1e-9)


def test_the_year_on_the_campus(now: float) -> None:
    """Winter heats, summer cools, and both within what the registry says the meters can take."""
    half_year = 182 * 24

    def peak(process: Process, name: str, hours_on: int) -> float:
        begin = int(now // BLOCK_S) + hours_on
        return max(float(np.max(process.block(begin + hour)[name])) for hour in range(168))

    winter, summer = 60 * 24, 60 * 24 + half_year
    assert peak(GasBoilers(1), "gas_20c_m3_h", winter) > 2.0 * peak(GasBoilers(1), "gas_20c_m3_h", summer)
    assert peak(CampusPower(1), "chiller_kw", summer) > 4.0 * peak(CampusPower(1), "chiller_kw", winter)
    assert peak(GasBoilers(1), "gas_20c_m3_h", winter) < 1000.0
    assert peak(DistrictHeat(1), "flow_m3_h", winter) < 400.0
    assert peak(CampusPower(1), "main_kw", summer) < 2500.0


@pytest.mark.parametrize("seed", [1, 5])
def test_all_carbon_leaves_by_the_stack(seed: int, now: float) -> None:
    unit = CoalUnit(seed)
    stops = 0
    for hour in range(48):
        series = unit.block(int(now // BLOCK_S) + hour)
        burnt = series["burnt_t_h"] * factors.BITUMINOUS_KG_CO2_PER_T
        calcined = series["dissolved_t_h"] * 0.9 * factors.CALCIUM_CARBONATE_T_CO2_PER_T * 1000.0
        assert series["stack_co2_kg_h"] == pytest.approx(burnt + calcined, rel=1e-12)
        # The gas that carries it: concentration x dry flow x density.
        carried = series["co2_pct"] / 100.0 * series["dry_nm3_h"] * 44.0095 / 22.41397
        assert carried == pytest.approx(series["stack_co2_kg_h"], rel=1e-9)
        # Over a clock hour belts bring what is used.
        for belt, use in (("coal", "burnt_t_h"), ("limestone", "dissolved_t_h")):
            assert np.sum(series[f"{belt}_t_h"]) == pytest.approx(np.sum(series[use]), rel=1e-12)
        assert np.all((series["coal_t_h"] == 0.0) == (series["coal_running"] == 0.0))
        stops += bool(np.any(series["coal_running"] == 0.0))
    assert 3 <= stops <= 30


def test_the_stack_is_plausible(now: float) -> None:
    unit = CoalUnit(1)
    ranges = {
        "velocity_m_s": (8.0, 15.0),
        "co2_pct": (11.5, 15.0),
        "o2_pct": (4.0, 8.0),
        "moisture_pct": (11.0, 16.0),
        "stack_c": (48.0, 53.0),
        "static_pa": (-260.0, -100.0),
        "barometric_pa": (90_000.0, 94_000.0),
        "coal_t_h": (0.0, 90.0),
    }
    for hour in range(0, 24 * 60, 7):
        series = unit.block(int(now // BLOCK_S) + hour)
        for name, (least, most) in ranges.items():
            assert least <= series[name].min(), name
            assert series[name].max() <= most, name


class Ramp(Process):
    """A signal with a known integral."""

    def compute(self, t: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        return {"ramp": t - 3600.0}


def test_an_integral_is_exact_and_adds_up() -> None:
    ramp = Ramp()

    def exact(begin: float, end: float) -> float:
        return ((end - 3600.0) ** 2 - (begin - 3600.0) ** 2) / 2.0 / 3600.0

    assert ramp.integral("ramp", 3600.0, 3 * 3600.0) == pytest.approx(exact(3600.0, 10_800.0), rel=1e-12)
    assert ramp.integral("ramp", 3605.0, 9000.0) == pytest.approx(exact(3605.0, 9000.0), rel=1e-12)
    parts = ramp.integral("ramp", 4001.0, 5002.5) + ramp.integral("ramp", 5002.5, 9003.0)
    assert parts == pytest.approx(ramp.integral("ramp", 4001.0, 9003.0), rel=1e-12)
    assert ramp.integral("ramp", 9000.0, 9000.0) == 0.0


def test_the_truth_does_not_depend_on_the_step(now: float) -> None:
    """A grid five times as fine gives the same emission: the steps are fine enough."""
    coarse, fine = DistrictHeat(1), DistrictHeat(1)
    fine.step_s = 1
    hours = (now, now + 7200.0)
    assert coarse.integral("co2_kg_h", *hours) == pytest.approx(fine.integral("co2_kg_h", *hours), rel=1e-5)


@pytest.mark.parametrize("seed", [1, 4])
def test_readings_tell_the_truth(seed: int, now: float) -> None:
    """Registers within 0.01 % of the truth over a day, the other sources within 0.5 %."""
    linear = {(s.site, s.source) for s in demo_sites(("campus", "plant"), seed).sources if s.linear}
    assert len(linear) == 5
    for source, error in errors_pct(seed, now).items():
        assert abs(error) < (0.01 if source in linear else 0.5), source


def test_the_demo_registry_says_the_same_of_every_device() -> None:
    registry = YAML(typ="safe").load(REGISTRY.read_text(encoding="utf-8"))
    plan = demo_sites(("campus", "plant"), 1)
    listed = {(site, ref) for site, entry in registry["sites"].items() for ref in entry["devices"]}
    assert listed == {(d.id.site, f"{d.id.kind}/{d.id.device}") for d in plan.devices}
    for spec in plan.devices:
        dated = registry["sites"][spec.id.site]["devices"][f"{spec.id.kind}/{spec.id.device}"]["facts"]
        facts = {name: value for each in dated for name, value in each.items()}
        assert facts["interval_s"] == spec.interval_s
        own = {r.quantity: {"modulus": r.modulus, "resolution": 10.0**-r.digits} for r in spec.registers}
        assert own == facts.get("registers", {}), spec.id
    sources = {(site, name) for site, entry in registry["sites"].items() for name in entry["sources"]}
    assert sources == {(source.site, source.source) for source in plan.sources}
    assert registry["sites"]["plant"]["devices"]["cems/stack-1"]["facts"][0]["duct_area_m2"] == 15.9


def test_a_renamed_site_measures_the_same(now: float) -> None:
    plain, renamed = campus(1), campus(1).with_site_prefix("x-")
    assert [d.id.site for d in renamed.devices] == ["x-campus"] * len(plain.devices)
    assert [d.seed_name for d in renamed.devices] == [str(d.id) for d in plain.devices]
    assert {s.device for s in renamed.sources} <= {d.id for d in renamed.devices}
    shown = [
        [reading.values for reading in Device.new(plan.devices[-1], 1, now).advance(now + 600.0)]
        for plan in (plain, renamed)
    ]
    assert shown[0] == shown[1]
