"""Hours and days of a site's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

HOUR = timedelta(hours=1)


def local_hour(instant: datetime, zone: tzinfo) -> datetime:
    """The instant (UTC) at which the running hour of the clock in `zone` began."""
    return instant.astimezone(zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)


def local_day(instant: datetime, zone: tzinfo) -> datetime:
    """The instant (UTC) at which the running day of the calendar in `zone` began."""
    return instant.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def last_hours(instant: datetime, zone: tzinfo, count: int) -> tuple[datetime, ...]:
    """The beginnings (UTC) of the last `count` hours of the clock in `zone`, the running one last."""
    return tuple(local_hour(instant - back * HOUR, zone) for back in reversed(range(count)))
