"""What ingest remembers of devices: their ids, and the last stored time of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from services.domain.ledger.hours import IntArray
from services.domain.reading import DeviceKey
from services.ingest.gauges import UNKNOWN_US
from services.ingest.message import Decoded, Received

_FIRST_SIZE: Final = 1024


class Newest:
    """The last stored time of devices, by id, or an earlier instant after which nothing of it is stored."""

    def __init__(self) -> None:
        self._times_us = np.full(_FIRST_SIZE, UNKNOWN_US, np.int64)

    def of(self, device_ids: IntArray) -> IntArray:
        """Microseconds since 1970; UNKNOWN_US where it is not known."""
        self._make_room(device_ids)
        return self._times_us[device_ids]

    def learn(self, device_ids: IntArray, times_us: IntArray) -> None:
        """Of different devices."""
        self._make_room(device_ids)
        self._times_us[device_ids] = times_us

    def _make_room(self, device_ids: IntArray) -> None:
        wanted = int(device_ids.max(initial=0)) + 1
        if wanted > len(self._times_us):
            more = np.full(max(wanted, 2 * len(self._times_us)), UNKNOWN_US, np.int64)
            more[: len(self._times_us)] = self._times_us
            self._times_us = more


class Known:
    """What all writers know: only what was committed."""

    def __init__(self) -> None:
        self.ids: dict[DeviceKey, int] = {}
        self.newest = Newest()

    def learn(self, ids: Mapping[DeviceKey, int], newest: Iterable[tuple[IntArray, IntArray]]) -> None:
        """These were committed: ids, and device ids with their last times, the later ones last."""
        self.ids.update(ids)
        for device_ids, times_us in newest:
            self.newest.learn(device_ids, times_us)

    def forget(self, units: Iterable[Decoded]) -> None:
        """Somebody else wrote readings of these devices: look again what is there."""
        ids = {self.ids.get(unit.device, 0) for unit in units if isinstance(unit, Received)}
        device_ids = np.array(list(ids), np.int64)
        self.newest.learn(device_ids, np.full(len(ids), UNKNOWN_US))
