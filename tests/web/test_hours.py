"""Hours and days of a site's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analytics.web.hours import HOUR, last_hours, local_day

ZONES = (
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "hour", "day"),
    [
        ("Asia/Shanghai", "2026-11-22T11:20:00", "2026-11-22T11:00:00", "2026-11-21T16:00:00"),
        ("Asia/Kolkata", "2026-11-22T11:20:00", "2026-11-22T10:30:00", "2026-11-21T18:30:00"),
        # The night the clocks go back: 02:30 comes twice, and the day has 25 hours.
        ("Europe/Berlin", "2026-10-25T00:30:00", "2026-10-25T00:00:00", "2026-10-24T22:00:00"),
        ("Europe/Berlin", "2026-10-25T01:30:00", "2026-10-25T01:00:00", "2026-10-24T22:00:00"),
        ("Europe/Berlin", "2026-10-25T22:59:00", "2026-10-25T22:00:00", "2026-10-24T22:00:00"),
        # The night they go forward: 02:00 to 03:00 does not exist.
        ("Europe/Berlin", "2026-03-29T01:05:00", "2026-03-29T01:00:00", "2026-03-28T23:00:00"),
    ],
)
def test_hour_and_day_of_the_clock(zone: str, instant: str, hour: str, day: str) -> None:
    assert last_hours(utc(instant), ZoneInfo(zone), 1) == (utc(hour),)
    assert local_day(utc(instant), ZoneInfo(zone)) == utc(day)


@settings(max_examples=60)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_last_hours_are_in_order_and_end_with_the_running_one(naive: datetime, zone: str) -> None:
    instant = naive.replace(tzinfo=UTC)
    hours = last_hours(instant, ZoneInfo(zone), 24)
    assert list(hours) == sorted(set(hours))
    assert timedelta(0) <= instant - hours[-1] < HOUR
    assert instant - hours[0] <= 24 * HOUR + timedelta(minutes=30)
