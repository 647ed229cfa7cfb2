"""Arrays of plain readings, as devices send them that store and forward: judged by column, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

from msgspec.structs import astuple

from services.domain.reading import DeviceKey
from services.ingest.message import Message, Received
from services.ingest.wire import FIXED_FIELDS

_FIXED = len(FIXED_FIELDS)


def plain_units(
    device: DeviceKey, found: Sequence[Any], message: Message, earliest: datetime, latest: datetime
) -> list[Received] | None:
    """The units of an array of the narrow model (`narrow.MANY`), which is not empty; None where one of them
    may be no plain reading: in UTC, within the times given, with a value, and without a status."""
    times, _, words, *_ = columns = list(zip(*map(astuple, found), strict=True))
    number = len(found)
    is_plain = (
        words.count(None) == number
        and [time.tzinfo for time in times].count(UTC) == number
        and min(times) >= earliest
        and max(times) <= latest
        and any(None not in column for column in columns[_FIXED:])
    )
    if not is_plain:
        return None
    values = zip(*columns[_FIXED:], strict=True)
    nothing = repeat(None)
    # Arguments by position: as keywords they take longer.
    rest = values, repeat(0), nothing, nothing, repeat(message), range(number)
    return list(map(Received, repeat(device), columns[0], columns[1], *rest))
