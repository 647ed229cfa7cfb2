"""What is a finding and what is none, kind by kind."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.ledger.hours import HOUR_US, to_us
from services.domain.ledger.kernel import compute
from services.domain.ledger.readings import readings_of
from services.domain.ledger.rules import DeviceHistory
from services.domain.ledger.track import Window
from services.domain.quality.natures import NATURES
from services.domain.quality.rows import MOST_PER_HOUR, Finding, FindingKind
from services.domain.quantities import BY_CODE, QUANTITIES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import SINCE, T0, MakeWorld, World, factors, reading, world

__all__ = ["factors", "world"]

METER = DeviceKey("s", Kind.METER, "m")
FLOW = DeviceKey("s", Kind.FLOWMETER, "f")
BELT = DeviceKey("s", Kind.BELTSCALE, "b")
CEMS = DeviceKey("s", Kind.CEMS, "c")
DEVICES: dict[str, dict[str, Any]] = {
    "meter/m": {
        "interval_s": 60,
        "rated_power_kw": 1000,
        "registers": {"energy_import_kwh": {"modulus": 1e6, "resolution": 0.01}},
    },
    "flowmeter/f": {"interval_s": 60},
    "beltscale/b": {"interval_s": 60, "rated_flow": 100, "registers": {"mass_t": {"resolution": 0.001}}},
    "cems/c": {"interval_s": 60},
}
LATE_US = 2_000_000
Values = dict[str, float | None]


@pytest.fixture(scope="session")
def site(world: MakeWorld) -> World:
    return world(DEVICES)


def judged(
    site: World, rows: Sequence[Reading], window: Window | None = None, late_us: Sequence[int] | None = None
) -> list[Finding]:
    """The findings of one device, of all hours or of those of the window."""
    key = rows[0].device
    late = [LATE_US] * len(rows) if late_us is None else late_us
    received = np.array([to_us(row.time) + each for row, each in zip(rows, late, strict=True)], np.int64)
    window = window or site.windows(rows)[0][key]
    return compute(site.plan, [readings_of(key.kind, [key], rows, received)], {key: window}, {}).findings


def told(findings: Sequence[Finding]) -> list[tuple[str, str | None, float, float]]:
    """Kind, quantity, and from when to when, in minutes."""
    return [
        (
            str(row.kind),
            BY_CODE[row.quantity].name if row.quantity else None,
            (row.begin - T0) / timedelta(minutes=1),
            (row.end - T0) / timedelta(minutes=1),
        )
        for row in findings
    ]


def series(
    device: DeviceKey, count: int, values: Callable[[int], Values], status: Callable[[int], Any] | None = None
) -> list[Reading]:
    """Readings of every minute."""
    return [
        reading(device, 60 * i, Status.VALID if status is None else status(i), **values(i))
        for i in range(count)
    ]


def noisy(i: int, level: float = 230.0, share: float = 0.004, seed: int = 1) -> float:
    return round(level * (1 + share * math.sin(i * 1.7 + seed) + share * random.Random(i).random()), 2)


def test_every_gauge_has_a_nature() -> None:
    for kind, quantities in QUANTITIES.items():
        assert set(NATURES[kind]) == {each.name for each in quantities if not each.register}


# Stuck values: 90 minutes, the middle hour and more at one value.
@pytest.mark.parametrize(
    ("device", "quantity", "value", "minutes", "found"),
    [
        (METER, "voltage_v", 231.47, 61, True),
        (METER, "voltage_v", 231.47, 59, False),
        (METER, "voltage_v", 231.0, 80, False),  # may be shown in whole volts
        (METER, "power_kw", 0.0, 80, False),  # nothing is switched on
        (METER, "power_factor", 0.9531, 80, False),
        (METER, "frequency_hz", 49.98, 80, True),
        (METER, "current_a", 1.4, 80, False),  # a digit is a tenth of it
        (CEMS, "co2_pct", 11.83, 61, True),
        (CEMS, "barometric_pressure_pa", 101_325.0, 80, False),
        (BELT, "speed_m_s", 1.997, 80, False),
        (BELT, "load_kg_m", 47.113, 80, False),  # of a belt that stands
        (FLOW, "temperature_c", 95.43, 61, True),
    ],
)
def test_stuck(
    site: World, device: DeviceKey, quantity: str, value: float, minutes: int, found: bool
) -> None:
    def shown(i: int) -> Values:
        return {quantity: value if 20 <= i <= 20 + minutes else value + 0.01 * (1 + i % 3)}

    rows = judged(site, series(device, 110, shown))
    expected = [(FindingKind.STUCK, quantity, 20.0, 20.0 + minutes)] if found else []
    assert told(rows) == expected
    assert [(each.low, each.high, each.readings) for each in rows] == [(value, value, minutes + 1)] * found


@pytest.mark.parametrize("status", [Status.STOPPED, Status.MAINTENANCE, Status.CALIBRATION])
def test_what_the_device_itself_does_not_call_valid_is_no_finding(site: World, status: Status) -> None:
    rows = series(METER, 150, lambda _: {"voltage_v": 231.47, "power_kw": -900.0}, lambda _: status)
    assert judged(site, rows) == []
    # A spell of maintenance in the middle: neither half is long enough.
    half = series(METER, 100, lambda _: {"voltage_v": 231.47}, lambda i: status if i == 50 else Status.VALID)
    assert judged(site, half) == []


def test_a_finding_goes_on_over_hours(site: World) -> None:
    rows = judged(site, series(METER, 200, lambda _: {"voltage_v": 231.47}))
    assert [(each.hour - T0, each.continues, each.events, each.readings) for each in rows] == [
        (timedelta(hours=1), False, 1, 120),
        (timedelta(hours=2), True, 0, 60),
        (timedelta(hours=3), True, 0, 20),
    ]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({30: 120.0}, True),
        ({30: 20.0}, True),
        ({30: 233.0}, False),  # as far as it wavers
        ({30: 120.0, 31: 120.0}, False),  # a dip that lasts is one of the line
        ({30: 120.0, 31: 300.0}, False),
    ],
)
def test_spikes(site: World, values: dict[int, float], found: bool) -> None:
    rows = judged(site, series(METER, 60, lambda i: {"voltage_v": values.get(i, noisy(i))}))
    assert told(rows) == ([(FindingKind.SPIKE, "voltage_v", 30.0, 30.0)] if found else [])


def test_a_kettle_is_no_spike(site: World) -> None:
    power: Callable[[int], Values] = lambda i: {"power_kw": 2.5 if i == 30 else noisy(i, 0.3)}  # noqa: E731
    assert judged(site, series(METER, 60, power)) == []


def test_negative_flows(site: World) -> None:
    def rate(low: float, first: int, last: int) -> list[Reading]:
        return series(BELT, 90, lambda i: {"rate_t_h": low if first <= i <= last else noisy(i, 50.0)})

    assert told(judged(site, rate(-60.125, 30, 40))) == [(FindingKind.NEGATIVE_FLOW, "rate_t_h", 30.0, 40.0)]
    assert judged(site, rate(-60.125, 30, 33)) == []  # a jolt
    assert judged(site, rate(-1.5, 30, 60)) == []  # an idle belt
    # Nobody said what the flow meter is rated for: an idle one comes back to zero.
    unrated = series(
        FLOW, 90, lambda i: {"flow_m3_h": -0.4 - 0.01 * (i % 7) if i > 40 else 1.0 + 0.1 * (i % 5)}
    )
    assert told(judged(site, unrated)) == [(FindingKind.NEGATIVE_FLOW, "flow_m3_h", 41.0, 89.0)]
    assert judged(site, unrated[:65]) == []


def test_who_sends_its_export_may_run_backwards(site: World) -> None:
    def shown(i: int) -> Values:
        return {"power_kw": -noisy(i, 500.0), "energy_export_kwh": 8.0 * i}

    assert judged(site, series(METER, 60, shown)) == []
    alone = judged(site, series(METER, 60, lambda i: {"power_kw": -noisy(i, 500.0)}))
    assert {each.kind for each in alone} == {FindingKind.NEGATIVE_FLOW}


def test_above_the_rating(site: World) -> None:
    rows = series(METER, 60, lambda i: {"power_kw": 1600.0 + i if 30 <= i < 40 else noisy(i, 800.0)})
    assert told(judged(site, rows)) == [(FindingKind.ABOVE_RATING, "power_kw", 30.0, 39.0)]
    start = series(METER, 60, lambda i: {"power_kw": 4000.0 if i in (30, 31) else noisy(i, 800.0)})
    assert judged(site, start) == []


def test_registers(site: World) -> None:
    def shown(jump: float) -> list[Reading]:
        return series(
            METER, 60, lambda i: {"energy_import_kwh": 5000.0 + 10 * i + (jump if i >= 30 else 0.0)}
        )

    [back] = judged(site, shown(-1000.0))
    assert told([back]) == [(FindingKind.REGISTER_BACK, "energy_import_kwh", 29.0, 30.0)]
    assert (back.high, back.low, back.bound) == (5290.0, 4300.0, None)
    [above] = judged(site, shown(1000.0))
    assert told([above]) == [(FindingKind.ABOVE_RATING, "energy_import_kwh", 29.0, 30.0)]
    assert (above.low, above.high) == (5290.0, 6300.0)
    # One and a half times the rating, over two minutes, and a digit.
    assert above.bound == pytest.approx(1.5 * 1000 * 2 / 60 + 0.01)
    assert judged(site, shown(-0.01)) == []


def test_a_register_that_is_replaced_as_written_down_is_none(world: MakeWorld) -> None:
    event = {
        "type": "meter_replaced",
        "device": "meter/m",
        "at": (T0 + timedelta(minutes=29.5)).isoformat(),
        "final": {"energy_import_kwh": 5295.0},
        "initial": {"energy_import_kwh": 2.0},
    }
    here = world(DEVICES, events=[event])
    rows = series(METER, 60, lambda i: {"energy_import_kwh": 5000.0 + 10 * i if i < 30 else 10.0 * (i - 29)})
    assert judged(here, rows) == []


def test_a_register_that_stands_while_power_flows(site: World) -> None:
    def shown(power_kw: float) -> list[Reading]:
        return series(METER, 100, lambda i: {"energy_import_kwh": 700.0, "power_kw": noisy(i, power_kw)})

    [*rows] = judged(site, shown(40.0))
    assert {(each.kind, BY_CODE[each.quantity].name) for each in rows} == {
        (FindingKind.STANDING_REGISTER, "energy_import_kwh")
    }
    assert rows[0].low == pytest.approx(40.0, rel=0.01)
    assert judged(site, shown(0.0)) == []
    assert judged(site, shown(2.0)) == []  # it may not have started


def test_gaps_and_holes(site: World) -> None:
    def sent(missing: range, counted: bool = True) -> list[Reading]:
        rows = series(METER, 60, lambda i: {"energy_import_kwh": 700.0 + 2 * i})
        rows = [row._replace(seq=i if counted else None) for i, row in enumerate(rows)]
        return [row for i, row in enumerate(rows) if i not in missing]

    [gap, hole] = judged(site, sent(range(30, 34)))
    assert told([gap, hole]) == [("gap", None, 29.0, 34.0), ("seq_hole", None, 29.0, 34.0)]
    assert (gap.readings, gap.bound) == (4, 180.0)
    assert (hole.readings, hole.low, hole.high) == (4, 29.0, 34.0)
    # Two missing readings are still held over; who counts them knows.
    assert told(judged(site, sent(range(30, 32)))) == [("seq_hole", None, 29.0, 32.0)]
    assert judged(site, sent(range(30, 32), counted=False)) == []
    # A count of its own steps, or one that begins anew, is no hole.
    steps = [row._replace(seq=3 * i) for i, row in enumerate(sent(range(0)))]
    assert judged(site, steps) == []
    anew = [row._replace(seq=i % 30) for i, row in enumerate(sent(range(0)))]
    assert judged(site, anew) == []


def test_a_storm_is_one_finding_an_hour(site: World) -> None:
    rows = [row for i, row in enumerate(series(METER, 180, lambda i: {"power_kw": noisy(i)})) if i % 6 == 0]
    found = judged(site, rows)
    assert [each.kind for each in found] == [FindingKind.GAP] * 3
    assert [each.events for each in found] == [10, 10, 9]
    assert all(each.events > MOST_PER_HOUR for each in found)


def test_repeated_frames(site: World) -> None:
    def shown(i: int) -> Values:
        at = i - 1 if i == 30 else i
        return {"energy_import_kwh": round(700.0 + 8.31 * at, 2), "power_kw": noisy(at, 498.0)}

    assert told(judged(site, series(METER, 60, shown))) == [(FindingKind.REPEATED_FRAME, None, 30.0, 30.0)]
    # A pause of a minute, after which nothing is made good; and a device that stands still.
    pause = series(METER, 60, lambda i: {"energy_import_kwh": round(700.0 + 8.31 * (i - (i >= 30)), 2)})
    assert judged(site, pause) == []
    assert judged(site, series(METER, 60, lambda _: {"energy_import_kwh": 700.0, "power_kw": 0.0})) == []


def test_a_device_known_to_repeat_frames_is_none(world: MakeWorld) -> None:
    here = world({"meter/m": {**DEVICES["meter/m"], "repeats_frames": True}})
    rows = series(METER, 60, lambda i: {"energy_import_kwh": 700.0 + 8.31 * (i - (i == 30))})
    assert judged(here, rows) == []


def test_clocks(site: World) -> None:
    rows = series(METER, 100, lambda i: {"power_kw": noisy(i)})

    def late(us: Callable[[int], float]) -> list[Finding]:
        return judged(site, rows, late_us=[round(us(i) * 1e6) for i in range(100)])

    [ahead] = late(lambda i: -30.0 if 10 <= i < 50 else 1.0)
    assert told([ahead]) == [("clock_ahead", None, 10.0, 49.0)]
    assert (ahead.low, ahead.high, ahead.readings) == (-30.0, -30.0, 40)
    assert late(lambda _: -1.0) == []
    behind = late(lambda i: 400.0 + i % 3)
    assert {each.kind for each in behind} == {FindingKind.CLOCK_BEHIND}
    # What was kept during an outage comes at once; so does what is sent every quarter of an hour.
    assert late(lambda i: max(0.0, 60.0 * (80 - i))) == []
    assert late(lambda i: 60.0 * (15 - i % 15)) == []


def test_of_a_stranger_nothing_is_expected(world: MakeWorld) -> None:
    here = world({})
    rows = series(METER, 100, lambda _: {"voltage_v": 231.47, "power_kw": -40.5, "energy_import_kwh": 5.0})
    assert judged(here, [*rows[:20], *rows[60:]]) == []
    back = [reading(METER, 60 * i, energy_import_kwh=100.0 - 5 * (i == 3)) for i in range(6)]
    assert {each.kind for each in judged(here, back)} == {FindingKind.REGISTER_BACK}


CHANGES = {
    "facts": [
        {"from": SINCE, **DEVICES["meter/m"]},
        {"from": (T0 + timedelta(hours=4, minutes=20)).isoformat(), "interval_s": 120, "rated_power_kw": 300},
    ]
}


@pytest.fixture(scope="session")
def changing(world: MakeWorld) -> World:
    return world({"meter/m": CHANGES}, timezone="Asia/Kolkata")


SPELLS = ["live", "stuck", "silent", "backwards", "reset", "maintenance", "lost", "above"]


def strange_readings(seed: int) -> list[Reading]:
    """Eleven hours of a meter in spells: live, stuck, silent, backwards, replaced, in maintenance."""
    chance = random.Random(seed)
    rows: list[Reading] = []
    minute, energy, number = 0, 900.0, 0
    while minute < 660:
        spell = chance.choice(
            ["live", "stuck", "silent", "backwards", "reset", "maintenance", "lost", "above"]
        )
        length = chance.choice([3, 10, 70, 150])
        for i in range(length):
            power = {"backwards": -400.0, "above": 1700.0}.get(spell, 600.0) + chance.random()
            energy = 10.0 if spell == "reset" and i == 0 else energy + 10.0
            number += 1
            if spell == "silent" or (spell == "lost" and i % 4 == 1):
                continue
            volts = 231.47 if spell in ("stuck", "maintenance") else 230.0 + chance.random()
            status = Status.MAINTENANCE if spell == "maintenance" else Status.VALID
            row = reading(
                METER,
                60 * (minute + i),
                status,
                power_kw=round(power, 2),
                voltage_v=round(volts, 2),
                energy_import_kwh=energy,
            )
            rows.append(row._replace(seq=number))
        minute += length
    return rows


@given(seed=st.integers(0, 10**6), cut=st.integers(1, 9), shuffled=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_portion_gives_the_same_rows(changing: World, seed: int, cut: int, shuffled: bool) -> None:
    """Whatever the order, and from no more than the ledger reads for the hours of a portion."""
    rows = strange_readings(seed)
    late = {row.time: random.Random(row.time.minute).choice([2, 2, 2, -20]) * 1_000_000 for row in rows}
    begin = to_us(T0) - HOUR_US // 2
    middle, end = begin + cut * HOUR_US, begin + 14 * HOUR_US
    everything = judged(changing, rows, Window(begin, end), [late[row.time] for row in rows])
    for window in (Window(begin, middle), Window(middle, end)):
        near = read_for(rows, window, changing.plan.history(METER))
        if shuffled:
            random.Random(seed).shuffle(near)
        part = judged(changing, near, window, [late[row.time] for row in near])
        assert part == [row for row in everything if window.begin_us <= to_us(row.hour) < window.end_us]


def read_for(rows: Sequence[Reading], window: Window, history: DeviceHistory) -> list[Reading]:
    """What the ledger reads: what is near the window, the nearest readings that count, and of any status."""
    times = np.array([to_us(row.time) for row in rows])
    counts = np.array([row.status == 0 for row in rows])
    before, after = times[counts & (times < window.begin_us)], times[counts & (times >= window.end_us)]
    back_us, hold_us = history.memory_us, history.hold_us
    read = (times >= window.begin_us - back_us) & (times < window.end_us + hold_us)
    for each in (*before[-1:], *after[:1], times[0], times[-1]):
        read |= (times >= each - back_us) & (times <= each + hold_us)
    return [row for row, wanted in zip(rows, read.tolist(), strict=True) if wanted]


def test_findings_of_one_cause_join(changing: World) -> None:
    """Rows that go on have one to go on from, in the hour before."""
    for seed in range(30):
        rows = judged(changing, strange_readings(seed))
        known = {(row.kind, row.quantity, row.hour) for row in rows}
        for row in rows:
            if row.continues:
                assert (row.kind, row.quantity, row.hour - timedelta(hours=1)) in known
                assert row.events == 0 or row.readings > 0
