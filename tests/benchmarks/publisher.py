"""An MQTT publisher that costs next to nothing: frames are made beforehand, acknowledgements are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import unquote, urlsplit

import mqtt5
import numpy as np
import numpy.typing as npt

PACKET_IDS: Final = 65_535
_PUBACK_BYTES: Final = 4
_PUBACK: Final = 0x4002  # type and length of a PUBACK that says success (MQTT 5, 3.4)
_AT_ONCE: Final = 200
_ACCEPTED: Final = 0


class PublishError(Exception):
    """The broker does not take what is published."""


@dataclass(frozen=True, slots=True)
class Login:
    """A broker, and who one is to it."""

    host: str
    port: int
    user: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> Login:
        """Of `mqtt://user:password@host:port`."""
        parts = urlsplit(url)
        return cls(
            parts.hostname or "localhost",
            parts.port or 1883,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )

    def connect_packet(self, client_id: str) -> bytes:
        """CONNECT of a session that ends with its connection, and takes the place of any before it."""
        return mqtt5.ConnectPacket(
            client_id,
            username=self.user,
            password=None if self.password is None else self.password.encode(),
            clean_start=True,
            keep_alive=0,
        ).write()


def frame(topic: str, payload: bytes, number: int) -> bytes:
    """The PUBLISH (QoS 1) of a connection's message `number`."""
    packet_id = number % PACKET_IDS + 1
    return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write()


class Frames:
    """The frames of one connection, one after the other."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._data = memoryview(b"".join(frames))
        self._ends: npt.NDArray[np.int64] = np.cumsum([0, *map(len, frames)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def between(self, first: int, last: int) -> memoryview:
        """The frames from number `first` up to but not including `last`."""
        return self._data[int(self._ends[first]) : int(self._ends[last])]


class Publisher(asyncio.Protocol):
    """One connection. Sends its frames up to `allow`, at most `window` ahead of their acknowledgement."""

    def __init__(self, connect: bytes, window: int, on_progress: Callable[[], None] = lambda: None) -> None:
        self._connect = connect
        self._window = window
        self._on_progress = on_progress
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._frames = Frames([])
        self._limit = 0
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent = 0
        self.acknowledged = 0

    def load(self, frames: Frames) -> None:
        """What is to be sent."""
        self._frames = frames

    def allow(self, limit: int) -> None:
        """Send so many of the frames in all."""
        self._limit = min(limit, len(self._frames))
        self._send()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message at once."""
        self._write(frame(topic, payload, self.sent))
        self.sent += 1

    def close(self) -> None:
        """Leave the broker."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._connect)

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements."""
        data = self._rest + data
        if not self.connected.done():
            data = self._greeted(data)
        whole = len(data) - len(data) % _PUBACK_BYTES
        self._rest = data[whole:]
        if not whole:
            return
        heads = np.frombuffer(data[:whole], ">u2")[::2]
        if not (heads == _PUBACK).all():
            self._fail("it acknowledges with an error, or nobody subscribes")
            return
        self.acknowledged += len(heads)
        self._send()
        self._on_progress()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for the connection."""
        if not self.connected.done():
            self.connected.set_exception(PublishError(f"The broker refuses the publisher: {exc}."))

    def _greeted(self, data: bytes) -> bytes:
        try:
            packet, used = mqtt5.read(memoryview(data))
        except IndexError:
            self._rest = data
            return b""
        if not isinstance(packet, mqtt5.ConnAckPacket) or int(packet.reason_code) != _ACCEPTED:
            self._fail(str(packet))
            return b""
        self._window = min(self._window, packet.receive_max)
        self.connected.set_result(None)
        return data[used:]

    def _send(self) -> None:
        while True:
            last = min(self._limit, self.acknowledged + self._window, self.sent + _AT_ONCE)
            if last <= self.sent:
                return
            self._write(self._frames.between(self.sent, last))
            self.sent = last

    def _write(self, data: bytes | memoryview) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def _fail(self, why: str) -> None:
        if not self.connected.done():
            self.connected.set_exception(PublishError(f"The broker does not take messages: {why}."))
        if self._transport is not None:
            self._transport.abort()


async def connect(
    login: Login, client_id: str, window: int = PACKET_IDS, on_progress: Callable[[], None] = lambda: None
) -> Publisher:
    """A connected publisher. Raises PublishError or OSError."""
    loop = asyncio.get_running_loop()
    packet = login.connect_packet(client_id)
    _, publisher = await loop.create_connection(
        lambda: Publisher(packet, window, on_progress), login.host, login.port
    )
    await publisher.connected
    return publisher


async def forget_session(login: Login, client_id: str) -> None:
    """Remove a session, and all that is queued for it, from the broker."""
    (await connect(login, client_id)).close()
