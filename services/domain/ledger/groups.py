"""Devices that are computed together, now or at any other time: who works on one of them works on all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from zlib import crc32

from services.domain.reading import DeviceKey

BUCKETS: Final = 256
"""Groups share so many locks: enough for many workers, and few among those that a server has room for."""


class Groups:
    """Groups of devices joined by sources, directly or by way of others; any other device is its own."""

    def __init__(self, joined: Collection[Collection[DeviceKey]]) -> None:
        """`joined`: devices that feed the same source."""
        self._heads: Final[Mapping[DeviceKey, DeviceKey]] = _heads(joined)

    def head(self, device: DeviceKey) -> DeviceKey:
        """The least device of the group: it names the group."""
        return self._heads.get(device, device)

    def bucket(self, device: DeviceKey) -> int:
        """The number of the lock that the group shares with others, from 0 to `BUCKETS` - 1; the same in
        every process."""
        return crc32("/".join(self.head(device)).encode()) % BUCKETS


def _heads(joined: Collection[Collection[DeviceKey]]) -> dict[DeviceKey, DeviceKey]:
    parents: dict[DeviceKey, DeviceKey] = {}

    def head(device: DeviceKey) -> DeviceKey:
        while (parent := parents.setdefault(device, device)) != device:
            # Half of the way is shortened for the next one who asks.
            parents[device] = parents[parent]
            device = parent
        return device

    for devices in joined:
        heads = {head(device) for device in devices}
        for each in heads:
            parents[each] = min(heads)
    return {device: head(device) for device in parents}
