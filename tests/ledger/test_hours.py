"""Hours of a site's local clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.ledger.hours import HOUR_US, HourGrid, from_us, to_us


def starts(zone: str, begin: datetime, end: datetime) -> list[datetime]:
    return [from_us(each) for each in HourGrid(ZoneInfo(zone)).starts(to_us(begin), to_us(end)).tolist()]


def local_day(zone: str, year: int, month: int, day: int) -> list[datetime]:
    here = ZoneInfo(zone)
    begin = datetime(year, month, day, tzinfo=here)
    after = begin.date() + timedelta(days=1)
    return starts(zone, begin.astimezone(UTC), datetime(after.year, after.month, after.day, tzinfo=here))


def test_an_hour_of_india_begins_at_half_past() -> None:
    day = local_day("Asia/Kolkata", 2026, 5, 1)
    assert day[0] == datetime(2026, 4, 30, 18, 30, tzinfo=UTC)
    assert len(day) == 24
    assert {each.minute for each in day} == {30}


@pytest.mark.parametrize(
    ("zone", "date", "count"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Europe/Berlin", (2026, 6, 1), 24),
        ("Asia/Shanghai", (2026, 3, 29), 24),
        ("Asia/Kathmandu", (2026, 3, 29), 24),  # +05:45
        # Summer time of half an hour: one hour of the day is half an hour long.
        ("Australia/Lord_Howe", (2026, 10, 4), 24),
        ("Australia/Lord_Howe", (2026, 4, 5), 25),
    ],
)
def test_hours_of_a_local_day(zone: str, date: tuple[int, int, int], count: int) -> None:
    day = local_day(zone, *date)
    assert len(day) == count
    assert len(set(day)) == count


@given(
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    time=st.integers(1_577_836_800_000_000, 1_893_456_000_000_000),  # 2020 to 2030
)
@settings(max_examples=150)
def test_every_instant_is_in_one_hour(zone: str, time: int) -> None:
    grid = HourGrid(ZoneInfo(zone))
    begin, end = grid.floor(time), grid.ceil(time + 1)
    assert begin <= time < end
    assert end - begin <= HOUR_US
    assert grid.starts(begin, end).tolist() == [begin]
    assert grid.ceil(begin) == begin


def test_instants_are_kept_to_the_microsecond() -> None:
    instant = datetime(2026, 3, 1, 12, 34, 56, 789_123, tzinfo=UTC)
    assert from_us(to_us(instant)) == instant
