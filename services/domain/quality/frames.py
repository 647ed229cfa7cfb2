"""Frames that a device, or what is between, sends again for want of a new one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.ledger.readings import Column, Readings, State
from services.domain.ledger.track import Track
from services.domain.quality.gauges import shown_finely
from services.domain.quality.natures import NATURES
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quality.runs import Columns, findings, slots
from services.domain.quantities import QUANTITIES

CATCHES_UP: Final = (1.6, 2.4)
"""A register that stood for one reading and was read as usual makes good what it missed: the next step is
twice the usual."""
_USUAL: Final = 1.5
_DIGITS: Final = 5.0
"""A register that moves by fewer of its last digits a reading stands now and then by itself."""
FINE_GAUGES: Final = 4
"""Where no register tells, so many gauges that show their noise repeat at once."""
_NONE: Final = np.empty(0, np.int64)


def frame_findings(track: Track) -> Iterator[Finding]:
    """Readings that repeat the one before them in everything, while the register shows by its next step that
    it had moved; or in more gauges than can repeat by chance. A device that stands still repeats more than
    once, and is none; nor is one of which the registry says that it `repeats_frames`."""
    readings = track.readings
    again = _repeats(track)
    # The reading before and the one after are none, and all of them are neighbours.
    again = again[(again >= 2) & (again + 2 < len(readings))]
    again = again[_neighbours(track, again)]
    again = again[~np.isin(again, again + 1) & ~np.isin(again, again - 1)]
    again = again[~track.rules.repeats_frames[track.rule[again]]]
    if len(again) == 0:
        return
    again = again[_moved_meanwhile(track, again) | _fine(readings, again)]
    slot = slots(track, track.position[again])
    again, slot = again[slot >= 0], slot[slot >= 0]
    nothing = np.full(len(again), np.nan)
    yield from findings(
        track,
        FindingKind.REPEATED_FRAME,
        Columns(
            slot=slot,
            begin=track.position[again],
            end=track.position[again],
            continues=np.zeros(len(again), np.bool_),
            readings=np.ones(len(again), np.int64),
            low=nothing,
            high=nothing,
            bound=nothing,
        ),
    )


def _repeats(track: Track) -> IntArray:
    """Readings that say in every quantity what the one before them said. Few are left after the first
    quantities: the others are looked at there alone."""
    at: IntArray | None = None
    for column in track.readings.columns.values():
        if at is not None:
            at = at[_same(column, at)]
        elif (column.state != State.ABSENT).any():
            value = column.value
            # NaN equals nothing: what was not sent is looked at like the other quantities.
            maybe = (value[1:] == value[:-1]) | np.isnan(value[1:])
            at = np.flatnonzero(maybe) + 1
            at = at[_same(column, at)]
    return _NONE if at is None else at


def _same(column: Column, at: IntArray) -> BoolArray:
    value, state = column.value, column.state
    shown = (value[at] == value[at - 1]) | (np.isnan(value[at]) & np.isnan(value[at - 1]))
    return np.asarray(shown & (state[at] == state[at - 1]), np.bool_)


def _neighbours(track: Track, at: IntArray) -> BoolArray:
    """Whether the two readings on each side are no further than one expected interval and a half each."""
    near = np.ones(len(at), np.bool_)
    for back in (-1, 0, 1, 2):
        step = track.position[at + back] - track.position[at + back - 1]
        near &= 2 * step <= 3 * track.rules.interval_us[track.rule[at]]
    return near


def _moved_meanwhile(track: Track, at: IntArray) -> BoolArray:
    """Whether a register makes good in the next step what the repeated frame did not show."""
    result = np.zeros(len(at), np.bool_)
    low, high = CATCHES_UP
    for register in QUANTITIES[track.kind]:
        if not register.register:
            continue
        value = track.readings.columns[register.name].value
        before, caught_up, after = (value[at + i] - value[at + j] for i, j in ((-1, -2), (1, 0), (2, 1)))
        usual = 0.5 * (before + after)
        resolution = track.rules.registers[register.name].resolution[track.rule[at]]
        steady = (np.maximum(before, after) <= _USUAL * np.minimum(before, after)) & (usual > 0.0)
        told = ~(np.minimum(before, after) < _DIGITS * resolution)
        result |= steady & told & (caught_up >= low * usual) & (caught_up <= high * usual)
    return result


def _fine(readings: Readings, at: IntArray) -> BoolArray:
    """Whether enough gauges repeat that show their noise, and no register says otherwise."""
    count = np.zeros(len(at), np.int64)
    registers = np.zeros(len(at), np.bool_)
    for quantity in QUANTITIES[readings.kind]:
        column = readings.columns[quantity.name]
        valid = column.state[at] == State.VALID
        if quantity.register:
            registers |= valid
            continue
        digits = NATURES[readings.kind][quantity.name].digits
        if digits is not None:
            count += valid & shown_finely(np.where(valid, column.value[at], 0.0), digits)
    return (count >= FINE_GAUGES) & ~registers
