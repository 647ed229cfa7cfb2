"""Steps of registers: what moved between two readings of a register next to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import HOUR_US, BoolArray, IntArray
from services.domain.ledger.jitter import high_marks
from services.domain.ledger.readings import State
from services.domain.ledger.registers import KindArray, MovementKind, movements, too_much
from services.domain.ledger.rules import HOLD_INTERVALS
from services.domain.ledger.track import Rules, Track

_UNKNOWN_INTERVAL_US: Final = HOUR_US
"""Without an expected interval nothing is covered; what spans more than an hour is spread over hours
unseen."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one register, in order of device and time."""

    start: IntArray
    end: IntArray
    """Positions."""
    amount: FloatArray
    """In the register's unit; NaN where it cannot be known."""
    kind: KindArray
    covered: BoolArray
    """Whether the readings are at most 3 expected intervals apart."""
    estimated: BoolArray
    """Whether they are not, or one was read off by a person: where in the step it moved is not measured."""
    before: IntArray
    after: IntArray
    """Index of the reading at or before the start, and at or after the end."""


class _Points(NamedTuple):
    """What the register showed: `arriving` ends a step, `leaving` begins the next. They differ where a
    register was replaced."""

    position: IntArray
    arriving: FloatArray
    leaving: FloatArray
    manual: BoolArray
    reading: IntArray


def register_steps(track: Track, register: str) -> Steps:
    """The steps of `register`; a device's first reading makes none."""
    points = _with_replacements(_points(track, register), track.replacements[register], track)
    device = track.readings.device[points.reading]
    pair = np.flatnonzero(device[1:] == device[:-1])
    start, end = points.position[pair], points.position[pair + 1]
    rule = track.rules.at(start)
    amount, kind = _movements(points, pair, track, register)
    _leave_out_absurd(amount, kind, end - start, track.rules, register, rule)
    longest = np.where(
        track.rules.interval_us > 0, HOLD_INTERVALS * track.rules.interval_us, _UNKNOWN_INTERVAL_US
    )
    distant = end - start > longest[rule]
    return Steps(
        start=start,
        end=end,
        amount=amount,
        kind=kind,
        covered=~distant & (track.rules.interval_us > 0)[rule],
        estimated=distant | points.manual[pair] | points.manual[pair + 1],
        before=points.reading[pair],
        after=_reading_after(points, pair + 1),
    )


def _leave_out_absurd(
    amount: FloatArray, kind: KindArray, elapsed_us: IntArray, rules: Rules, register: str, rule: IntArray
) -> None:
    """What the device's rating does not allow is unknown."""
    limits = rules.registers[register]
    if np.isnan(limits.max_per_h).all():
        return
    absurd = too_much(
        amount, limits.max_per_h[rule], limits.resolution[rule], elapsed_us, rules.interval_us[rule]
    )
    amount[absurd], kind[absurd] = np.nan, MovementKind.IMPLAUSIBLE


def _movements(points: _Points, pair: IntArray, track: Track, register: str) -> tuple[FloatArray, KindArray]:
    """What moved from each reading of `pair` to the next, and how that was read."""
    amount = points.arriving[pair + 1] - points.leaving[pair]
    if not (amount < 0.0).any():
        # As nearly all registers at nearly all times: nothing went back, so nothing must be made good.
        return amount, np.full(len(pair), MovementKind.NORMAL, np.int8)
    rule = track.rules.at(points.position)
    limits = track.rules.registers[register]
    modulus, resolution = limits.modulus[rule], limits.resolution[rule]
    as_shown = np.full(max(len(rule) - 1, 0), MovementKind.UNEXPLAINED, np.int8)
    _, as_shown[pair] = movements(
        points.leaving[pair], points.arriving[pair + 1], modulus[pair], resolution[pair]
    )
    marks = high_marks(
        points.position,
        points.arriving,
        points.leaving,
        as_shown,
        resolution,
        track.rules.memory_us[rule],
    )
    amount, kind = movements(marks.leaving[pair], marks.arriving[pair + 1], modulus[pair], resolution[pair])
    # A mark that is older than its memory is given up: nothing moved then.
    given_up = (kind == MovementKind.UNEXPLAINED) & (as_shown[pair] != MovementKind.UNEXPLAINED)
    amount[given_up], kind[given_up] = 0.0, MovementKind.JITTER
    fell = marks.fell[pair + 1]
    amount[fell], kind[fell] = np.nan, MovementKind.UNEXPLAINED
    return amount, kind


def _points(track: Track, register: str) -> _Points:
    column = track.readings.columns[register]
    counts = (column.state == State.VALID) | (column.state == State.MANUAL)
    reading = np.flatnonzero(counts)
    value = column.value[reading]
    return _Points(track.position[reading], value, value, column.state[reading] == State.MANUAL, reading)


def _with_replacements(
    points: _Points, replacements: tuple[tuple[int, float, float], ...], track: Track
) -> _Points:
    """The points with those of the events between them: the old register's last, the new one's first
    reading."""
    position, arriving, leaving, manual, reading = points
    device = track.readings.device
    for at, final, initial in replacements:
        after = int(np.searchsorted(position, at))
        if after == len(position):
            continue
        if position[after] == at:
            # The event says what both registers showed at that instant.
            arriving, leaving = arriving.copy(), leaving.copy()
            arriving[after], leaving[after] = final, initial
        elif after > 0 and device[reading[after - 1]] == device[reading[after]]:
            position = np.insert(position, after, at)
            arriving = np.insert(arriving, after, final)
            leaving = np.insert(leaving, after, initial)
            manual = np.insert(manual, after, False)
            reading = np.insert(reading, after, reading[after - 1])
    return _Points(position, arriving, leaving, manual, reading)


def _reading_after(points: _Points, index: IntArray) -> IntArray:
    """The reading at or after each point: that of the next point that is itself a reading."""
    if (points.reading[1:] > points.reading[:-1]).all():
        return points.reading[index]
    own = np.ones(len(points.reading), np.bool_)
    own[1:] = points.reading[1:] != points.reading[:-1]
    following = np.where(own, np.arange(len(own)), len(own))
    following = np.minimum.accumulate(following[::-1])[::-1]
    return points.reading[following[index]]
