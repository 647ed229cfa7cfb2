"""Conversions over time: what begins, ends and changes when."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.conversion import Conversion, SourceKey, change_points, compile_conversions
from services.domain.factors import FactorBook
from services.domain.registry.model import Registry
from tests.domain.conftest import NOW, SINCE, by_source, one, registry_of


def _dated(registry: Registry, path: tuple[str, ...], **changes: Any) -> Registry:
    document = deepcopy(registry.model_dump(by_alias=True, exclude_unset=True))
    target = document
    for key in path:
        target = target[key]
    target.update(changes)
    return Registry.model_validate(document)


def test_nothing_before_it_begins_or_from_its_end_on(demo: Registry, book: FactorBook) -> None:
    begin = datetime.fromisoformat(SINCE)
    assert compile_conversions(demo, book, begin - timedelta(microseconds=1)) == {}
    assert compile_conversions(demo, book, begin) != {}
    end = datetime(2026, 3, 1, tzinfo=UTC)
    last = end - timedelta(microseconds=1)
    for path in (
        ("sites", "campus"),
        ("sites", "campus", "sources", "boilers"),
        ("sites", "campus", "devices", "flowmeter/boiler-gas"),
    ):
        ended = _dated(demo, path, ended=end)
        assert SourceKey("campus", "boilers") in by_source(ended, book, last)
        assert SourceKey("campus", "boilers") not in by_source(ended, book, end)
        assert end in change_points(ended, book, begin, NOW)


def test_a_year_begins_on_the_sites_clock(demo: Registry, book: FactorBook) -> None:
    midnight = datetime(2022, 12, 31, 16, 0, tzinfo=UTC)
    key = SourceKey("campus", "grid-electricity")
    before = by_source(demo, book, midnight - timedelta(seconds=1))[key]
    after = by_source(demo, book, midnight)[key]
    names = [before.factor.name, after.factor.name]
    assert names == [f"CN_MEE_PROVINCE_{year}/electricity_CN-SH" for year in (2022, 2023)]
    assert midnight in change_points(demo, book, datetime(2022, 6, 1, tzinfo=UTC), NOW)


def test_change_points_are_sorted_inside_and_in_utc(demo: Registry, book: FactorBook) -> None:
    start = datetime.fromisoformat(SINCE)
    points = change_points(demo, book, start, NOW)
    assert points == tuple(sorted(set(points)))
    assert all(start < point < NOW and point.tzinfo is UTC for point in points)
    assert start not in points
    assert change_points(demo, book, points[0], points[1]) == ()
    assert change_points(Registry(version=1), book, start, NOW) == ()


def test_change_points_reach_to_the_ends_of_time(demo: Registry, book: FactorBook) -> None:
    points = change_points(demo, book, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert len(points) > 9000


def test_each_sites_own_midnight(book: FactorBook) -> None:
    start, end = datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    for zone in ("Asia/Kolkata", "America/New_York", "Asia/Shanghai"):
        registry = registry_of("meter", "electricity", "electricity", site={"timezone": zone})
        assert change_points(registry, book, start, end) == (
            datetime(2025, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC),
        )


def _same(one: Conversion, other: Conversion) -> bool:
    return repr(one) == repr(other)


@given(days=st.integers(0, 3300), seconds=st.integers(0, 86399))
@settings(max_examples=40)
def test_between_change_points_nothing_changes(
    demo: Registry, book: FactorBook, days: int, seconds: int
) -> None:
    first = datetime(2019, 12, 1, tzinfo=UTC)
    at = first + timedelta(days=days, seconds=seconds)
    registry = _dated(
        demo, ("sites", "plant", "sources", "coal"), ended=datetime(2025, 7, 1, 3, 30, tzinfo=UTC)
    )
    points = [
        point for point in change_points(registry, book, first, at + timedelta(seconds=1)) if point <= at
    ]
    since = points[-1] if points else first
    then, now = by_source(registry, book, since), by_source(registry, book, at)
    assert then.keys() == now.keys()
    assert all(_same(then[key], now[key]) for key in now)


def test_facts_replace_only_what_they_name(book: FactorBook) -> None:
    registry = registry_of(
        "beltscale", carrier="bituminous_coal", quantity="mass_t", factor_set="CN_NDRC_2.1"
    )
    document = registry.model_dump(by_alias=True, exclude_unset=True)
    fuel = {"ncv_gj_per_unit": 21.0, "source": "lab 7"}
    later = {"from": "2026-02-01T00:00:00+08:00", "fuel": fuel}
    facts = document["sites"]["s"]["sources"]["x"]["facts"]
    document["sites"]["s"]["sources"]["x"]["facts"] = (*facts, later)
    changed = Registry.model_validate(document)
    before = one(changed, book, datetime(2026, 1, 31, 15, 59, tzinfo=UTC))
    after = one(changed, book, datetime(2026, 1, 31, 16, 0, tzinfo=UTC))
    assert after.factor.co2_kg_per_unit / before.factor.co2_kg_per_unit == pytest.approx(21.0 / 23.204)
