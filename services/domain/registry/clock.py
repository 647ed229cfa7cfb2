"""Times as a registry has them: a date, a clock reading of the site, or an instant with its offset."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")


def zone(name: str) -> ZoneInfo:
    """The IANA time zone of this name. Raises ValueError where there is none."""
    if not _ZONE.fullmatch(name):
        raise ValueError(f"is {name!r}, which is no time zone: write a name such as Asia/Shanghai")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        # A folder's name, such as Asia, is found but cannot be read.
        raise ValueError(f"is {name!r}, which is no time zone: write a name such as Asia/Shanghai") from error


def instant(text: str, local: tzinfo) -> datetime:
    """The instant, in UTC. A date is the beginning of the day there. Raises ValueError."""
    try:
        if _DATE.fullmatch(text):
            # Where the hour after midnight comes twice, the day begins with the first.
            return datetime.combine(date.fromisoformat(text), time(), local).astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"is {text!r}, which is no time: write 2026-01-31, 2026-01-31T13:30 (the site's clock) or "
            "2026-01-31T05:30Z"
        ) from None
    try:
        if moment.tzinfo is None:
            moment = _of_clock(moment, local)
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"is {text!r}, which is beyond the calendar") from None


def _of_clock(moment: datetime, local: tzinfo) -> datetime:
    earlier, later = moment.replace(tzinfo=local, fold=0), moment.replace(tzinfo=local, fold=1)
    gap: timedelta | None = (earlier.utcoffset() or timedelta()) - (later.utcoffset() or timedelta())
    if gap:
        what = "comes twice" if gap > timedelta() else "is skipped"
        raise ValueError(
            f"is {moment.isoformat()}, which {what} on the site's clock: add its offset from UTC"
        )
    return earlier


def local_text(moment: datetime, local: tzinfo) -> str:
    """The instant as one reads it at the site: the date where it is the beginning of a day."""
    there = moment.astimezone(local)
    if there.time() == time() and not there.fold:
        return there.date().isoformat()
    return there.isoformat(timespec="minutes" if not (there.second or there.microsecond) else "auto")
