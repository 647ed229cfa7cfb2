"""What the wire model's errors mean in the contract's words: a reason, and a sentence for whoever sent it."""

from __future__ import annotations

from typing import Final

from pydantic_core import ErrorDetails

from services.domain.outcome import Reason
from services.domain.quantities import Kind, Quantity, quantity
from services.ingest.json_text import MAX_LEVELS, nests_too_deep
from services.ingest.message import MAX_PAYLOAD_BYTES, Rejection
from services.ingest.topics import shown

# Where a reading is wrong in several ways, the reason is the first of these.
_PRECEDENCE: Final = (Reason.NOT_JSON, Reason.BAD_FIELD, Reason.BAD_TIMESTAMP, Reason.OUT_OF_RANGE)
_TS_FORM: Final = 'send RFC 3339 with zone, such as "2026-03-01T08:00:00Z"'
_RANGE_ERRORS: Final = frozenset({"greater_than_equal", "less_than_equal"})
_NAMES: Final = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def too_large(length: int) -> Rejection:
    """The payload of that many bytes is not read."""
    return Rejection(
        Reason.TOO_LARGE,
        f"The payload has {length} bytes, more than {MAX_PAYLOAD_BYTES}: send less at once.",
    )


def not_json(error: ErrorDetails, payload: bytes) -> Rejection:
    """The payload is no JSON, and the error says where; or it nests too deep to be read."""
    if nests_too_deep(payload):
        return Rejection(
            Reason.NOT_JSON, f"It nests deeper than {MAX_LEVELS} levels and cannot be read: send flat fields."
        )
    where = str(error.get("ctx", {}).get("error", "it cannot be parsed"))
    return Rejection(
        Reason.NOT_JSON, f"The payload is not UTF-8 JSON ({where}): send one reading or an array."
    )


def refusal(kind: Kind, errors: list[ErrorDetails], payload: bytes) -> Rejection:
    """The rejection of a reading with these errors. `payload` tells a written infinity from a number that is
    too large for one.
    """
    if len(errors) == 1:
        return _refusal(kind, errors[0], payload)
    deepest_first = sorted(errors, key=lambda error: -len(error["loc"]))
    found = [_refusal(kind, error, payload) for error in deepest_first]
    return min(found, key=lambda rejection: _PRECEDENCE.index(rejection.reason))


def _refusal(kind: Kind, error: ErrorDetails, payload: bytes) -> Rejection:
    if error["type"] == "json_invalid":
        return not_json(error, payload)
    if not error["loc"]:
        what = _what(error["input"])
        return Rejection(Reason.BAD_FIELD, f"A reading is an object, this is {what}: send {{...}}.")
    match error["loc"][0]:
        case "ts":
            return bad_timestamp(None if error["type"] == "missing" else error["input"])
        case "seq":
            return _seq(error["input"])
        case "status":
            return _status(error["loc"], error["input"])
        case name:
            return _quantity(quantity(kind, str(name)), error, payload)


def bad_timestamp(value: object) -> Rejection:
    """`ts` is missing, or is not an instant."""
    what = "is missing" if value is None else f"is {_what(value)}, not an instant with a zone"
    return Rejection(Reason.BAD_TIMESTAMP, f"ts {what}: {_TS_FORM}.")


def _seq(value: object) -> Rejection:
    return Rejection(
        Reason.BAD_FIELD, f"seq is {_what(value)}: send an integer of at most 64 bits, or leave it out."
    )


def _status(location: tuple[int | str, ...], value: object) -> Rejection:
    where = f"status of {location[2]}" if len(location) > 2 else "status"
    return Rejection(
        Reason.BAD_FIELD,
        f"{where} is {_what(value)}: send one of the contract's words, or an object of them by quantity.",
    )


def _quantity(wanted: Quantity, error: ErrorDetails, payload: bytes) -> Rejection:
    what = f"{wanted.name} is {_what(error['input'])}"
    if error["type"] in _RANGE_ERRORS:
        return Rejection(
            Reason.OUT_OF_RANGE,
            f"{what}, outside {wanted.minimum:g} to {wanted.maximum:g}{_unit(wanted)}: "
            "check the device, its scaling and its unit.",
        )
    if error["type"] == "finite_number" and b"Infinity" not in payload and b"NaN" not in payload:
        return Rejection(Reason.OUT_OF_RANGE, f"{wanted.name} is too large a number: check the device.")
    form = "true or false" if wanted.boolean else "a finite number without quotes"
    return Rejection(Reason.BAD_FIELD, f"{what}: send {form}, or null where it was not measured.")


def _unit(of: Quantity) -> str:
    """The unit as it follows a number: nothing where there is none."""
    return "" if of.unit == "1" else f" {of.unit}"


def _what(value: object) -> str:
    """A foreign value in words, short and safe to store."""
    if isinstance(value, str):
        return f"the string {shown(value)}"
    if value is None or isinstance(value, dict | list):
        return _NAMES[type(value)]
    return shown(str(value).lower() if isinstance(value, bool) else repr(value))[1:-1]
