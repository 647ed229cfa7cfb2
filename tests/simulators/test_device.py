"""Devices as they run: registers, restarts, switched-off time, replaced meters."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.device import Device, DeviceState
from simulators.errors import StateError
from simulators.faults import FaultPlan, swap_instants
from simulators.hashing import FloatArray
from simulators.process import Process, Series, without
from simulators.sites.catalogue import demo_sites
from simulators.spec import DeviceId, DeviceSpec, Gauge, Register
from simulators.state import StateStore, state_from_json, state_to_json

SEED = 3
START = 1_795_000_000.0


class Steady(Process):
    """An even flow, and a wave to look at."""

    def compute(self, t: FloatArray) -> Series:
        return {"flow": np.full_like(t, 7.5), "wave": np.sin(t / 1000.0)}


def steady(interval_s: int = 30, phase_s: int = 0, modulus: int = 1000, start: float = 990.0) -> DeviceSpec:
    return DeviceSpec(
        DeviceId("s", "flowmeter", "d"),
        interval_s,
        Steady(),
        registers=(Register("mass_t", "flow", 2, modulus, (start, start + 0.001)),),
        gauges=(Gauge("temperature_c", "wave", 4),),
        phase_s=phase_s,
    )


def test_readings_come_in_rhythm_and_registers_count_the_flow() -> None:
    readings = Device.new(steady(phase_s=10), SEED, START).advance(START + 600.0)
    assert [r.ts % 30 for r in readings] == [10] * 21
    assert readings[0].ts == min(ts for ts in range(int(START), int(START) + 60) if ts % 30 == 10)
    # 7.5 t/h are 0.0625 t in 30 s.
    assert [r.values["mass_t"] for r in readings][:3] == [990.0, 990.06, 990.12]
    assert np.diff([r.seq for r in readings]).tolist() == [1] * 20


def test_a_gauge_shows_what_has_just_passed() -> None:
    for reading in Device.new(steady(), SEED, START).advance(START + 7300.0):
        assert reading.values["temperature_c"] == round(np.sin((reading.ts - 2.5) / 1000.0), 4)


def test_a_register_rolls_over_at_its_modulus() -> None:
    shown = [r.values["mass_t"] for r in Device.new(steady(), SEED, START).advance(START + 7200.0)]
    falls = [(a, b) for a, b in pairwise(shown) if b < a]
    assert len(falls) == 1
    assert falls[0][0] + 0.06 - 1000.0 == pytest.approx(falls[0][1], abs=0.011)


def test_no_more_and_no_less_than_due() -> None:
    device = Device.new(steady(), SEED, START)
    assert device.advance(START - 100.0) == []
    first = device.advance(START + 90.0)
    assert device.advance(START + 90.0) == []
    assert device.advance(START + 119.0)[0].ts == first[-1].ts + 30
    assert all(r.ts <= START + 119.0 for r in first)


@given(st.lists(st.integers(1, 7000), min_size=1, max_size=4), st.integers(0, 10))
@settings(max_examples=25, deadline=None)
def test_stopping_and_going_on_gives_the_same_bits(pauses: list[int], which: int) -> None:
    """Any cuts, each with the state written to JSON and read back, and a process that starts anew."""
    total = sum(pauses)
    spec = demo_sites(("campus", "plant"), SEED).devices[which]
    straight = Device.new(spec, SEED, START)
    expected = straight.advance(START + total)

    device = Device.new(demo_sites(("campus", "plant"), SEED).devices[which], SEED, START)
    readings, now = [], START
    for pause in pauses:
        now += pause
        readings += device.advance(now)
        device = Device(device.spec, SEED, through_json(device.state))
        device.resume(now - 86_400.0)
    assert readings == expected
    assert device.state == straight.state


def through_json(state: DeviceState) -> DeviceState:
    return state_from_json(json.loads(json.dumps(state_to_json(state))))


@pytest.mark.parametrize("which", range(11))
def test_the_seed_decides_everything(which: int) -> None:
    def run(seed: int) -> list[object]:
        spec = demo_sites(("campus", "plant"), seed).devices[which]
        return [reading.values for reading in Device.new(spec, seed, START).advance(START + 600.0)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_registers_never_fall_but_for_their_modulus() -> None:
    for spec in demo_sites(("campus", "plant"), SEED).devices:
        readings = Device.new(spec, SEED, START).advance(START + 6 * 3600.0)
        for register in spec.registers:
            steps = np.diff([reading.values[register.quantity] for reading in readings])
            falls = steps[steps < 0.0]
            assert falls.size <= 1
            assert all(fall < -0.9 * register.modulus for fall in falls)


def test_a_belt_that_stands_moves_no_register_but_its_rate_drifts() -> None:
    spec = demo_sites(("plant",), SEED).devices[0]
    readings = Device.new(spec, SEED, START).advance(START + 86_400.0)
    standing = [(a, b) for a, b in pairwise(readings) if not a.values["running"] and not b.values["running"]]
    assert len(standing) > 10
    assert all(a.values["mass_t"] == b.values["mass_t"] for a, b in standing)
    rates = [a.values["rate_t_h"] for a, _ in standing]
    assert min(rates) < 0.0 < max(rates)
    assert max(map(abs, rates)) <= 0.25


def test_the_main_register_moves_at_least_as_much_as_the_sub_meters() -> None:
    main, *subs = demo_sites(("campus",), SEED).devices[:4]

    def moved(spec: DeviceSpec) -> float:
        shown = [r.values["energy_import_kwh"] for r in Device.new(spec, SEED, START).advance(START + 7200.0)]
        return shown[-1] - shown[0]

    assert moved(main) > sum(moved(spec) for spec in subs)


def test_switched_off_for_long_everything_stands_still() -> None:
    spec = steady(modulus=100_000)
    device = Device.new(spec, SEED, START)
    before = device.advance(START + 3600.0)
    device.resume(START + 10 * 3600.0)
    after = device.advance(START + 10 * 3600.0 + 90.0)
    assert after[0].values["mass_t"] == before[-1].values["mass_t"]
    assert after[1].values["mass_t"] == pytest.approx(after[0].values["mass_t"] + 0.06, abs=0.011)
    # The truth stands still as well.
    ran = device.state.ran(before[0].ts, after[-1].ts)
    flow = sum(spec.process.integral("flow", left, right) for left, right in ran)
    assert flow == pytest.approx(after[-1].values["mass_t"] - before[0].values["mass_t"], abs=0.011)


def test_a_short_stop_is_made_up_for() -> None:
    device = Device.new(steady(modulus=100_000), SEED, START)
    device.advance(START + 3600.0)
    device.resume(START + 3600.0 + 600.0 - 86_400.0)
    readings = device.advance(START + 3600.0 + 600.0)
    assert len(readings) == 20
    assert not device.state.off


def test_a_replaced_meter_starts_anew_and_says_so() -> None:
    spec = steady(modulus=100_000)
    device = Device.new(spec, SEED, START)
    begin = device.state.due
    device.swap_at = [begin + 305]
    readings = device.advance(START + 900.0)
    (event,) = device.state.swaps
    assert event["device"] == "flowmeter/d"
    final, initial = event["final"]["mass_t"], event["initial"]["mass_t"]
    assert final == pytest.approx(990.0 + 305 / 480, abs=0.02)
    shown = {r.ts: r.values["mass_t"] for r in readings}
    old, new = shown[begin + 300], shown[begin + 330]
    assert new < 30.0 < old
    # What a calculation with the event finds is what flowed.
    assert (final - old) + (new - initial) == pytest.approx(0.06, abs=0.021)


def test_swaps_come_by_chance_between_readings(now: float) -> None:
    spec = demo_sites(("campus",), SEED).devices[0]
    plan = FaultPlan.parse("swap=0.5")
    days = 60
    instants = swap_instants(plan, SEED, spec, now, now + days * 86_400.0)
    assert 15 <= len(instants) <= 45
    assert all(instant % 30 == 5 for instant in instants)
    half = swap_instants(plan, SEED, spec, instants[3], now + days * 86_400.0)
    assert half == instants[3:]
    assert swap_instants(FaultPlan(), SEED, spec, now, now + days * 86_400.0) == []


def test_rollover_on_demand_comes_within_two_hours(now: float) -> None:
    for spec in demo_sites(("campus", "plant"), SEED).devices:
        readings = Device.new(spec, SEED, now, rollover_soon=True).advance(now + 2 * 3600.0 + 60.0)
        for register in spec.registers:
            shown = [reading.values[register.quantity] for reading in readings]
            assert sum(b < a for a, b in pairwise(shown)) == 1, spec.id


@pytest.mark.parametrize(
    ("off", "left"),
    [
        ([], [(0.0, 10.0)]),
        ([(2, 4)], [(0.0, 2.0), (4.0, 10.0)]),
        ([(-5, 3), (8, 20)], [(3.0, 8.0)]),
        ([(-1, 11)], []),
        ([(10, 12)], [(0.0, 10.0)]),
    ],
)
def test_what_is_left_of_an_interval(off: list[tuple[float, float]], left: list[tuple[float, float]]) -> None:
    assert without((0.0, 10.0), off) == left


def test_kept_state_comes_back_whole(tmp_path: Path) -> None:
    state = DeviceState(1, 2, 3, {"a": 0.1 + 0.2}, [(4, 5)], [{"device": "meter/x", "at": "z"}])
    with StateStore(tmp_path) as store:
        assert store.seed(7) == 7
        store.put({"s/meter/x": state})
        state.totals["a"] = 0.0
        store.save()
    with StateStore(tmp_path) as store:
        kept = store.get("s/meter/x")
        assert kept == DeviceState(1, 2, 3, {"a": 0.1 + 0.2}, [(4, 5)], [{"device": "meter/x", "at": "z"}])
        assert store.seed(None) == 7
        with pytest.raises(StateError, match="seed 7, not 8"):
            store.seed(8)


def test_two_simulators_do_not_share_a_folder(tmp_path: Path) -> None:
    with StateStore(tmp_path), pytest.raises(StateError, match="Another simulator"), StateStore(tmp_path):
        pass
    with StateStore(tmp_path):
        pass


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", '{"version": 1, "seed": 1, "devices": {"a": {}}}', '{"version": 99}']
)
def test_a_spoilt_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet.json").write_text(text)
    with pytest.raises(StateError, match=r"fleet\.json"), StateStore(tmp_path):
        pass


def test_a_step_must_fit() -> None:
    with pytest.raises(ValueError, match="multiples"):
        DeviceSpec(DeviceId("s", "meter", "d"), 7, Steady())
    with pytest.raises(ValueError, match="hour"):
        Steady(7)
