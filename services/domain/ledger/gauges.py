"""What gauges show over time: a value holds until the next reading, or is the mean of the interval before
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import IntArray
from services.domain.ledger.readings import State
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
    column = track.readings.columns[quantity]
    reading = np.flatnonzero(column.state != State.ABSENT)
    position = track.position[reading]
    value = np.where(column.state[reading] == State.VALID, column.value[reading], np.nan)
    rule = track.rule[reading]
    hold_us = track.rules.hold_us[rule]
    mean = track.rules.interval_mean[rule]
    if not mean.any():
        return hold(position, value, hold_us, hold_us)
    instant_us, mean_us = np.where(mean, 0, hold_us), np.where(mean, hold_us, 0)
    one_us = np.where(mean, track.rules.interval_us[rule], 0)
    forward = hold(position, value, instant_us, instant_us)
    backward = _mirrored(hold(-position[::-1], value[::-1], mean_us[::-1], one_us[::-1]))
    # Where a device changed from instant values to means, the interval between is held once.
    start = np.union1d(forward.start, backward.start)
    held, averaged = forward.at(start), backward.at(start)
    return StepFunction(start, np.where(np.isnan(held), averaged, held))


def hold(position: IntArray, value: FloatArray, hold_us: IntArray, alone_us: IntArray) -> StepFunction:
    """Each value from its position to the next, if that is `hold_us` away at most; else for `alone_us`."""
    following = np.append(position[1:], np.iinfo(np.int64).max)
    expires = (position + hold_us < following) & (hold_us > 0)
    ends = position + alone_us
    start = np.concatenate([position, ends[expires]])
    held = np.concatenate([np.where(hold_us > 0, value, np.nan), np.full(int(expires.sum()), np.nan)])
    order = np.argsort(start, kind="stable")
    return StepFunction(start[order], held[order])


def _mirrored(function: StepFunction) -> StepFunction:
    """The function on the axis turned round."""
    value = np.append(np.nan, function.value)[:-1]
    return StepFunction(-function.start[::-1], value[::-1])


def overlay(functions: Sequence[StepFunction]) -> Segments:
    """The stretches over which all `functions` are constant and the first is known."""
    edges = functions[0].start if len(functions) == 1 else _union([each.start for each in functions])
    if len(edges) == 0:
        return Segments(edges, edges, tuple(np.empty(0) for _ in functions))
    values = tuple(each.at(edges[:-1]) for each in functions)
    known = ~np.isnan(values[0])
    return Segments(edges[:-1][known], edges[1:][known], tuple(value[known] for value in values))


def _union(starts: Sequence[IntArray]) -> IntArray:
    return np.unique(np.concatenate(starts))
