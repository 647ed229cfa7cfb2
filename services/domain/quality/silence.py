"""Readings that are missing: silence of a device, and numbers that its readings leave out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import IntArray
from services.domain.ledger.track import Track
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quality.runs import Columns, findings, slots

_SECOND_US: Final = 1e6
_LATE_SHARE: Final = 1.5
"""A reading is missing where the next comes later than this share of an interval: a device may count its
readings in steps of its own."""

LOOKS_BACK_INTERVALS: Final = 60
"""Of two readings further apart nothing is said by their numbers: a finding looks back so far at least
(`natures.reach_us`). The silence itself is a gap."""


def gap_findings(track: Track) -> Iterator[Finding]:
    """Silences of more than the longest hold between two readings, hour by hour. What is not over is none
    yet: a device that has stopped sending is stale.

    Each hour is judged by the rules in force at its end, or at that of the silence: what lies beyond the
    window's ends, far away, does not show in it.
    """
    position, device = track.position, track.readings.device
    if len(position) < 2:
        return
    step = np.diff(position)
    shortest = int(track.rules.hold_us[track.rules.hold_us > 0].min(initial=np.iinfo(np.int64).max))
    silent = np.flatnonzero((step > shortest) & (device[1:] == device[:-1]))
    if len(silent) == 0:
        return
    begin, end, slot = _by_hour(track, position[silent], position[silent + 1])
    rule = track.rules.at(end - 1)
    hold_us, interval_us = track.rules.hold_us[rule], track.rules.interval_us[rule]
    first, last = position[silent], position[silent + 1]
    number = np.searchsorted(last, begin, "right")
    length_us = last[number] - first[number]
    found = (hold_us > 0) & (length_us > hold_us)
    # Whether the hour before, by the rules at its own end, is part of it.
    before_us = track.rules.hold_us[track.rules.at(begin - 1)]
    continues = (first[number] < begin) & (before_us > 0) & (length_us > before_us)
    missing = np.maximum(np.rint((end - begin) / np.maximum(interval_us, 1)).astype(np.int64), 0)
    ends_here = end == last[number]
    missing -= (ends_here & (missing > 0)).astype(np.int64)
    nothing = np.full(int(found.sum()), np.nan)
    columns = Columns(
        slot=slot[found],
        begin=begin[found],
        end=end[found],
        continues=continues[found],
        readings=missing[found],
        low=nothing,
        high=nothing,
        bound=hold_us[found] / _SECOND_US,
    )
    yield from findings(track, FindingKind.GAP, columns)


def _by_hour(track: Track, begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Stretches cut at the hours: begin, end and hour of each piece within the windows."""
    slot_start, slot_end = _hours(track)
    first = np.searchsorted(slot_end, begin, "right")
    last = np.searchsorted(slot_start, end, "left") - 1
    count = np.maximum(last - first + 1, 0)
    stretch = np.repeat(np.arange(len(begin)), count)
    slot = first[stretch] + np.arange(len(stretch)) - np.repeat(np.cumsum(count) - count, count)
    return (
        np.maximum(begin[stretch], slot_start[slot]),
        np.minimum(end[stretch], slot_end[slot]),
        slot,
    )


def _hours(track: Track) -> tuple[IntArray, IntArray]:
    """Where each device-hour begins and ends, on the axis."""
    slot, first = np.unique(track.cells.slot, return_index=True)
    start = track.cells.start[first[slot >= 0]]
    return start, start + track.slots.length_us


def seq_findings(track: Track, seq: FloatArray) -> Iterator[Finding]:
    """Readings next to each other between which the device has counted others, and there was time for them.

    `seq` of each reading of the track; NaN where it was not sent. Devices that send frames again count those,
    too: nothing is said of them, nor across what is longer than a finding looks back.
    """
    step = np.diff(seq)
    holes = np.flatnonzero(step > 1.0)
    if len(holes) == 0:
        return
    rule = track.rule[holes]
    interval_us, length_us = track.rules.interval_us[rule], np.diff(track.position)[holes]
    late = (length_us > _LATE_SHARE * interval_us) & (interval_us > 0)
    near = length_us <= LOOKS_BACK_INTERVALS * interval_us
    slot = slots(track, track.position[holes + 1])
    kept = late & near & (slot >= 0) & ~track.rules.repeats_frames[rule]
    holes, slot = holes[kept], slot[kept]
    columns = Columns(
        slot=slot,
        begin=track.position[holes],
        end=track.position[holes + 1],
        continues=np.zeros(len(holes), np.bool_),
        readings=np.minimum(step[holes] - 1.0, 1e9).astype(np.int64),
        low=seq[holes],
        high=seq[holes + 1],
        bound=np.full(len(holes), np.nan),
    )
    yield from findings(track, FindingKind.SEQ_HOLE, columns)
