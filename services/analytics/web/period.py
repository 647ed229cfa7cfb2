"""The `from` and `to` of a request: instants for hours, dates for days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.analytics.web.errors import BadRequestError

LONGEST_HOURS: Final = timedelta(days=92)
LONGEST_DAYS: Final = timedelta(days=3660)
_DEFAULT_HOURS: Final = timedelta(hours=24)
_DEFAULT_DAYS: Final = timedelta(days=7)

# In a URL a bare + stands for a blank, so an offset written without care arrives as one.
_LOST_PLUS: Final = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")


def hours(
    begin: str | None, end: str | None, now: datetime, zone: ZoneInfo | None
) -> tuple[datetime, datetime]:
    """The instants [begin, end); by default the last 24 hours.

    A date alone is midnight on the clock of `zone`, the asked site's. Raises BadRequestError.
    """
    last = now if end is None else _instant("to", end, zone)
    first = last - _DEFAULT_HOURS if begin is None else _instant("from", begin, zone)
    _check_order(first, last)
    if last - first > LONGEST_HOURS:
        raise BadRequestError(
            f"hours are given for {LONGEST_HOURS.days} days at most: ask for less, or for grain=day"
        )
    return first, last


def days(begin: str | None, end: str | None, now: datetime, zone: ZoneInfo | None) -> tuple[date, date]:
    """The dates [begin, end); by default the last 7 days with the running one. Raises BadRequestError."""
    today = now.astimezone(zone or UTC).date()
    last = today + timedelta(days=1) if end is None else _date("to", end)
    first = last - _DEFAULT_DAYS if begin is None else _date("from", begin)
    _check_order(first, last)
    if last - first > LONGEST_DAYS:
        raise BadRequestError(f"days are given for {LONGEST_DAYS.days} days at most: ask for less")
    return first, last


def _check_order(first: date, last: date) -> None:
    if last <= first:
        raise BadRequestError(f"from must be before to (from {first.isoformat()}, to {last.isoformat()})")


def instant(name: str, text: str) -> datetime:
    """An instant, or without a zone a time on some site's clock. Raises BadRequestError."""
    try:
        return datetime.fromisoformat(_LOST_PLUS.sub("+", text))
    except ValueError:
        raise BadRequestError(
            f"{name} is no time: write it as 2026-01-31T00:00:00Z or 2026-01-31T08:00:00%2B08:00"
        ) from None


def _instant(name: str, text: str, zone: ZoneInfo | None) -> datetime:
    found = instant(name, text)
    if found.tzinfo is not None:
        return _utc(name, found)
    if zone is None:
        raise BadRequestError(f"{name} has no time zone: write it as 2026-01-31T00:00:00Z, or name a site")
    if found.time() != time(0):
        raise BadRequestError(
            f"{name} has no time zone: write it as 2026-01-31T00:00:00Z, or give a date alone"
        )
    return _utc(name, found.replace(tzinfo=zone))


def _utc(name: str, instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise BadRequestError(f"{name} is out of the calendar's range") from None


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"{name} is no date: write it as 2026-01-31 (with grain=day)") from None
