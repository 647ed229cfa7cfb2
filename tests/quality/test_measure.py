"""What simulated faults are found, and that good readings pass."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.domain.quality.rows import FindingKind
from services.domain.reading import DeviceKey
from simulators.faults import FaultLine, FaultPlan
from simulators.strange import Arrival
from tests.quality.measure import DAY_S, SHOWS, device_key, judge, lines, plans, score

# Not all can be told from what may be: values that are shown coarsely, registers that move by few digits.
LEAST = {"stuck": 0.8, "standing": 0.8, "repeat": 0.9, "reversed": 0.9}
FLEET = 4


def test_faults_are_found_and_nothing_else() -> None:
    result = score([0], fleet_size=FLEET)
    sys.stdout.write("\n".join(lines(result)) + "\n")
    assert result.false == []
    for fault in SHOWS:
        assert result.put_in[fault] >= 5, fault
        assert result.found[fault] >= LEAST.get(fault, 1.0) * result.put_in[fault], fault


def test_good_readings_pass() -> None:
    result = score([3], faults=(), fleet_size=FLEET)
    assert result.readings > 30_000
    assert result.false == []


def test_what_the_demo_leaves_out_is_counted_to_the_reading() -> None:
    """The faults of the demo: what comes twice, late, in parts or not at all."""
    plan, devices = plans(5)[0]
    arrivals: dict[DeviceKey, Sequence[Arrival]] = {}
    missing: dict[DeviceKey, int] = {}
    for device in devices:
        line = FaultLine(FaultPlan.parse("default,gap=0.002"), 5, device.spec)
        units = [*line.feed(device.advance(device.state.due + DAY_S)), *line.flush()]
        sent = sorted(
            (unit.completes for unit in units if unit.completes is not None), key=lambda row: row.ts
        )
        key = device_key(device.spec.id)
        arrivals[key] = [Arrival(row, row.ts + 1.0) for row in sent]
        missing[key] = line.missing
    found = judge(plan, arrivals)
    assert {row.kind for row in found} == {FindingKind.GAP, FindingKind.SEQ_HOLE}
    assert sum(missing.values()) > 100
    for key, count in missing.items():
        assert (
            sum(row.readings for row in found if row.device == key and row.kind is FindingKind.SEQ_HOLE)
            == count
        )
