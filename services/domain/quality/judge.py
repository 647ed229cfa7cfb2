"""All findings of the device-hours of a track: the one place where they are put together."""

from __future__ import annotations

from collections.abc import Sequence

from services.domain.ledger.shapes import Shapes
from services.domain.quality.clocks import clock_findings
from services.domain.quality.frames import frame_findings
from services.domain.quality.gauges import gauge_findings
from services.domain.quality.registers import register_findings
from services.domain.quality.rows import Finding
from services.domain.quality.runs import all_readings
from services.domain.quality.silence import gap_findings, seq_findings


def judge(shapes: Shapes) -> list[Finding]:
    """The findings of the track's device-hours. Each is a function of readings and rules alone: of those
    within `natures.reach_us` before it, within the longest hold after it, and of the nearest ones.

    Where nobody says how often a device sends, nothing is expected of it, but that registers go forward.
    """
    track = shapes.track
    readings = all_readings(track)
    found = [
        *register_findings(shapes, readings),
        *gauge_findings(readings),
        *frame_findings(track),
        *gap_findings(track),
    ]
    if track.readings.seq is not None:
        found += seq_findings(track, track.readings.seq)
    if track.readings.received is not None:
        found += clock_findings(readings, track.readings.received)
    return found


def sorted_findings(found: Sequence[Finding]) -> list[Finding]:
    """By their key."""
    return sorted(found, key=lambda row: (row.device, row.hour, row.kind, row.quantity, row.begin))
