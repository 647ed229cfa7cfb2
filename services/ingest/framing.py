"""From the bytes of a connection to MQTT packets, whatever pieces they come in. No I/O.

A PUBLISH far larger than the contract allows is not held in memory: its payload is hashed as it passes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

import mqtt5

from services.ingest.message import KEPT_BYTES, MAX_PAYLOAD_BYTES, Cut

PUBLISH: Final = 3
"""Packet type (MQTT 5, 2.1.2)."""
_QOS_BITS: Final = 0b0110
# The longest topic, some properties, and the largest payload that is taken.
HELD_BYTES: Final = MAX_PAYLOAD_BYTES + 128 * 1024


class MalformedError(Exception):
    """The broker sent something that is not MQTT 5."""


class LargePublish(NamedTuple):
    """A PUBLISH whose payload was not kept whole."""

    topic: str
    packet_id: int
    beginning: bytes
    cut: Cut


Packet: TypeAlias = mqtt5.Packet | LargePublish


class Framer:
    """Cuts a stream of bytes into packets."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._held_bytes = held_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._needed = 0
        self._large: _Large | None = None

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that `data` completes. Raises MalformedError."""
        if self._parts:
            self._parts.append(data)
            self._size += len(data)
            if self._size < self._needed:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
        return self._cut(memoryview(data))

    def _cut(self, view: memoryview) -> list[Packet]:
        found: list[Packet] = []
        position, end = 0, len(view)
        while position < end:
            if self._large is not None:
                position += self._pass(self._large, view[position:], found)
                continue
            try:
                packet, used = mqtt5.read(view[position:])
            except IndexError:
                position += self._hold(view[position:])
            except ValueError as error:
                raise MalformedError(str(error)) from error
            else:
                found.append(packet)
                position += used
        return found

    def _pass(self, large: _Large, view: memoryview, found: list[Packet]) -> int:
        used = large.feed(view)
        if large.remaining == 0:
            found.append(large.result())
            self._large = None
        return used

    def _hold(self, view: memoryview) -> int:
        """A packet that is not complete: pass it by where it is too large, else keep what there is of it."""
        header = _fixed_header(view)
        if header is not None:
            first, size, body = header
            if size + body <= len(view):
                raise MalformedError("a length inside a packet is larger than the packet")
            if first >> 4 == PUBLISH and body > self._held_bytes:
                self._large = _Large(first, body)
                return size
        self._parts.append(bytes(view))
        self._size = len(view)
        self._needed = len(view) + 1 if header is None else header[1] + header[2]
        return len(view)


def _fixed_header(view: memoryview) -> tuple[int, int, int] | None:
    """First byte, size of the fixed header, remaining length (MQTT 5, 2.1); None where it is not complete."""
    length = _variable_integer(view[1:5])
    return None if length is None else (view[0], 1 + length[1], length[0])


def _variable_integer(view: memoryview | bytes) -> tuple[int, int] | None:
    """Value and size of a variable byte integer (MQTT 5, 1.5.5); None where it is not complete."""
    value = 0
    for position, byte in enumerate(view[:4]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, position + 1
    if len(view) >= 4:
        raise MalformedError("a variable byte integer has more than 4 bytes")
    return None


class _Large:
    """A PUBLISH that is passed by: its head is kept until the payload begins, the payload only hashed."""

    def __init__(self, first: int, body: int) -> None:
        self.remaining = body
        self._has_packet_id = bool(first & _QOS_BITS)
        self._head = bytearray()
        self._skip: int | None = None  # bytes of properties still to come before the payload
        self._topic = ""
        self._packet_id = 0
        self._beginning = bytearray()
        self._length = 0
        self._hash = sha256()

    def feed(self, view: memoryview) -> int:
        """Take what belongs to this packet; returns how many bytes that was."""
        used = min(len(view), self.remaining)
        self.remaining -= used
        piece = view[:used]
        if self._skip is None:
            self._head += piece
            start = self._read_head()
            if start is None:
                if self.remaining == 0:
                    raise MalformedError("a PUBLISH ends before its payload")
                return used
            piece = memoryview(bytes(self._head[start:]))
            self._head.clear()
        self._payload(piece)
        return used

    def result(self) -> LargePublish:
        """The packet, once all of it has passed."""
        cut = Cut(self._length, self._hash.digest())
        return LargePublish(self._topic, self._packet_id, bytes(self._beginning), cut)

    def _payload(self, piece: memoryview) -> None:
        assert self._skip is not None
        skipped = min(self._skip, len(piece))
        self._skip -= skipped
        piece = piece[skipped:]
        self._length += len(piece)
        self._hash.update(piece)
        self._beginning += piece[: KEPT_BYTES - len(self._beginning)]

    def _read_head(self) -> int | None:
        """Read topic and packet id (MQTT 5, 3.3.2); returns where the properties begin, None if not yet."""
        head = self._head
        topic_end = 2 + int.from_bytes(head[:2], "big")
        properties = topic_end + (2 if self._has_packet_id else 0)
        if len(head) <= properties:
            return None
        length = _variable_integer(bytes(head[properties : properties + 4]))
        if length is None:
            return None
        try:
            self._topic = head[2:topic_end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError("a topic is not UTF-8") from error
        if self._has_packet_id:
            self._packet_id = int.from_bytes(head[topic_end:properties], "big")
        self._skip = length[0]
        return properties + length[1]
