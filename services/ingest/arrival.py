"""How fast messages arrive, and how long the journal lasts at that rate."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from services.ingest.batch import MESSAGE_BYTES, Batch
from services.ingest.message import Decoded, Message

_WINDOW_S: Final = 60.0
_STEP_S: Final = 1.0
_SAMPLE_EVERY_S: Final = 10.0
_FIRST_SHARE: Final = 0.2
"""Of a message's bytes in the window, before any was packed: more than JSON takes."""

PackedSize: TypeAlias = Callable[[Sequence[Message]], Awaitable[int]]
"""What messages would take in the journal [bytes]."""


class Rate:
    """An amount per second, over about the last minute. `clock` is monotonic [s]."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._total = 0.0
        self._totals = deque([(clock(), 0.0)])

    def add(self, amount: float) -> None:
        """So much more came, now."""
        now = self._forget()
        if now - self._totals[-1][0] >= _STEP_S:
            self._totals.append((now, self._total))
        self._total += amount

    @property
    def per_s(self) -> float:
        """The mean of the last minute, or of the time since the beginning; 0 where nothing came."""
        now = self._forget()
        then, total = self._totals[0]
        return (self._total - total) / max(now - then, _STEP_S)

    def _forget(self) -> float:
        now = self._clock()
        while len(self._totals) > 1 and self._totals[1][0] <= now - _WINDOW_S:
            self._totals.popleft()
        if now - self._totals[0][0] > 2 * _WINDOW_S:  # nothing came for long
            self._totals[0] = (now - _WINDOW_S, self._total)
        return now


class Endurance:
    """Measures what arrives by what it would take in the journal, also while nothing goes there.

    A fifth of a second is packed every ten: as much as a chunk of the journal holds.
    """

    def __init__(self, clock: Callable[[], float], packed_size: PackedSize, sample_s: float) -> None:
        self._rate = Rate(clock)
        self._packed_size = packed_size
        self._sample_s = sample_s
        self._share = _FIRST_SHARE
        self._sample: list[Message] | None = None

    @property
    def bytes_per_s(self) -> float:
        """What now arrives, in the journal's bytes."""
        return self._rate.per_s * self._share

    def arrived(self, batch: Batch) -> None:
        """This came."""
        self._rate.add(batch.size_bytes)
        if self._sample is not None:
            self._sample += [message for units in batch.lanes for message in messages_of(units)]

    async def run(self, every_s: float = _SAMPLE_EVERY_S) -> None:
        """Take samples for ever."""
        while True:
            self._sample = []
            await asyncio.sleep(self._sample_s)
            sample, self._sample = self._sample, None
            if sample:
                in_window = sum(MESSAGE_BYTES + len(message.payload) for message in sample)
                self._share = await self._packed_size(sample) / in_window
            await asyncio.sleep(every_s)


def messages_of(units: Sequence[Decoded]) -> list[Message]:
    """The messages of units, each once, in their order. Those of an array follow one another."""
    messages: list[Message] = []
    last = None
    for unit in units:
        message = unit.message
        if message is not last:
            messages.append(message)
            last = message
    return messages


def minutes_left(room_bytes: float, bytes_per_s: float) -> float:
    """How long so much room lasts [min]: infinite where nothing arrives, 0 where there is none."""
    if room_bytes <= 0:
        return 0.0
    return room_bytes / bytes_per_s / 60 if bytes_per_s > 0 else math.inf
