"""What simulated faults are found, and that good readings pass."""

from __future__ import annotations

import sys

from tests.quality.measure import SHOWS, lines, score

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
