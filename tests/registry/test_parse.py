"""A registry survives being stored, shown and read again; and any change of its text is told, not raised."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.registry.diff import differences
from services.domain.registry.model import Registry, facts_at
from services.domain.registry.parse import parse
from services.domain.registry.problems import RegistryError
from services.domain.registry.readable import readable
from services.domain.registry.stored import dump, load


def same(one: Registry, other: Registry) -> bool:
    """Equal, down to which facts are named: a fact that is named None undoes an earlier one."""
    return one == other and dump(one) == dump(other) and differences(one, other) == ()


def test_what_is_stored_is_the_same_registry(small: str, demo: str) -> None:
    for text in (small, demo):
        registry = parse(text).registry
        assert same(registry, load(json.loads(json.dumps(dump(registry)))))


def test_what_is_shown_is_the_same_registry(small: str, demo: str) -> None:
    for text in (small, demo):
        registry = parse(text).registry
        assert same(registry, parse(yaml.safe_dump(readable(registry), sort_keys=False)).registry)


def test_a_fact_named_nothing_undoes_the_earlier_one(small: str) -> None:
    text = small.replace("{from: 2025-01-01, interval_s: 30}", "{from: 2025-01-01, area: null}")
    registry = load(dump(parse(text).registry))
    facts = facts_at(registry.sites["works"].devices["meter/main"].facts, datetime(2025, 6, 1, tzinfo=UTC))
    assert facts is not None
    assert (facts.area, facts.interval_s) == (None, 60)


def test_dates_are_midnights_of_the_site(registry: Registry) -> None:
    first, second = registry.sites["works"].devices["meter/main"].facts
    assert first.from_ == datetime(2023, 12, 31, 23, tzinfo=UTC)
    assert second.from_ == datetime(2024, 12, 31, 23, tzinfo=UTC)


def test_entries_keep_their_order(demo: str) -> None:
    registry = load(dump(parse(demo).registry))
    assert list(registry.sites) == ["campus", "plant"]
    assert list(registry.sites["campus"].devices)[:2] == ["meter/main", "meter/floor-1"]


_ROOT = Path(__file__).resolve().parents[2]
_FILES = [_ROOT / "tests" / "registry" / "small.yaml", _ROOT / "deploy" / "demo" / "registry.yaml"]
_LINES = [file.read_text(encoding="utf-8").splitlines(keepends=True) for file in _FILES]


@given(
    st.sampled_from(_LINES),
    st.lists(
        st.tuples(
            st.sampled_from(["cut", "twice", "indent", "value"]),
            st.integers(0, 10**6),
            st.sampled_from(
                ["null", "-1", "[]", "{}", "x", "2020-01-01", "[[1]]", "{a: b}", "true", "1e999", "''"]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=150, deadline=None)
def test_a_mangled_file_is_told_and_not_raised(lines: list[str], edits: list[tuple[str, int, str]]) -> None:
    lines = list(lines)
    for what, where, value in edits:
        index = where % len(lines)
        match what:
            case "cut":
                lines[index] = "\n"
            case "twice":
                lines.insert(index, lines[index])
            case "indent":
                lines[index] = "  " + lines[index]
            case "value":
                lines[index] = f"{lines[index].partition(':')[0]}: {value}\n"
    with suppress(RegistryError):
        parse("".join(lines), "r.yaml", {})
