"""Device-hours as columns: there are several for each hour of a device, and few ask for a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray, from_us
from services.domain.ledger.rows import DeviceHour, known_list
from services.domain.reading import DeviceKey


class Columns(NamedTuple):
    """Of each device-hour; NaN where unknown. `device` is an index into the devices."""

    device: IntArray
    hour_us: IntArray
    quantity: IntArray
    readings: IntArray
    min: FloatArray
    max: FloatArray
    mean: FloatArray
    first: FloatArray
    last: FloatArray
    consumption: FloatArray
    coverage: FloatArray
    estimated: BoolArray


def _nothing() -> Columns:
    whole, real = np.empty(0, np.int64), np.empty(0)
    real_ones = (real,) * 7
    return Columns(whole, whole, whole, whole, *real_ones, np.empty(0, np.bool_))


class DeviceHours(Sequence[DeviceHour]):
    """Rows of devices, by columns."""

    def __init__(self, devices: tuple[DeviceKey, ...], columns: Columns) -> None:
        self.devices = devices
        self.columns = columns

    @classmethod
    def joined(cls, parts: Sequence[DeviceHours]) -> DeviceHours:
        """All rows, in the order of the parts."""
        if not parts:
            return cls((), _nothing())
        offsets = np.cumsum([0, *(len(each.devices) for each in parts)])
        columns = Columns(*map(np.concatenate, zip(*(each.columns for each in parts), strict=True)))
        offset = np.repeat(offsets[:-1], [len(each) for each in parts])
        devices = tuple(device for each in parts for device in each.devices)
        return cls(devices, columns._replace(device=columns.device + offset))

    def __len__(self) -> int:
        return len(self.columns.device)

    @overload
    def __getitem__(self, index: int) -> DeviceHour: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[DeviceHour]: ...
    def __getitem__(self, index: int | slice) -> DeviceHour | Sequence[DeviceHour]:
        return list(self)[index]

    def __iter__(self) -> Iterator[DeviceHour]:
        device, hour_us, quantity, readings, *values, coverage, estimated = self.columns
        rows = zip(
            device.tolist(),
            hour_us.tolist(),
            quantity.tolist(),
            readings.tolist(),
            *(known_list(each) for each in values),
            coverage.tolist(),
            estimated.tolist(),
            strict=True,
        )
        for of_device, at_us, *rest in rows:
            yield DeviceHour(self.devices[of_device], from_us(at_us), *rest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
