"""RFC 3339 to instants."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

RFC3339: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""RFC 3339, section 5.6: date-time, where `T` and `Z` may be small and a blank may stand for `T`."""

_DATE_TIME: Final = re.compile(RFC3339)
_OFFSET: Final = re.compile(rb'[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"')


def instant(text: str) -> datetime | None:
    """The instant of an RFC 3339 date-time, rounded to the microsecond; None where it is none.

    A leap second is none.
    """
    if _DATE_TIME.fullmatch(text) is None:
        return None
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None  # no such day or time of day


def all_zoned(payload: bytes, count: int) -> bool:
    """Whether `count` readings of the narrow wire model end their `ts` in a zone as RFC 3339 writes it.

    msgspec takes no zone, and a zone without a colon, too. No other text of that model can look like one.
    """
    zulu = payload.count(b'Z"')
    return zulu == count or zulu + len(_OFFSET.findall(payload)) == count
