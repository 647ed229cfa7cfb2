"""What has been received and is not yet acknowledged: batches for the writers, in one bounded window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from services.ingest.connection import Connection
from services.ingest.decode import Decoder
from services.ingest.message import Decoded, Message

# So that an ingest which is killed soon after its start, again and again, gets on: each batch may be twice as
# large as the one before.
_FIRST_READINGS: Final = 500

MESSAGE_BYTES: Final = 512
"""What a message takes in memory besides its payload and readings, about."""


@dataclass(slots=True)
class Batch:
    """Units of whole messages of one connection, and what is to be acknowledged.

    Each lane has the units of some devices, in the order they came: all of a device are in one lane.
    """

    source: Connection | None
    lanes: list[list[Decoded]]
    packet_ids: list[int] = field(default_factory=list)
    messages: int = 0
    size_bytes: int = 0

    @property
    def units(self) -> int:
        """How many units there are."""
        return sum(map(len, self.lanes))


@dataclass(frozen=True, slots=True)
class Window:
    """How much may be received and not yet acknowledged, and how it is cut into batches."""

    batch_readings: int
    """From how many readings on a batch is full: the last message may bring more."""
    batch_age_s: float
    readings: int = 65_000
    size_bytes: int = 64 * 1024 * 1024
    messages: int = 20_000
    """What the broker sends ahead; beyond it they wait there."""


class Inbox:
    """Decodes messages into batches. A batch grows while the writers are busy; idle ones get it at once.

    The window bounds memory: where it is full the sender is told, and `on_room` says when it is half empty.
    """

    def __init__(self, decoder: Decoder, window: Window) -> None:
        self._decoder = decoder
        self._window = window
        self._open = self._empty_batch(None)
        self._closed: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._room = asyncio.Event()
        self._room.set()
        self._draining = False
        self._most = min(_FIRST_READINGS, window.batch_readings)
        self._handed_out_at = 0.0
        # Of the batches that are closed or handed out; the open one is counted by itself.
        self._readings = 0
        self._messages = 0
        self._size_bytes = 0
        self.on_room: Callable[[], None] = lambda: None
        """Called when there is room again."""

    @property
    def readings(self) -> int:
        """Units in the window."""
        return self._readings + self._open.units

    @property
    def messages(self) -> int:
        """Messages in the window."""
        return self._messages + self._open.messages

    @property
    def size_bytes(self) -> int:
        """Bytes in the window, about."""
        return self._size_bytes + self._open.size_bytes

    @property
    def is_half_full(self) -> bool:
        """Whether half of the window is in use, by any measure."""
        window = self._window
        return (
            self.messages * 2 >= window.messages
            or self.readings * 2 >= window.readings
            or self.size_bytes * 2 >= window.size_bytes
        )

    def receive(self, connection: Connection, messages: list[Message], /) -> bool:
        """Decode messages into batches; returns whether there is room for more."""
        batch = self._open
        if batch.source is not connection:
            batch = self._new_batch(connection)
        deal = self._decoder.deal
        count = batch.units
        for message in messages:
            if count >= self._most:
                batch = self._new_batch(connection)
                count = 0
            count += deal(message, batch.lanes)
            batch.messages += 1
            batch.size_bytes += MESSAGE_BYTES + len(message.payload)
            if message.packet_id:
                batch.packet_ids.append(message.packet_id)
        self._arrived.set()
        self._empty.clear()
        if self.readings >= self._window.readings or self.size_bytes >= self._window.size_bytes:
            self._room.clear()
        return self._room.is_set()

    async def next_batch(self) -> Batch:
        """The oldest batch, as soon as the last one was handed out long enough ago, or it is full."""
        await self._arrived.wait()
        loop = asyncio.get_running_loop()
        wait_s = self._handed_out_at + self._window.batch_age_s - loop.time()
        if wait_s > 0 and not self._closed and not self._draining:
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()
        self._handed_out_at = loop.time()
        if not self._closed:
            self._new_batch(self._open.source)
        batch = self._closed.popleft()
        if not self._closed and not self._open.messages:
            self._arrived.clear()
        return batch

    def done(self, batch: Batch) -> None:
        """A batch was written and acknowledged: its part of the window is free."""
        self._most = min(2 * self._most, self._window.batch_readings)
        self._readings -= batch.units
        self._messages -= batch.messages
        self._size_bytes -= batch.size_bytes
        if self.messages == 0:
            self._empty.set()
        half = self.readings <= self._window.readings / 2 and self.size_bytes <= self._window.size_bytes / 2
        if half and not self._room.is_set():
            self._room.set()
            self.on_room()

    def drain(self) -> None:
        """Nothing more will come: hand out what there is without waiting."""
        self._draining = True
        self._hurry.set()

    async def wait_until_empty(self) -> None:
        """Wait until everything is acknowledged."""
        await self._empty.wait()

    async def wait_for_room(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    def _new_batch(self, connection: Connection | None) -> Batch:
        """Close the open batch and open the next."""
        closed = self._open
        if closed.messages:
            self._closed.append(closed)
            self._readings += closed.units
            self._messages += closed.messages
            self._size_bytes += closed.size_bytes
            self._hurry.set()
        self._open = self._empty_batch(connection)
        return self._open

    def _empty_batch(self, connection: Connection | None) -> Batch:
        return Batch(connection, [[] for _ in range(self._decoder.lanes)])
