"""Hours and days of a site's clock. What an hour is the ledger says (services.domain.ledger.hours)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from services.domain.ledger.hours import HOUR_US, HourGrid, from_us, to_us

HOUR = timedelta(hours=1)


def local_day(instant: datetime, zone: tzinfo) -> datetime:
    """The instant (UTC) at which the running day of the calendar in `zone` began."""
    return instant.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def last_hours(instant: datetime, zone: tzinfo, count: int) -> tuple[datetime, ...]:
    """The beginnings (UTC) of the last `count` hours of the clock in `zone`, the running one last."""
    now_us = to_us(instant)
    starts = HourGrid(zone).starts(now_us - count * HOUR_US, now_us + 1)
    return tuple(from_us(int(start)) for start in starts[-count:])
