"""Stored readings as columns: what the kernel of the ledger computes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
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

    def where(self, kept: BoolArray | slice) -> Readings:
        """Only the readings that are `kept`."""
        # Columns may be one and the same, as those of quantities that nobody sent are.
        columns = {id(each): each for each in self.columns.values()}
        of_kept = {number: Column(each.value[kept], each.state[kept]) for number, each in columns.items()}
        return replace(
            self,
            device=self.device[kept],
            time=self.time[kept],
            columns={name: of_kept[id(each)] for name, each in self.columns.items()},
            seq=None if self.seq is None else self.seq[kept],
            received=None if self.received is None else self.received[kept],
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
    quantity_status: Mapping[int, str] = MappingProxyType({}),
    seq: FloatArray | None = None,
    received: IntArray | None = None,
) -> Readings:
    """Readings from columns in any order. `device` indexes `devices`; `status`, `seq` and `received` are as
    stored; so is `quantity_status`, by the index of the few readings that have one. A quantity that is not
    among the `values` was sent by none.

    A quantity that is absent has no state, but where `quantity_status` itself names it as not valid.
    """
    names = tuple(devices)
    rank = {key: index for index, key in enumerate(sorted(names))}
    device = np.array([rank[key] for key in names], np.int64)[device] if len(device) else device
    order = by_device(device, time)
    common = _STATE_OF_CODE[status[order]]
    columns = dict.fromkeys(NAMES[kind], _absent(len(order)))
    for name, sent in values.items():
        value = np.asarray(sent, np.float64)[order]
        columns[name] = Column(value, np.where(np.isnan(value), np.int8(State.ABSENT), common))
    _name_states(columns, order, quantity_status)
    return Readings(
        kind,
        tuple(sorted(names)),
        device[order],
        time[order],
        columns,
        None if seq is None else seq[order],
        None if received is None else received[order],
    )


def by_device(device: IntArray, time: IntArray) -> IntArray:
    """The order of readings by device, and of each device by time. Readings are stored about as they were
    measured: then they need to be sorted by device alone, in which numpy is quick for small numbers."""
    order = np.arange(len(device))
    if not _ascends(device, time):
        small = len(device) > 0 and device.max() <= np.iinfo(np.int16).max
        order = np.argsort(device.astype(np.int16) if small else device, kind="stable")
        if not _ascends(device[order], time[order]):
            order = np.lexsort((time, device))
    return order


def _ascends(device: IntArray, time: IntArray) -> bool:
    same = device[1:] == device[:-1]
    return bool(((device[1:] > device[:-1]) | (same & (time[1:] >= time[:-1]))).all())


def _absent(readings: int) -> Column:
    return Column(np.full(readings, np.nan), np.full(readings, State.ABSENT, np.int8))


def _name_states(columns: dict[str, Column], order: IntArray, quantity_status: Mapping[int, str]) -> None:
    """Put the states that readings gave by quantity into the columns."""
    if not quantity_status:
        return
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    kept: set[str] = set()
    for index, words in quantity_status.items():
        row = place[index]
        for name, word in json.loads(words).items():
            if name not in columns:
                continue
            if name not in kept:
                # Quantities that nobody sent share a column.
                columns[name] = Column(columns[name].value, columns[name].state.copy())
                kept.add(name)
            state = columns[name].state
            state[row] = _named_state(Status(word), present=not np.isnan(columns[name].value[row]))


def _named_state(status: Status, *, present: bool) -> State:
    state = _STATES[status]
    return state if present or state in (State.INVALID, State.STOPPED) else State.ABSENT


def readings_of(
    kind: Kind, devices: Iterable[DeviceKey], readings: Iterable[Reading], received: IntArray | None = None
) -> Readings:
    """Readings of `devices` from single ones, in any order; when each came, if that is known [us since
    1970]."""
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
        {at: row.quantity_status for at, row in enumerate(rows) if row.quantity_status},
        np.array([row.seq for row in rows], np.float64),
        received,
    )
