"""From a message to its units of account: readings and rejections. Pure, and never raises for any bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from services.domain.outcome import Reason
from services.domain.quantities import NAMES
from services.domain.reading import DeviceKey, Reading
from services.ingest import status
from services.ingest.json_text import elements, repaired
from services.ingest.message import (
    MAX_PAYLOAD_BYTES,
    Decoded,
    Limits,
    Message,
    Received,
    Rejected,
    Rejection,
    StateChange,
    StateUnit,
    Unit,
)
from services.ingest.refusal import bad_timestamp, not_json, refusal
from services.ingest.topics import Channel, Parsed, Route, parse_topic
from services.ingest.wire import FIXED_FIELDS, MANY, MAX_ELEMENTS, ONE, Fields

MAX_EXTRA_BYTES: Final = 4096
"""How much of the fields that the contract does not know is kept beside a reading."""
DROPPED_EXTRA: Final = '{"carbonflow_dropped_bytes":'
"""How `extra` begins where there was more."""

_STATES: Final = {b"online": "online", b"offline": "offline"}
_BLANKS: Final = b" \t\n\r"
_MAX_ROUTES: Final = 500_000
_FIXED: Final = len(FIXED_FIELDS)
_ONE: Final = {kind: adapter.validator for kind, adapter in ONE.items()}
_MANY: Final = {kind: adapter.validator for kind, adapter in MANY.items()}


class Decoder:
    """Decodes messages. It remembers the routes of topics; all else is in the message and the limits."""

    def __init__(self, limits: Limits) -> None:
        self._future = timedelta(seconds=limits.future_s)
        self._too_old = timedelta(seconds=limits.too_old_s)
        self._routes: dict[str, Route] = {}

    def decode(self, message: Message) -> Sequence[Decoded]:
        """The units of a message; none where it carries nothing to keep (a result, or a cleared state)."""
        route = self._routes.get(message.topic) or self._route(message.topic)
        if isinstance(route, Rejection):
            return (Rejected(route, message, None),)
        if route.channel is not Channel.READINGS:
            return _state(route, message)
        if message.cut is not None or len(message.payload) > MAX_PAYLOAD_BYTES:
            return (Rejected(_too_large(message), message, None),)
        if message.payload[:1] == b"[" or message.payload.lstrip(_BLANKS)[:1] == b"[":
            return self._array(route.device, message)
        content = self._single(route.device, message.payload, message.received_at)
        return (_unit(content, message, None),)

    def _route(self, topic: str) -> Parsed:
        route = parse_topic(topic)
        if isinstance(route, Route):
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            self._routes[topic] = route
        return route

    def _array(self, device: DeviceKey, message: Message) -> Sequence[Unit]:
        try:
            found = _MANY[device.kind].validate_json(message.payload)
        except ValidationError as error:
            return self._one_by_one(device, message, error.errors(include_url=False)[0])
        if not found:
            return (Rejected(_wrong_length(0), message, None),)
        received_at = message.received_at
        return [
            _unit(self._reading(device, fields, received_at), message, position)
            for position, fields in enumerate(found)
        ]

    def _one_by_one(self, device: DeviceKey, message: Message, first: ErrorDetails) -> Sequence[Unit]:
        """Something in the array is wrong: each element on its own, as if it had come alone."""
        if first["type"] == "json_invalid" and repaired(message.payload) is None:
            return (Rejected(not_json(first), message, None),)
        texts = elements(message.payload)
        if len(texts) > MAX_ELEMENTS:
            return (Rejected(_wrong_length(len(texts)), message, None),)
        return [
            _unit(_of_element(position, self._single(device, text, message.received_at)), message, position)
            for position, text in enumerate(texts)
        ]

    def _single(self, device: DeviceKey, payload: bytes, received_at: datetime) -> Reading | Rejection:
        try:
            fields = _ONE[device.kind].validate_json(payload)
        except ValidationError as error:
            return self._second_look(device, payload, received_at, error)
        return self._reading(device, fields, received_at)

    def _second_look(
        self, device: DeviceKey, payload: bytes, received_at: datetime, error: ValidationError
    ) -> Reading | Rejection:
        """Some well-formed JSON is refused by the fast parser; an unknown field must not sink a reading."""
        errors = error.errors(include_url=False)
        if errors[0]["type"] != "json_invalid":
            return refusal(device.kind, errors, payload)
        text = repaired(payload)
        if text is None:
            return not_json(errors[0])
        try:
            fields = _ONE[device.kind].validate_json(text)
        except ValidationError as again:
            return refusal(device.kind, again.errors(include_url=False), payload)
        return self._reading(device, fields, received_at)

    def _reading(self, device: DeviceKey, fields: Fields, received_at: datetime) -> Reading | Rejection:
        """The reading of validated fields, which are in the order of the wire model."""
        names = NAMES[device.kind]
        known = _FIXED + len(names)
        items = tuple(fields.values())
        text, seq, word = items[:_FIXED]
        values = items[_FIXED:known]
        try:
            time = datetime.fromisoformat(text.upper() if text[-1] == "z" else text)
        except ValueError:
            return bad_timestamp(text)
        if values.count(None) == len(names):
            return _nothing_measured(names)
        age = received_at - time
        if age < -self._future or age > self._too_old:
            return self._implausible(time, received_at)
        if time.tzinfo is not UTC:
            time = time.astimezone(UTC)
        if word is None and len(items) == known:
            return Reading(device, time, seq, values)
        return _with_more(Reading(device, time, seq, values), word, list(fields.items())[known:])

    def _implausible(self, time: datetime, received_at: datetime) -> Rejection:
        """The device's clock is wrong, or the reading is older than what is still taken."""
        if time > received_at:
            return Rejection(
                Reason.FUTURE,
                f"ts {time.isoformat()} is more than {self._future.total_seconds():g} s ahead of our clock: "
                "set the device's clock.",
            )
        return Rejection(
            Reason.TOO_OLD,
            f"ts {time.isoformat()} is older than {self._too_old.total_seconds() / 86_400:g} days: correct "
            "the device's clock, or raise CARBONFLOW_TOO_OLD_DAYS and replay.",
        )


