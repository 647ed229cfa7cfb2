"""Stored readings as columns: what the kernel of the ledger computes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray, to_us
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading

StateArray: TypeAlias = npt.NDArray[np.int8]


class State(IntEnum):
    """What a reading says of one quantity."""

    ABSENT = 0
    VALID = 1
    MANUAL = 2
    """Read off by a person: counts for registers."""
    INVALID = 3
    """Sent, or named, with a status that does not count: ends what was held."""
    STOPPED = 4
    """As INVALID; zero where the source's evidence shows that the process stands still."""


_STATES: Final = {
    status: {
        Status.VALID: State.VALID,
        Status.MANUAL: State.MANUAL,
        Status.STOPPED: State.STOPPED,
    }.get(status, State.INVALID)
    for status in Status
}
_STATE_OF_CODE: Final = np.array([_STATES[status] for status in STATUS_CODES], np.int8)


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity of many readings."""

    value: FloatArray
    """NaN where not sent."""
    state: StateArray


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of devices of one kind, in the order of `devices` and of time, each instant of a device
    once."""

    kind: Kind
    devices: tuple[DeviceKey, ...]
    """Ascending."""
    device: IntArray
    """Of each reading, the index into `devices`."""
    time: IntArray
    """Device time, microseconds since 1970 UTC."""
    columns: Mapping[str, Column]
    seq: FloatArray | None = None
    """The device's own count of its readings, NaN where not sent. None: nobody asked."""
    received: IntArray | None = None
    """When each came, microseconds since 1970 UTC. None: nobody asked."""

    def __len__(self) -> int:
        return len(self.time)

    def where(self, kept: BoolArray) -> Readings:
        """Only the readings that are `kept`."""
        columns = {name: Column(c.value[kept], c.state[kept]) for name, c in self.columns.items()}
        return Readings(
            self.kind,
            self.devices,
            self.device[kept],
            self.time[kept],
            columns,
            None if self.seq is None else self.seq[kept],
            None if self.received is None else self.received[kept],
        )

    def repeats(self) -> BoolArray:
        """Which readings say in every quantity what the device's reading just before them said."""
        same = np.zeros(len(self), np.bool_)
        if len(self) < 2:
            return same
        same[1:] = self.device[1:] == self.device[:-1]
        for column in self.columns.values():
            value, state = column.value, column.state
            equal = (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
            same[1:] &= equal & (state[1:] == state[:-1])
        return same


def make_readings(
    kind: Kind,
    devices: Iterable[DeviceKey],
    device: IntArray,
    time: IntArray,
    values: Mapping[str, FloatArray],
    status: npt.NDArray[np.int64],
    quantity_status: Sequence[str | None],
    seq: FloatArray | None = None,
    received: IntArray | None = None,
) -> Readings:
    """Readings from columns in any order. `device` indexes `devices`; `status`, `quantity_status`, `seq` and
    `received` are as stored.

    A quantity that is absent has no state, but where `quantity_status` itself names it as not valid.
    """
    names = tuple(devices)
    rank = {key: index for index, key in enumerate(sorted(names))}
    device = np.array([rank[key] for key in names], np.int64)[device] if len(device) else device
    order = np.lexsort((time, device))
    words = [
        (row, json.loads(quantity_status[index])) for row, index in enumerate(order) if quantity_status[index]
    ]
    common = _STATE_OF_CODE[status[order]]
    columns = {}
    for name in NAMES[kind]:
        value = np.asarray(values[name], np.float64)[order]
        state = np.where(np.isnan(value), np.int8(State.ABSENT), common)
        for row, named in words:
            if name in named:
                state[row] = _named_state(Status(named[name]), present=not np.isnan(value[row]))
        columns[name] = Column(value, state)
    return Readings(
        kind,
        tuple(sorted(names)),
        device[order],
        time[order],
        columns,
        None if seq is None else seq[order],
        None if received is None else received[order],
    )


def _named_state(status: Status, *, present: bool) -> State:
    state = _STATES[status]
    return state if present or state in (State.INVALID, State.STOPPED) else State.ABSENT


def readings_of(kind: Kind, devices: Iterable[DeviceKey], readings: Iterable[Reading]) -> Readings:
    """Readings of `devices` from single ones, in any order."""
    names = tuple(devices)
    rank = {key: index for index, key in enumerate(names)}
    rows = list(readings)
    values = {
        name: np.array([row.values[at] for row in rows], np.float64) for at, name in enumerate(NAMES[kind])
    }
    return make_readings(
        kind,
        names,
        np.array([rank[row.device] for row in rows], np.int64),
        np.array([to_us(row.time) for row in rows], np.int64),
        values,
        np.array([row.status for row in rows], np.int64),
        [row.quantity_status for row in rows],
    )
