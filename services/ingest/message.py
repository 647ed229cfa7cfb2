"""What goes from the socket to the batch: messages, and the units they are decoded into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import msgspec

from services.domain.outcome import Reason
from services.domain.reading import DeviceKey, Reading, Values

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Larger payloads are rejected (contract, section 2)."""
KEPT_BYTES: Final = 4096
"""How much of a too large payload a dead letter keeps."""


class Cut(NamedTuple):
    """What is known of a payload that was not kept whole."""

    length: int
    sha256: bytes


# There are one or two of the following for every reading: structs are made in half the time that named tuples
# take, and the garbage collector need not look at them, as they can be part of no cycle.


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as it came. `packet_id` is 0 at QoS 0, where nothing is acknowledged."""

    topic: str
    payload: bytes
    packet_id: int
    received_at: datetime
    cut: Cut | None = None
    """Where the payload was too large to keep: then `payload` is its beginning."""
    redelivered: bool = False
    """Whether the broker says that it may have sent it before."""

    @property
    def length(self) -> int:
        """How many bytes the payload has, or had."""
        return self.cut.length if self.cut else len(self.payload)


class Rejection(NamedTuple):
    """Why a unit cannot be stored, in a sentence: what is wrong, where, what to do."""

    reason: Reason
    detail: str

    def of_element(self, position: int | None) -> Rejection:
        """The same, naming the element of an array that it is about."""
        return self if position is None else Rejection(self.reason, f"Element {position}: {self.detail}")


class StateChange(NamedTuple):
    """A device (or its last will) said whether it is online."""

    device: DeviceKey
    state: str


class Received(msgspec.Struct, frozen=True, gc=False):
    """A unit of account: a reading. Its first fields are those of `Reading`."""

    device: DeviceKey
    time: datetime
    seq: int | None
    values: Values
    status: int
    quantity_status: str | None
    extra: str | None
    message: Message
    position: int | None
    """In the message's array; None where the message is the reading."""

    @property
    def reading(self) -> Reading:
        """The reading by itself."""
        return Reading(
            self.device,
            self.time,
            self.seq,
            self.values,
            self.status,
            self.quantity_status,
            self.extra,
        )


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A unit of account: a message, or an element of an array, that cannot be stored."""

    rejection: Rejection
    message: Message
    position: int | None
    reading: Reading | None = None
    """What is refused for its time alone."""


class StateUnit(msgspec.Struct, frozen=True, gc=False):
    """A state message: written in the same transaction as the readings around it, and counted only where it
    cannot be: as rejected.
    """

    change: StateChange
    message: Message
    position: None = None

    @property
    def device(self) -> DeviceKey:
        """Whose state it is."""
        return self.change.device


Unit: TypeAlias = Received | Rejected
Decoded: TypeAlias = Received | Rejected | StateUnit


@dataclass(frozen=True, slots=True)
class Limits:
    """What is plausible in time."""

    too_old_s: float
    future_s: float