def _unit(content: Reading | Rejection, message: Message, position: int | None) -> Unit:
    if isinstance(content, Reading):
        return Received(content, message, position)
    return Rejected(content, message, position)


def _state(route: Route, message: Message) -> Sequence[Decoded]:
    state = _STATES.get(message.payload) if route.channel is Channel.STATE else None
    return () if state is None else (StateUnit(StateChange(route.device, state), message),)


def _with_more(reading: Reading, word: object, unknown: list[tuple[str, object]]) -> Reading:
    """The reading with its status and the fields that the contract does not know."""
    names = NAMES[reading.device.kind]
    extra = dict(unknown)
    code, quantity_status = 0, None
    if isinstance(word, str):
        code = status.code(word)
    elif isinstance(word, dict):
        code, quantity_status = status.canonical(names, reading.values, word)
        strange = {name: other for name, other in word.items() if name not in names}
        if strange:
            extra["status"] = strange
    return reading._replace(status=code, quantity_status=quantity_status, extra=_extra(extra))


def _extra(fields: dict[str, object]) -> str | None:
    if not fields:
        return None
    text = to_json(fields, inf_nan_mode="strings")
    return text.decode() if len(text) <= MAX_EXTRA_BYTES else f"{DROPPED_EXTRA}{len(text)}}}"


def _of_element(position: int, content: Reading | Rejection) -> Reading | Rejection:
    if isinstance(content, Reading):
        return content
    return Rejection(content.reason, f"Element {position}: {content.detail}")


def _too_large(message: Message) -> Rejection:
    length = message.cut.length if message.cut else len(message.payload)
    return Rejection(
        Reason.TOO_LARGE,
        f"The payload has {length} bytes, more than {MAX_PAYLOAD_BYTES}: send fewer readings in one array.",
    )


def _wrong_length(length: int) -> Rejection:
    return Rejection(Reason.BAD_FIELD, f"The array holds {length} readings: send 1 to {MAX_ELEMENTS}.")


def _nothing_measured(names: tuple[str, ...]) -> Rejection:
    return Rejection(
        Reason.NO_QUANTITY, f"Nothing was measured: send at least one of {', '.join(names)} that is not null."
    )
