"""Device time against time of arrival: clocks that are ahead, or steadily behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import SECOND_US, IntArray
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quality.runs import Series, findings, of_runs, runs

AHEAD_US: Final = 5 * SECOND_US
"""Nothing arrives before it was measured; servers' own clocks agree to well within this."""
AHEAD_READINGS: Final = 3
BEHIND_US: Final = 120 * SECOND_US
"""By more than this, and 3 expected intervals, stamps lie behind. That is a clock, or a way that takes so
long."""
BEHIND_READINGS: Final = 20
_STEADY_SHARE: Final = 4
_STEADY_LEAST_US: Final = 2 * SECOND_US


def clock_findings(readings: Series, received: IntArray) -> Iterator[Finding]:
    """`received`: when each reading of the track arrived [us since 1970].

    What arrives together was kept for a while (an outage, a device that sends in batches): it says nothing of
    the clock. Only readings that arrive as they are stamped, one by one and steadily late, do.
    """
    track = readings.track
    late_us = received - track.readings.time
    ahead = late_us < -AHEAD_US
    behind = late_us > np.maximum(track.rules.hold_us[track.rule], BEHIND_US)
    if not ahead.any() and not behind.any():
        return
    of = readings.of(late_us / SECOND_US, np.ones(len(late_us), np.bool_))
    yield from _found(of, FindingKind.CLOCK_AHEAD, np.flatnonzero(ahead), AHEAD_READINGS, -AHEAD_US)
    steady = np.zeros(len(late_us), np.bool_)
    interval_us = track.rules.interval_us[track.rule]
    wavering_us = np.maximum(interval_us[1:] // _STEADY_SHARE, _STEADY_LEAST_US)
    # The order of arrival is that of the stamps, and at their pace.
    steady[1:] = (np.abs(np.diff(late_us)) <= wavering_us) & of.follows[1:]
    yield from _found(
        of, FindingKind.CLOCK_BEHIND, np.flatnonzero(behind & steady), BEHIND_READINGS, BEHIND_US
    )


def _found(of: Series, kind: FindingKind, at: IntArray, least: int, bound_us: int) -> list[Finding]:
    if len(at) < least:
        return []
    strange = np.zeros(len(of.position), np.bool_)
    strange[at] = True
    bound: FloatArray = np.full(len(of.track.rules.start), bound_us / SECOND_US)
    if bound_us > 0:
        bound = np.maximum(bound, of.track.rules.hold_us / SECOND_US)
    return findings(of.track, kind, of_runs(of, runs(of, strange, least=least), bound))
