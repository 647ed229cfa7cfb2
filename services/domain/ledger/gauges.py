"""What gauges show over time: a value holds until the next reading, or is the mean of the interval before
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.ledger.readings import Column, State
from services.domain.ledger.track import Track


class StepFunction(NamedTuple):
    """A value over the axis: `value[i]` from `start[i]` until `start[i + 1]`, NaN where unknown. The last is
    NaN."""

    start: IntArray
    value: FloatArray

    def at(self, position: IntArray) -> FloatArray:
        """The value at each position; NaN before the first start."""
        index = np.searchsorted(self.start, position, "right") - 1
        return np.append(self.value, np.nan)[index]


class Segments(NamedTuple):
    """Stretches of the axis over which several quantities are constant."""

    start: IntArray
    end: IntArray
    values: tuple[FloatArray, ...]


def gauge(track: Track, quantity: str) -> StepFunction:
    """`quantity` over time, at most 3 expected intervals from its reading.

    An instant value holds from its reading on, until the next reading of that quantity, whatever its status.
    Where the registry says `interval_mean`, a value is the mean of the time since the reading before, if that
    is so near; else of one expected interval, for what happened before it nobody said.
    """
    return held(track, track.readings.columns[quantity])


def held(track: Track, column: Column) -> StepFunction:
    """As `gauge`, of a column of the track's readings."""
    reading = np.flatnonzero(column.state != State.ABSENT)
    position, value = _shown(track, column, reading)
    rule = track.rule[reading]
    hold_us = track.rules.hold_us[rule]
    mean = track.rules.interval_mean[rule]
    if not mean.any():
        return hold(position, value, hold_us, hold_us)
    return _both_ways(position, value, mean, hold_us, np.where(mean, track.rules.interval_us[rule], hold_us))


def counted(track: Track, column: Column) -> StepFunction:
    """Each value for the one expected interval it stands for, up to its neighbour where that is no further
    than one and a half: how much was validly measured, whatever may be held beyond it."""
    reading = np.flatnonzero(column.state != State.ABSENT)
    position, value = _shown(track, column, reading)
    interval_us = track.rules.interval_us[track.rule[reading]]
    mean = track.rules.interval_mean[track.rule[reading]]
    return _both_ways(position, value, mean, interval_us + interval_us // 2, interval_us)


def _shown(track: Track, column: Column, reading: IntArray) -> tuple[IntArray, FloatArray]:
    valid = column.state[reading] == State.VALID
    return track.position[reading], np.where(valid, column.value[reading], np.nan)


def _both_ways(
    position: IntArray, value: FloatArray, mean: BoolArray, hold_us: IntArray, alone_us: IntArray
) -> StepFunction:
    """Instant values forward, means backward: to the neighbour at most `hold_us` away, else for
    `alone_us`."""
    forward = hold(position, value, np.where(mean, 0, hold_us), np.where(mean, 0, alone_us))
    back_us, back_alone_us = np.where(mean, hold_us, 0), np.where(mean, alone_us, 0)
    backward = _mirrored(hold(-position[::-1], value[::-1], back_us[::-1], back_alone_us[::-1]))
    # Where a device changed from instant values to means, the interval between is held once.
    start = np.union1d(forward.start, backward.start)
    ahead, behind = forward.at(start), backward.at(start)
    return StepFunction(start, np.where(np.isnan(ahead), behind, ahead))


def hold(position: IntArray, value: FloatArray, hold_us: IntArray, alone_us: IntArray) -> StepFunction:
    """Each value from its position to the next, if that is `hold_us` away at most; else for `alone_us`."""
    following = np.append(position[1:], np.iinfo(np.int64).max)
    expires = (position + hold_us < following) & (hold_us > 0)
    ends = position + alone_us
    held = np.where(hold_us > 0, value, np.nan)
    after = np.flatnonzero(expires)
    return StepFunction(np.insert(position, after + 1, ends[after]), np.insert(held, after + 1, np.nan))


def _mirrored(function: StepFunction) -> StepFunction:
    """The function on the axis turned round."""
    value = np.append(np.nan, function.value)[:-1]
    return StepFunction(-function.start[::-1], value[::-1])


def overlay(functions: Sequence[StepFunction]) -> Segments:
    """The stretches over which all `functions` are constant and the first is known."""
    edges = functions[0].start if len(functions) == 1 else _union([each.start for each in functions])
    if len(edges) == 0:
        return Segments(edges, edges, tuple(np.empty(0) for _ in functions))
    if len(functions) == 1:
        values: tuple[FloatArray, ...] = (functions[0].value[:-1],)
    else:
        values = tuple(each.at(edges[:-1]) for each in functions)
    known = ~np.isnan(values[0])
    return Segments(edges[:-1][known], edges[1:][known], tuple(value[known] for value in values))


def _union(starts: Sequence[IntArray]) -> IntArray:
    return np.unique(np.concatenate(starts))
