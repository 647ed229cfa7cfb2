"""Faults do what they say, and leave the good readings whole."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.device import Device
from simulators.errors import ConfigError
from simulators.faults import CONTENT_FAULTS, DEFAULT_CHANCES, OTHER_CHANCES, FaultLine, FaultPlan
from simulators.journal import Tally
from simulators.payload import ARRAY_MAX, Role, Unit, encode, pack, rfc3339, whole
from simulators.sites.catalogue import demo_sites
from simulators.spec import DeviceSpec, Reading

SEED = 2
START = 1_795_000_000.0
METER, GAS, HEAT, BELT, CEMS = 0, 4, 5, 6, 8


def spec(which: int) -> DeviceSpec:
    return demo_sites(("campus", "plant"), SEED).devices[which]


def readings(which: int, hours: float = 6.0) -> list[Reading]:
    return Device.new(spec(which), SEED, START).advance(START + hours * 3600.0)


def sent(which: int, faults: str, given_readings: list[Reading]) -> tuple[list[Unit], FaultLine]:
    line = FaultLine(FaultPlan.parse(faults), SEED, spec(which))
    return [*line.feed(given_readings), *line.flush()], line


def content(unit: Unit) -> Any:
    return json.loads(unit.text)


def good(units: list[Unit]) -> list[Reading]:
    return [unit.completes for unit in units if unit.completes is not None]


def test_without_faults_every_reading_is_sent_once_in_order() -> None:
    all_readings = readings(METER)
    units, _ = sent(METER, "none", all_readings)
    assert good(units) == all_readings
    assert {unit.role for unit in units} == {Role.READING}
    assert content(units[0]) == {
        "ts": rfc3339(all_readings[0].ts),
        "seq": all_readings[0].seq,
        **all_readings[0].values,
    }


@pytest.mark.parametrize("which", [METER, GAS, HEAT, BELT, CEMS])
def test_the_demo_faults_lose_no_reading_but_in_gaps(which: int) -> None:
    all_readings = readings(which, 24.0)
    units, line = sent(which, "default", all_readings)
    received = {reading.ts for reading in good(units)}
    assert len(good(units)) == len(received) == len(all_readings) - line.missing
    assert (line.missing > 0) == (which in (METER, GAS, BELT))
    merged: dict[str, dict[str, Any]] = {}
    for unit in units:
        if unit.role is not Role.BAD:
            merged.setdefault(content(unit)["ts"], {}).update(content(unit))
    expected = [{"ts": rfc3339(r.ts), "seq": r.seq, **r.values} for r in all_readings if r.ts in received]
    assert sorted(merged.values(), key=lambda each: each["ts"]) == expected


BAD = {
    "nan": "bad_field",
    "future": "future",
    "too_old": "too_old",
    "bad_timestamp": "bad_timestamp",
    "no_quantity": "no_quantity",
    "out_of_range": "out_of_range",
    "conflict": "conflict",
    "bad_topic": "bad_topic",
    "too_large": "too_large",
}


@pytest.mark.parametrize("which", [METER, GAS, HEAT, BELT, CEMS])
@pytest.mark.parametrize("fault", BAD)
def test_bad_units_come_beside_the_good_reading(fault: str, which: int) -> None:
    all_readings = readings(which, 0.1)
    units, _ = sent(which, f"{fault}=1", all_readings)
    assert good(units) == all_readings
    bad = [unit for unit in units if unit.role is Role.BAD]
    assert [unit.reason for unit in bad] == [BAD[fault]] * len(all_readings)
    assert len({unit.text for unit in bad}) == len(bad), "a repeated dead letter would count as a duplicate"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_what_is_bad_about_each() -> None:
    reading = readings(METER, 0.02)[0]

    def bad(fault: str, draw: float = 0.25) -> Unit:
        return CONTENT_FAULTS[fault](reading, draw)[-1]

    assert "NaN" in bad("nan").text
    assert content(bad("future"))["ts"] > rfc3339(reading.ts + 29 * 86_400)
    assert content(bad("too_old"))["ts"] < rfc3339(reading.ts - 3000 * 86_400)
    assert "Z" not in content(bad("bad_timestamp"))["ts"]
    empty = content(bad("no_quantity"))
    assert all(value is None for name, value in empty.items() if name not in ("ts", "seq"))
    assert content(bad("out_of_range"))["energy_import_kwh"] < 0.0
    assert content(bad("conflict"))["ts"] == rfc3339(reading.ts)
    assert content(bad("conflict"))["energy_import_kwh"] != reading.values["energy_import_kwh"]
    assert bad("bad_topic").topic.endswith("/MAIN")
    assert len(bad("too_large").text) > 256 * 1024
    assert bad("malformed", 0.25).reason == "not_json"
    assert bad("malformed", 0.25).alone
    assert bad("malformed", 0.75).reason == "bad_field"
    assert isinstance(content(bad("malformed", 0.75))["power_kw"], str)


@given(st.floats(0.0, 0.5, exclude_max=True), st.sampled_from([METER, GAS, CEMS]))
@settings(max_examples=40, deadline=None)
def test_a_cut_off_message_is_no_json_and_keeps_its_time(draw: float, which: int) -> None:
    reading = readings(which, 0.02)[0]
    bad = CONTENT_FAULTS["malformed"](reading, draw)[-1]
    assert not _is_json(bad.text)
    assert rfc3339(reading.ts) in bad.text


def test_a_duplicate_is_the_same_again() -> None:
    units, _ = sent(METER, "duplicate=1", readings(METER, 0.1))
    pairs = list(zip(units[::2], units[1::2], strict=True))
    assert all(first.text == second.text for first, second in pairs)
    assert {second.role for _, second in pairs} == {Role.DUPLICATE}


def test_parts_make_up_the_reading() -> None:
    all_readings = readings(CEMS, 0.2)
    units, _ = sent(CEMS, "partial=1", all_readings)
    for first, second, reading in zip(units[::2], units[1::2], all_readings, strict=True):
        a, b = content(first), content(second)
        assert a["ts"] == b["ts"] == rfc3339(reading.ts)
        assert set(a) & set(b) == {"ts", "seq"}
        assert {**a, **b} == {"ts": a["ts"], "seq": reading.seq, **reading.values}
        assert (first.completes, second.completes) == (None, reading)
    # One quantity has no parts.
    assert {unit.role for unit in sent(GAS, "partial=1", readings(GAS, 0.2))[0]} == {Role.READING}


def test_reorder_swaps_neighbours_and_late_comes_later() -> None:
    all_readings = readings(METER, 24.0)
    for fault, least, most in (("reorder=0.05", 1, 2), ("late=0.02", 3, 41)):
        units, _ = sent(METER, fault, all_readings)
        order = [reading.seq for reading in good(units)]
        assert sorted(order) == [reading.seq for reading in all_readings]
        behind = [max(order[:i]) - seq for i, seq in enumerate(order) if i and max(order[:i]) > seq]
        assert behind
        assert least <= min(behind)
        assert max(behind) <= most


def test_gaps_are_short_and_leave_the_register() -> None:
    all_readings = readings(METER, 24.0)
    units, line = sent(METER, "gap=0.01", all_readings)
    steps = [b.seq - a.seq for a, b in pairwise(good(units))]
    lengths = [step - 1 for step in steps if step > 1]
    assert len(lengths) > 10
    assert 2 <= min(lengths) <= max(lengths)
    assert line.missing == len(all_readings) - len(good(units)) > 20
    assert sum(lengths) <= line.missing


def test_faults_do_not_depend_on_how_readings_are_cut() -> None:
    all_readings = readings(METER, 12.0)
    line = FaultLine(FaultPlan.parse("all"), SEED, spec(METER))
    units: list[Unit] = []
    for i in range(0, len(all_readings), 17):
        units += line.feed(all_readings[i : i + 17])
    assert [*units, *line.flush()] == sent(METER, "all", all_readings)[0]


def test_chances_hold() -> None:
    units, _ = sent(METER, "duplicate=0.1,nan=0.05", readings(METER, 48.0))
    count = Counter(unit.role for unit in units)
    assert count[Role.DUPLICATE] / count[Role.READING] == pytest.approx(0.1, abs=0.02)
    assert count[Role.BAD] / count[Role.READING] == pytest.approx(0.05, abs=0.015)


def test_plans_are_read_from_text() -> None:
    assert FaultPlan.parse("default").chances == DEFAULT_CHANCES
    assert FaultPlan.parse("all").chances == {**DEFAULT_CHANCES, **OTHER_CHANCES}
    assert FaultPlan.parse("none").chances == FaultPlan.parse("").chances == {}
    assert FaultPlan.parse("default, late=0.5,swap").of("late") == 0.5
    for wrong in ("lat", "late=2", "late=x", "late=nan"):
        with pytest.raises(ConfigError, match="lat"):
            FaultPlan.parse(wrong)


def test_a_tally_is_what_ingest_should_count() -> None:
    units, _ = sent(METER, "all,too_large=0.001", readings(METER, 48.0))
    tally = Tally()
    for unit in units:
        tally.count(unit)
    assert tally.published == len(units)
    assert tally.published == tally.readings + tally.parts + tally.duplicates + tally.bad.total()
    assert set(tally.bad) == {"not_json", *BAD.values()}


def test_packing_keeps_units_and_order() -> None:
    units, _ = sent(METER, "all,too_large=0", readings(METER, 24.0))
    messages = list(pack(units))
    assert [unit for message in messages for unit in message.units] == units
    for message in messages:
        assert len(message.units) <= ARRAY_MAX
        assert len(message.payload) < 256 * 1024
        assert {unit.topic for unit in message.units} == {message.topic}
        if any(unit.alone for unit in message.units):
            assert len(message.units) == 1
        elif len(message.units) > 1:
            assert len(json.loads(message.payload)) == len(message.units)
    sizes = [len(message.units) for message in messages]
    assert max(sizes) > 50
    assert sizes.count(1) > 3
    assert [len(message.units) for message in pack(units[:4])] == [1, 1, 1, 1]
    assert list(pack([])) == []


def test_times_are_written_in_utc() -> None:
    assert rfc3339(0.5) == "1970-01-01T00:00:00.500000Z"
    assert (
        encode(rfc3339(60), 1, {"a": True, "b": 1.5})
        == '{"ts":"1970-01-01T00:01:00Z","seq":1,"a":true,"b":1.5}'
    )
    assert whole(readings(METER, 0.02)[0]).topic == "telemetry/v1/campus/meter/main"
