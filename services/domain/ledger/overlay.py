"""Corrections laid over stored readings: what the ledger computes from is a function of both.

What was stored stays as it was. Which correction was entered first says nothing: a void goes before any
other, and no two others are of the same quantity at the same time (`clash`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray
from services.domain.ledger.readings import Column, Readings, State, StateArray
from services.domain.quantities import NAMES, Quantity, quantity
from services.domain.reading import DeviceKey


class Action(StrEnum):
    """What a correction does to the readings of its time, in the order in which several do it."""

    SCALE = "scale"
    """Value times a number: an instrument that was set wrongly. Not of registers."""
    ADD = "add"
    """Value plus a number, in the quantity's unit: an offset."""
    SET = "set"
    """The value is this, whatever was sent and with what status; of a register as if read off by a person."""
    VOID = "void"
    """The value does not count, as if it was sent with a fault."""


_ORDER: Final = {action: rank for rank, action in enumerate(Action)}


class Correction(NamedTuple):
    """What is to be made of a device's readings from `begin_us` until before `end_us`."""

    device: DeviceKey
    begin_us: int
    end_us: int
    quantity: str | None
    """None: all of them, of a void."""
    action: Action
    value: float | None = None
    """In the quantity's unit; of SCALE a number. None of a void."""


def problem(correction: Correction) -> str | None:
    """Why a correction cannot be made, in a sentence; None where it can."""
    if correction.begin_us >= correction.end_us:
        return "it ends before it begins"
    kind = correction.device.kind
    if correction.quantity is not None and correction.quantity not in NAMES[kind]:
        return f"a {kind} has no quantity {correction.quantity}; it has {', '.join(NAMES[kind])}"
    if correction.action is Action.VOID:
        return None
    if correction.quantity is None or correction.value is None:
        return "only what is voided can be all quantities: say which one, and the number"
    if not np.isfinite(correction.value):
        return f"{correction.value} is no number to correct by"
    return _problem_of(quantity(kind, correction.quantity), correction.action, correction.value)


def _problem_of(of: Quantity, action: Action, value: float) -> str | None:
    if action is Action.SCALE and of.register:
        return (
            f"{of.name} is a register, and where a scaled stretch begins and ends it would jump: "
            "give the device its multiplier in the registry, from its date on"
        )
    if of.boolean and not (action is Action.SET and value in (0.0, 1.0)):
        return f"{of.name} is yes or no: set it to 1 or 0"
    if action is Action.SET and not _possible(of, np.array([value]))[0]:
        return f"{value:g} {of.unit} is physically impossible"
    return None


def clash(one: Correction, other: Correction) -> bool:
    """Whether it would matter which of two corrections comes first."""
    return (
        one.device == other.device
        and one.quantity == other.quantity
        and Action.VOID not in (one.action, other.action)
        and one.begin_us < other.end_us
        and other.begin_us < one.end_us
    )


class Overlay:
    """All corrections in force."""

    def __init__(self, corrections: Iterable[Correction] = ()) -> None:
        self._of_device: defaultdict[DeviceKey, list[Correction]] = defaultdict(list)
        for each in sorted(corrections, key=_rank):
            self._of_device[each.device].append(each)

    def applied(self, readings: Readings) -> Readings:
        """What the ledger computes from. The readings themselves stay as they are."""
        columns = dict(readings.columns)
        for index, device in enumerate(readings.devices):
            for each in self._of_device.get(device, ()):
                rows = _rows(readings, index, each)
                for name in (each.quantity,) if each.quantity else tuple(columns):
                    columns[name] = _corrected(columns[name], rows, each, quantity(readings.kind, name))
        return replace(readings, columns=columns)


def _rank(correction: Correction) -> tuple[int, int, int, str, float]:
    return (
        _ORDER[correction.action],
        correction.begin_us,
        correction.end_us,
        correction.quantity or "",
        correction.value or 0.0,
    )


def _rows(readings: Readings, device: int, correction: Correction) -> slice:
    first, last = np.searchsorted(readings.device, [device, device + 1])
    times = readings.time[first:last]
    begin, end = np.searchsorted(times, [correction.begin_us, correction.end_us])
    return slice(int(first + begin), int(first + end))


def _corrected(column: Column, rows: slice, correction: Correction, of: Quantity) -> Column:
    if rows.start == rows.stop or not (column.state[rows] != State.ABSENT).any():
        return column
    value, state = column.value.copy(), column.state.copy()
    value[rows], state[rows] = _made(value[rows], state[rows], correction, of)
    return Column(value, state)


def _made(
    value: FloatArray, state: StateArray, correction: Correction, of: Quantity
) -> tuple[FloatArray, StateArray]:
    sent = state != State.ABSENT
    if correction.action is Action.VOID or correction.value is None:
        return value, np.where(sent, np.int8(State.INVALID), state)
    if correction.action is Action.SET:
        read_off = State.MANUAL if of.register else State.VALID
        return np.where(sent, correction.value, value), np.where(sent, np.int8(read_off), state)
    made = value * correction.value if correction.action is Action.SCALE else value + correction.value
    counts = (state == State.VALID) | (state == State.MANUAL)
    # No device could have sent such a value: it is not made up here either.
    return made, np.where(counts & ~_possible(of, made), np.int8(State.INVALID), state)


def _possible(of: Quantity, value: FloatArray) -> BoolArray:
    least = -np.inf if of.minimum is None else of.minimum
    most = np.inf if of.maximum is None else of.maximum
    return np.asarray((value >= least) & (value <= most), np.bool_)
