"""From readings to MQTT messages. A unit is what the ingest side accounts for: one array element, or one
message that is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final, NamedTuple

from simulators.hashing import stable_key, uniform_at
from simulators.spec import Reading, Value

ARRAY_MAX: Final = 100
"""Readings a device stores before it forwards them in one message. The contract allows 1,000."""
_FEW: Final = 4
_TO_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_SIZES: Final = stable_key(0, "sizes of arrays")


class Role(Enum):
    """What a unit is to the receiver."""

    READING = "reading"
    PART = "part"
    """One of several partial readings of one instant; to be merged."""
    DUPLICATE = "duplicate"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit to publish.

    `completes` is the reading that is wholly sent with this unit. `reason` is why a bad one is to be refused;
    `alone` keeps a unit out of arrays (it would spoil its neighbours).
    """

    topic: str
    text: str
    role: Role
    completes: Reading | None = None
    reason: str | None = None
    alone: bool = False


class Message(NamedTuple):
    """One MQTT message and the units in it."""

    topic: str
    payload: bytes
    units: tuple[Unit, ...]


def rfc3339(instant: float | datetime) -> str:
    """An instant (aware, or seconds since the epoch) as RFC 3339 in UTC, with a fraction where it has one."""
    at = instant if isinstance(instant, datetime) else datetime.fromtimestamp(instant, UTC)
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def encode(ts: str, seq: int | None, values: Mapping[str, Value | str | None]) -> str:
    """The JSON object of one reading; `ts` as `rfc3339` gives it."""
    head: dict[str, Value | str | int | None] = {"ts": ts}
    if seq is not None:
        head["seq"] = seq
    return _TO_JSON.encode({**head, **values})


def whole(reading: Reading) -> Unit:
    """The unit of a reading as it should be."""
    text = encode(rfc3339(reading.ts), reading.seq, reading.values)
    return Unit(reading.device.topic, text, Role.READING, completes=reading)


def pack(units: Iterable[Unit]) -> Iterator[Message]:
    """Messages of these units, in order. A few units go one by one; a backlog goes in arrays of uneven size
    and some single messages, as devices with a store do."""
    queue = list(units)
    waiting: list[Unit] = []
    size = 1 if len(queue) <= _FEW else _array_size(len(queue))
    for left, unit in zip(range(len(queue), 0, -1), queue, strict=True):
        if waiting and (unit.alone or unit.topic != waiting[0].topic or len(waiting) >= size):
            yield _message(waiting)
            waiting, size = [], _array_size(left) if len(queue) > _FEW else 1
        if unit.alone:
            yield _message([unit])
        else:
            waiting.append(unit)
    if waiting:
        yield _message(waiting)


def _array_size(left: int) -> int:
    """How many units the next message takes of those left; one in six is a single message."""
    draw = uniform_at(_SIZES, left)
    return 1 if draw < 1 / 6 else max(2, int(draw * ARRAY_MAX) + 1)


def _message(units: list[Unit]) -> Message:
    texts = ",".join(unit.text for unit in units)
    text = texts if len(units) == 1 else f"[{texts}]"
    return Message(units[0].topic, text.encode(), tuple(units))
