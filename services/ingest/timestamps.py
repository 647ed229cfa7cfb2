"""RFC 3339 to instants."""

from __future__ import annotations

from datetime import datetime


def instant(text: str) -> datetime | None:
    """The instant of an RFC 3339 date-time (section 5.6), to the microsecond; None where it is none.

    A leap second is none. What Python takes for ISO 8601 and RFC 3339 does not know is sorted out first: week
    dates, times without seconds or with a comma, fractions that hold no digit or more than digits, offsets
    without a colon or with seconds.
    """
    try:
        if text[-1] != "Z" and (text[-3] != ":" or text[-6] not in "+-" or text[-2] > "5"):
            return instant(text[:-1] + "Z") if text[-1] == "z" else None
        if text[7] != "-" or text[10] not in "Tt " or text[16] != ":" or text[19] not in ".Z+-":
            return None
        if text[19] == "." and (text[20] in "Z+-" or len(text) > (27 if text[-1] == "Z" else 32)):
            # Python takes a point alone, and beyond six digits whatever comes.
            fraction = text[20:-1] if text[-1] == "Z" else text[20:-6]
            if not (fraction.isdigit() and fraction.isascii()):
                return None
        return datetime.fromisoformat(text)
    except (ValueError, IndexError):
        return None
