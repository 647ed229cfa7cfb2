"""What becomes of what was received: each reading ends in exactly one outcome."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a reading, or a whole message that cannot be split, ended."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why something was rejected."""

    BAD_TOPIC = "bad_topic"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    BAD_FIELD = "bad_field"
    BAD_TIMESTAMP = "bad_timestamp"
    NO_QUANTITY = "no_quantity"
    OUT_OF_RANGE = "out_of_range"
    FUTURE = "future"
    TOO_OLD = "too_old"
    CONFLICT = "conflict"
    QUOTA = "quota"
