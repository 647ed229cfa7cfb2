"""What goes from the socket to the batch: messages, and the units they are decoded into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from services.domain.outcome import Reason
from services.domain.reading import DeviceKey, Reading

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Larger payloads are rejected (contract, section 2)."""
KEPT_BYTES: Final = 4096
"""How much of a too large payload a dead letter keeps."""


class Cut(NamedTuple):
    """What is known of a payload that was not kept whole."""

    length: int
    sha256: bytes


class Message(NamedTuple):
    """A message as it came. `packet_id` is 0 at QoS 0, where nothing is acknowledged."""

    topic: str
    payload: bytes
    packet_id: int
    received_at: datetime
    cut: Cut | None = None
    """Where the payload was too large to keep: then `payload` is its beginning."""


class Rejection(NamedTuple):
    """Why a unit cannot be stored, in a sentence: what is wrong, where, what to do."""

    reason: Reason
    detail: str


class StateChange(NamedTuple):
    """A device (or its last will) said whether it is online."""

    device: DeviceKey
    state: str


class Received(NamedTuple):
    """A unit of account: a reading."""

    reading: Reading
    message: Message
    position: int | None
    """In the message's array; None where the message is the reading."""


class Rejected(NamedTuple):
    """A unit of account: a message, or an element of an array, that cannot be stored."""

    rejection: Rejection
    message: Message
    position: int | None


class StateUnit(NamedTuple):
    """A state message: written in the same transaction as the readings around it, and counted only where it
    cannot be: as rejected.
    """

    change: StateChange
    message: Message
    position: None = None


Unit: TypeAlias = Received | Rejected
Decoded: TypeAlias = Received | Rejected | StateUnit


@dataclass(frozen=True, slots=True)
class Limits:
    """What is plausible in time."""

    too_old_s: float
    future_s: float
