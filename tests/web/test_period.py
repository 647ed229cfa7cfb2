"""`from` and `to` of a request."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.analytics.web import period
from services.analytics.web.errors import BadRequestError

NOW = datetime(2026, 11, 22, 18, 20, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("begin", "end", "first", "last"),
    [
        (None, None, "2026-11-21T18:20+00:00", "2026-11-22T18:20+00:00"),
        ("2026-11-22T00:00:00Z", None, "2026-11-22T00:00+00:00", "2026-11-22T18:20+00:00"),
        ("2026-11-22T00:00:00+08:00", None, "2026-11-21T16:00+00:00", "2026-11-22T18:20+00:00"),
        # A + that was not escaped in the URL arrives as a blank.
        ("2026-11-22T00:00:00 08:00", None, "2026-11-21T16:00+00:00", "2026-11-22T18:20+00:00"),
        ("2026-11-20", "2026-11-21", "2026-11-19T16:00+00:00", "2026-11-20T16:00+00:00"),
    ],
)
def test_hours(begin: str | None, end: str | None, first: str, last: str) -> None:
    expected = datetime.fromisoformat(first), datetime.fromisoformat(last)
    assert period.hours(begin, end, NOW, SHANGHAI) == expected


@pytest.mark.parametrize(
    ("begin", "end", "zone", "sentence"),
    [
        ("yesterday", None, None, "from is no time"),
        ("2026-11-22", None, None, "from has no time zone"),
        ("2026-11-22T05:00:00", None, SHANGHAI, "from has no time zone"),
        ("2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", None, "from must be before to"),
        ("2026-01-01T00:00:00Z", None, None, "92 days"),
        ("0001-01-01T00:00:00+08:00", None, None, "out of the calendar's range"),
    ],
)
def test_wrong_hours(begin: str, end: str | None, zone: ZoneInfo | None, sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        period.hours(begin, end, NOW, zone)


def test_days_are_those_of_the_sites_calendar() -> None:
    assert period.days(None, None, NOW, None) == (date(2026, 11, 16), date(2026, 11, 23))
    assert period.days(None, None, NOW, SHANGHAI) == (date(2026, 11, 17), date(2026, 11, 24))
    assert period.days("2026-11-01", "2026-11-02", NOW, None) == (date(2026, 11, 1), date(2026, 11, 2))


@pytest.mark.parametrize(
    ("begin", "end", "sentence"),
    [
        ("2026-11-01T00:00:00Z", None, "from is no date"),
        (None, "soon", "to is no date"),
        ("2026-11-02", "2026-11-02", "from must be before to"),
        ("2001-01-01", None, "3660 days"),
    ],
)
def test_wrong_days(begin: str | None, end: str | None, sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        period.days(begin, end, NOW, None)
