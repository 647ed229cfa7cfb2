"""Whether the hour of a quantity is valid, and its mean: by the policy of the source, from the same readings.

Only the time in which the unit ran is judged: where it stood still, by evidence or by an operating fraction
of 0, nothing had to be measured.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.device_hours import total_us
from services.domain.ledger.gauges import StepFunction, counted, overlay
from services.domain.ledger.hours import HOUR_US, QUARTER_US, BoolArray, IntArray
from services.domain.ledger.readings import State
from services.domain.ledger.shapes import Shapes
from services.domain.ledger.track import Cells, Track, cut
from services.domain.stack import Evidence, Validity

_MINUTE_US: Final = HOUR_US // 60
_QUADRANTS: Final = 4
_FRACTION: Final = "operating_fraction"


class Running(NamedTuple):
    """How long the unit ran in each slot, in hours; and over time 1 where it did not run at all."""

    hours: FloatArray
    idle: StepFunction


class Judged(NamedTuple):
    """A quantity in each slot."""

    valid: BoolArray
    mean: FloatArray
    """Over the time in which the unit ran; NaN where nothing is known of it."""


def running(shapes: Shapes, flow: str, evidence: tuple[Evidence, ...]) -> Running:
    """By the evidence of standstill, and by the operating fraction where one is sent."""
    track = shapes.track
    stood, fraction = shapes.standstill(flow, evidence).stood, shapes.gauge(_FRACTION)
    start = np.union1d(stood.start, fraction.start)
    idle_at = (stood.at(start) == 1.0) | (fraction.at(start) == 0.0)
    idle = StepFunction(start, np.where(idle_at, 1.0, 0.0))
    part = overlay([fraction, idle])
    pieces = cut(part.start, part.end, track.cells)
    share, is_idle = (value[pieces.segment] for value in part.values)
    lost_h = np.where(is_idle == 1.0, 0.0, (1.0 - share) * (pieces.length_us / HOUR_US))
    slot = track.cells.slot[pieces.cell]
    lost = np.bincount(slot, weights=lost_h, minlength=len(track.slots))
    ran_us = track.slots.length_us - _idle_us(idle, track.cells, track.cells.slot, len(track.slots))
    return Running(np.maximum(ran_us / HOUR_US - lost, 0.0), idle)


def judge(shapes: Shapes, quantity: str, ran: Running, policy: Validity) -> Judged:
    """The hours of a quantity that is no register."""
    track = shapes.track
    part = overlay([shapes.gauge(quantity), ran.idle])
    pieces = cut(part.start, part.end, track.cells)
    value, idle = (each[pieces.segment] for each in part.values)
    runs = idle != 1.0
    slot, length_us = track.cells.slot[pieces.cell][runs], pieces.length_us[runs]
    size = len(track.slots)
    covered_us = total_us(slot, length_us, size)
    weighted = np.bincount(slot, weights=value[runs] * length_us, minlength=size)
    mean = np.divide(weighted, covered_us, out=np.full(size, np.nan), where=covered_us > 0)
    if policy is Validity.QUADRANT:
        valid = _quadrants(track, quantity, ran)
    else:
        valid = _long_enough(track, quantity, ran, policy)
    return Judged(valid, mean)


def _long_enough(track: Track, quantity: str, ran: Running, policy: Validity) -> BoolArray:
    """Enough minutes, or readings, were valid; those of standstill count."""
    part = overlay([counted(track, track.readings.columns[quantity]), ran.idle])
    pieces = cut(part.start, part.end, track.cells)
    runs = part.values[1][pieces.segment] != 1.0
    slot, size = track.cells.slot[pieces.cell][runs], len(track.slots)
    known_us = total_us(slot, pieces.length_us[runs], size)
    known_us += _idle_us(ran.idle, track.cells, track.cells.slot, size)
    length_us = track.slots.length_us
    if policy is Validity.MINUTES_45:
        return _rounded(known_us, _MINUTE_US) * 4 >= _rounded(length_us, _MINUTE_US) * 3
    interval_us = track.rules.interval_us[track.rules.at(_positions(track))]
    unit_us = np.maximum(interval_us, 1)
    enough: BoolArray = _rounded(known_us, unit_us) * 5 >= _rounded(length_us, unit_us) * 4
    return enough & (interval_us > 0)


def _quadrants(track: Track, quantity: str, ran: Running) -> BoolArray:
    """In each quarter of the hour there is a valid reading, or the unit stood still all through it."""
    begin = _positions(track)
    size = len(track.slots) * _QUADRANTS
    quarter = np.arange(_QUADRANTS) * QUARTER_US
    start = (begin[:, None] + quarter).ravel()
    length_us = np.clip(track.slots.length_us[:, None] - quarter, 0, QUARTER_US).ravel()
    exists = length_us > 0
    # An hour's quadrants fill it; between hours, and before all of them, there are none.
    ends = begin + track.slots.length_us
    edges = np.concatenate([[np.iinfo(np.int64).min], start[exists], ends])
    number = np.concatenate([[-1], np.arange(size)[exists], np.full(len(ends), -1)])
    # Where one hour follows another, the beginning of the next wins over the end of the one before.
    order = np.lexsort((number, edges))
    cells = Cells(edges[order], number[order], np.zeros(len(edges), np.int64))
    column = track.readings.columns[quantity]
    valid = np.flatnonzero(column.state == State.VALID)
    # A mean is of the time up to its stamp.
    mean = track.rules.interval_mean[track.rule[valid]]
    at = np.where(mean, track.position[valid] - 1, track.position[valid])
    heard = cells.slot[np.searchsorted(cells.start, at, "right") - 1]
    seen = np.bincount(heard[heard >= 0], minlength=size) > 0
    stood = _idle_us(ran.idle, cells, cells.slot, size) >= length_us
    result: BoolArray = (seen | stood | ~exists).reshape(-1, _QUADRANTS).all(axis=1)
    return result


def _positions(track: Track) -> IntArray:
    """Where each slot begins on the axis: slots ascend, and so do the cells within them."""
    inside = np.flatnonzero(track.cells.slot >= 0)
    _, first = np.unique(track.cells.slot[inside], return_index=True)
    return track.cells.start[inside[first]]


def _idle_us(idle: StepFunction, cells: Cells, slot: IntArray, size: int) -> IntArray:
    """How long the unit did not run in each slot."""
    part = overlay([idle])
    off = part.values[0] == 1.0
    pieces = cut(part.start[off], part.end[off], cells)
    return total_us(slot[pieces.cell], pieces.length_us, size)


def _rounded(time_us: IntArray, unit_us: IntArray | int) -> IntArray:
    """In whole units, half up: stamps jitter."""
    result: IntArray = (2 * time_us + unit_us) // (2 * unit_us)
    return result
