"""From a message to its units of account: readings and rejections. Pure, and never raises for any bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec.structs import astuple
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.domain.outcome import Reason
from services.domain.quantities import NAMES, Kind
from services.domain.reading import DeviceKey, Reading, Values
from services.ingest import narrow, status
from services.ingest.beside import with_more
from services.ingest.device_state import state_of
from services.ingest.json_text import BLANKS, elements, repaired, whole_elements
from services.ingest.message import (
    MAX_PAYLOAD_BYTES,
    Decoded,
    Limits,
    Message,
    Received,
    Rejected,
    Rejection,
    Unit,
)
from services.ingest.plain_array import plain_units
from services.ingest.refusal import bad_timestamp, not_json, refusal, too_large
from services.ingest.timeliness import Timeliness
from services.ingest.timestamps import all_zoned, instant
from services.ingest.topics import STATE, Channel, parse_topic
from services.ingest.wire import FIXED_FIELDS, MANY, MAX_ELEMENTS, ONE, Fields

_MAX_ROUTES: Final = 500_000
_FIXED: Final = len(FIXED_FIELDS)


class Untimely(NamedTuple):
    """A reading that the clock alone speaks against, now."""

    rejection: Rejection
    reading: Reading


Content: TypeAlias = Reading | Untimely | Rejection


class _Model(NamedTuple):
    """How the readings of a kind are decoded."""

    one: Callable[[bytes], Any]
    many: Callable[[bytes], list[Any]]
    all_of_one: Callable[[bytes], Fields]
    all_of_many: Callable[[bytes], list[Fields]]
    """As `one` and `many`, but of the whole wire model, not of the narrow one."""
    known: int
    """How many fields the wire model has: what comes after them is not known."""
    nothing: tuple[None, ...]
    """The values of a reading that measured nothing."""


_MODELS: Final = MappingProxyType(
    {
        kind: _Model(
            one=narrow.ONE[kind].decode,
            many=narrow.MANY[kind].decode,
            all_of_one=ONE[kind].validator.validate_json,
            all_of_many=MANY[kind].validator.validate_json,
            known=_FIXED + len(NAMES[kind]),
            nothing=(None,) * len(NAMES[kind]),
        )
        for kind in Kind
    }
)


@dataclass(frozen=True, slots=True)
class _Wire:
    """How the readings of one device are decoded: those of its kind, and where they go."""

    device: DeviceKey
    lane: int
    one: Callable[[bytes], Any]
    many: Callable[[bytes], list[Any]]
    all_of_one: Callable[[bytes], Fields]
    all_of_many: Callable[[bytes], list[Fields]]
    known: int
    nothing: tuple[None, ...]


class Decoder:
    """Decodes messages. It remembers the routes of topics; all else is in the message and the limits."""

    def __init__(self, limits: Limits, lanes: int = 1) -> None:
        self.lanes = lanes
        """Into how many the devices are dealt."""
        self._times = Timeliness(limits, datetime.now(UTC))
        self._wires: dict[str, _Wire] = {}

    def deal(self, message: Message, lanes: Sequence[list[Decoded]]) -> int:
        """Decode a message into the lane of its device; returns how many units it has."""
        wire = self._wires.get(message.topic)
        if wire is None:
            units = self._first(message)
            lanes[lane_of(message.topic, self.lanes)] += units
        else:
            units = self._units(wire, message)
            lanes[wire.lane] += units
        return len(units)

    def decode(self, message: Message) -> Sequence[Decoded]:
        """The units of a message; none where it carries nothing to keep (a result, or a cleared state)."""
        wire = self._wires.get(message.topic)
        return self._first(message) if wire is None else self._units(wire, message)

    def _units(self, wire: _Wire, message: Message) -> Sequence[Decoded]:
        payload = message.payload
        if message.cut is not None or len(payload) > MAX_PAYLOAD_BYTES:
            return (Rejected(too_large(message.length), message, None),)
        if payload[:1] != b"{" and payload.lstrip(BLANKS)[:1] == b"[":
            return self._array(wire, message)
        return (self._one(wire, payload, message, None),)

    def _one(self, wire: _Wire, text: bytes, message: Message, position: int | None) -> Unit:
        """The unit of a reading's text."""
        try:
            items = astuple(wire.one(text))
        except ValueError:
            items = None
        if items is not None and all_zoned(text, 1):
            return self._narrow(wire, items, message, position)
        return _unit(self._single(wire, text, message.received_at), message, position)

    def _first(self, message: Message) -> Sequence[Decoded]:
        """A message of a topic that is not remembered: a new one, or none of readings."""
        route = parse_topic(message.topic)
        if isinstance(route, Rejection):
            return (Rejected(route, message, None),)
        if route.channel is not Channel.READINGS:
            return state_of(route, message)
        if len(self._wires) >= _MAX_ROUTES:
            self._wires.clear()
        lane = lane_of(message.topic, self.lanes)
        self._wires[message.topic] = _Wire(route.device, lane, *_MODELS[route.device.kind])
        return self.decode(message)

    def _array(self, wire: _Wire, message: Message) -> Sequence[Unit]:
        try:
            found = wire.many(message.payload)
        except ValueError:
            return self._odd_array(wire, message)
        if not all_zoned(message.payload, len(found)):
            return self._odd_array(wire, message)
        times = self._times.of(message.received_at)
        units = plain_units(wire.device, found, message, times.earliest, times.latest)
        if units is not None:
            return units
        return [self._narrow(wire, astuple(each), message, position) for position, each in enumerate(found)]

    def _narrow(self, wire: _Wire, items: tuple[Any, ...], message: Message, position: int | None) -> Unit:
        """The unit of fields that the narrow model took: nearly always a reading."""
        time, seq, word = items[:_FIXED]
        values = items[_FIXED:]
        times = self._times
        if message.received_at is not times.at:  # inlined, as nearly all readings come this way
            times.set(message.received_at)
        if values == wire.nothing or not times.earliest <= time <= times.latest:
            return _unit(self._judged(wire, time, seq, values, message.received_at), message, position)
        if time.tzinfo is not UTC:
            time = time.astimezone(UTC)
        code = 0 if word is None else status.code(word)
        return Received(wire.device, time, seq, values, code, None, None, message, position)

    def _odd_array(self, wire: _Wire, message: Message) -> Sequence[Unit]:
        """An array in which the narrow model does not take something."""
        try:
            found = wire.all_of_many(message.payload)
        except ValidationError as error:
            return self._one_by_one(wire, message, error.errors(include_url=False)[0])
        if not found:
            return (Rejected(_wrong_length(0), message, None),)
        return [
            _unit(self._reading_of(wire, fields, message.received_at), message, position)
            for position, fields in enumerate(found)
        ]

    def _one_by_one(self, wire: _Wire, message: Message, first: ErrorDetails) -> Sequence[Unit]:
        """Something in the array is wrong: each element on its own, as if it had come alone."""
        if first["type"] == "json_invalid" and repaired(message.payload) is None:
            texts = whole_elements(message.payload)
            if texts is None:
                return (Rejected(not_json(first, message.payload), message, None),)
        else:
            texts = elements(message.payload)
        if len(texts) > MAX_ELEMENTS:
            return (Rejected(_wrong_length(len(texts)), message, None),)
        return [self._one(wire, text, message, position) for position, text in enumerate(texts)]

    def _single(self, wire: _Wire, payload: bytes, received_at: datetime) -> Content:
        try:
            fields = wire.all_of_one(payload)
        except ValidationError as error:
            return self._second_look(wire, payload, received_at, error.errors(include_url=False))
        return self._reading_of(wire, fields, received_at)

    def _second_look(
        self, wire: _Wire, payload: bytes, received_at: datetime, errors: list[ErrorDetails]
    ) -> Content:
        """Some well-formed JSON is refused by the fast parser; an unknown field must not sink a reading."""
        kind = wire.device.kind
        if errors[0]["type"] != "json_invalid":
            return refusal(kind, errors, payload)
        text = repaired(payload)
        if text is None:
            return not_json(errors[0], payload)
        try:
            fields = wire.all_of_one(text)
        except ValidationError as again:
            return refusal(kind, again.errors(include_url=False), payload)
        return self._reading_of(wire, fields, received_at)

    def _reading_of(self, wire: _Wire, fields: Fields, received_at: datetime) -> Content:
        """The reading of the whole wire model's fields: those it knows come first, in its order."""
        text, seq, word, *values = tuple(fields.values())[: wire.known]
        time = instant(text)
        if time is None:
            return bad_timestamp(text)
        content = self._judged(wire, time, seq, tuple(values), received_at)
        if isinstance(content, Rejection):
            return content
        unknown = list(fields.items())[wire.known :]
        if isinstance(content, Untimely):
            return content._replace(reading=with_more(content.reading, word, unknown))
        return with_more(content, word, unknown)

    def _judged(
        self, wire: _Wire, time: datetime, seq: int | None, values: Values, received_at: datetime
    ) -> Content:
        """The reading, where it measured something at a time that is plausible."""
        if values == wire.nothing:
            return _nothing_measured(NAMES[wire.device.kind])
        times = self._times.of(received_at)
        if times.earliest <= time <= times.latest:
            return Reading(wire.device, time.astimezone(UTC), seq, values)
        rejection = times.rejection(time)
        try:
            return Untimely(rejection, Reading(wire.device, time.astimezone(UTC), seq, values))
        except OverflowError:
            return rejection  # its offset leads out of the calendar


def lane_of(topic: str, lanes: int) -> int:
    """The lane of a topic: the same for all that a device says, its state too."""
    return hash(topic.removesuffix(STATE)) % lanes


def _unit(content: Content, message: Message, position: int | None) -> Unit:
    match content:
        case Reading():
            return Received(*content, message, position)
        case Untimely(rejection, reading):
            return Rejected(rejection.of_element(position), message, position, reading)
        case _:
            return Rejected(content.of_element(position), message, position)


def _wrong_length(length: int) -> Rejection:
    return Rejection(Reason.BAD_FIELD, f"The array holds {length} readings: send 1 to {MAX_ELEMENTS}.")


def _nothing_measured(names: tuple[str, ...]) -> Rejection:
    return Rejection(
        Reason.NO_QUANTITY, f"Nothing was measured: send at least one of {', '.join(names)} that is not null."
    )
