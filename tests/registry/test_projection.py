"""Periods for SQL: one after another, without overlap, and the same as the facts at any instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.facts import device_facts_at
from services.domain.registry.model import Registry
from services.domain.registry.parse import parse
from services.domain.registry.projection import device_periods, registered_devices, source_periods

START = datetime(2024, 1, 1, tzinfo=UTC)


def test_periods_of_the_small_registry(small: str) -> None:
    registry = parse(small.replace("timezone: Europe/Berlin", "timezone: UTC")).registry
    main = [period for period in device_periods(registry) if period.device.device == "main"]
    assert [(p.valid_from, p.valid_to, p.area, p.interval_s) for p in main] == [
        (START, datetime(2025, 1, 1, tzinfo=UTC), "hall", 60),
        (datetime(2025, 1, 1, tzinfo=UTC), None, "hall", 30),
    ]
    stack = [period for period in source_periods(registry) if period.source == "stack"]
    assert [(p.devices, p.in_total, p.valid_to) for p in stack] == [
        ((DeviceKey("works", Kind.CEMS, "stack"),), False, None)
    ]
    assert len(list(registered_devices(registry))) == 5


def test_streams_feed_a_source_too(demo: str) -> None:
    periods = [p for p in source_periods(parse(demo).registry) if p.source == "desulphurisation"]
    assert [p.devices for p in periods] == [(DeviceKey("plant", Kind.BELTSCALE, "limestone"),)]


_DAYS = st.integers(0, 400)
_ENTRIES = st.dictionaries(_DAYS, st.sampled_from([None, 30, 60]), min_size=1, max_size=5)


@given(_ENTRIES, st.none() | _DAYS, st.none() | _DAYS, _DAYS)
@settings(max_examples=150, deadline=None)
def test_a_period_says_what_the_facts_say(
    entries: dict[int, int | None], device_end: int | None, site_end: int | None, day: int
) -> None:
    def at(days: int | None) -> datetime | None:
        return None if days is None else START + timedelta(days=days)

    device = {
        "facts": [{"from": at(begin), "interval_s": interval} for begin, interval in sorted(entries.items())],
        "ended": at(device_end),
    }
    site = {"timezone": "UTC", "ended": at(site_end), "devices": {"meter/m": device}}
    registry = Registry.model_validate({"version": 1, "sites": {"s": site}})
    periods = list(device_periods(registry))
    for before, after in pairwise(periods):
        assert before.valid_to == after.valid_from
    moment = START + timedelta(days=day)
    facts = None
    if site_end is None or day < site_end:
        facts = device_facts_at(registry.sites["s"].devices["meter/m"], moment)
    holding = [p for p in periods if p.valid_from <= moment and (p.valid_to is None or moment < p.valid_to)]
    assert [p.interval_s for p in holding] == ([] if facts is None else [facts.interval_s])
