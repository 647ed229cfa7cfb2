from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.registry.clock import instant, local_text, zone

ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("text", "local", "utc"),
    [
        ("2024-01-01", "Asia/Shanghai", "2023-12-31T16:00"),
        ("2024-07-01", "Europe/Berlin", "2024-06-30T22:00"),
        ("2024-07-01T13:30", "Europe/Berlin", "2024-07-01T11:30"),
        ("2024-07-01 13:30:05.5", "Asia/Kolkata", "2024-07-01T08:00:05.500"),
        ("2024-07-01T13:30Z", "Europe/Berlin", "2024-07-01T13:30"),
        ("2024-07-01T13:30+05:30", "Europe/Berlin", "2024-07-01T08:00"),
        # Clocks there went from 23:59:59 to 01:00: the day began at 01:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00"),
        # And here from 23:59:59 back to 23:00: the next day began once.
        ("2018-02-18", "America/Sao_Paulo", "2018-02-18T03:00"),
    ],
)
def test_instants(text: str, local: str, utc: str) -> None:
    assert instant(text, zone(local)) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024-03-31T02:30", "is skipped on the site's clock"),
        ("2024-10-27T02:30", "comes twice on the site's clock"),
        ("2024-13-01", "no time"),
        ("2024-02-30", "no time"),
        ("yesterday", "no time"),
        ("12:30", "no time"),
        ("0001-01-01T00:00+14:00", "beyond the calendar"),
        ("9999-12-31T23:59-14:00", "beyond the calendar"),
    ],
)
def test_no_instants(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        instant(text, zone("Europe/Berlin"))


def test_both_of_an_hour_that_comes_twice_can_be_named() -> None:
    berlin = zone("Europe/Berlin")
    assert instant("2024-10-27T02:30+01:00", berlin) - instant("2024-10-27T02:30+02:00", berlin) == timedelta(
        hours=1
    )


@pytest.mark.parametrize(
    "name", ["Asia", "Asia/Shangai", "", "../etc/passwd", "/etc/passwd", "Asia/\0", "posix/"]
)
def test_no_zones(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        zone(name)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
@settings(max_examples=200, deadline=None)
def test_the_text_of_an_instant_means_it_again(moment: datetime, name: str) -> None:
    assert instant(local_text(moment, zone(name)), zone(name)) == moment


@given(st.dates(datetime(1990, 1, 1).date(), datetime(2037, 1, 1).date()), st.sampled_from(ZONES))  # noqa: DTZ001
@settings(max_examples=200, deadline=None)
def test_the_day_begins_with_its_first_instant(day: object, name: str) -> None:
    begin = instant(str(day), zone(name))
    assert begin.astimezone(zone(name)).date() == day
    assert (begin - timedelta(seconds=1)).astimezone(zone(name)).date() != day


def test_fixed_offsets_are_zones_too() -> None:
    assert (
        local_text(datetime(2024, 1, 1, tzinfo=UTC), timezone(timedelta(hours=8))) == "2024-01-01T08:00+08:00"
    )
