"""Which sources are set against which, over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.domain.registry.model import Registry
from services.domain.registry.parse import parse
from services.domain.registry.routes import route_periods


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


def routes(ended: dict[str, datetime] | None = None, **named: list[tuple[int, Any]]) -> list[tuple[Any, ...]]:
    """The periods of sources that each name others from days on; a day without a name keeps what was."""
    sources = {
        name: {
            "scope": 1,
            "method": "fuel",
            "carrier": "x",
            "facts": [
                {"from": day(number)} | ({} if other is ... else {"reconciles_with": other})
                for number, other in entries
            ],
            "ended": (ended or {}).get(name),
        }
        for name, entries in named.items()
    }
    registry = Registry.model_validate(
        {"version": 1, "sites": {"s": {"timezone": "UTC", "sources": sources}}}
    )
    return [
        (p.source, p.valid_from.day, p.valid_to and p.valid_to.day, p.others) for p in route_periods(registry)
    ]


PLAIN: list[tuple[int, Any]] = [(1, ...)]


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ([(1, "coal")], [("stack", 1, None, ("coal",))]),
        ([(1, ["coal", "oil"])], [("stack", 1, None, ("coal", "oil"))]),
        ([(1, "coal"), (3, ...)], [("stack", 1, None, ("coal",))]),
        ([(1, ...), (3, "coal"), (5, None)], [("stack", 3, 5, ("coal",))]),
        ([(1, "coal"), (3, "oil")], [("stack", 1, 3, ("coal",)), ("stack", 3, None, ("oil",))]),
        ([(1, ...)], []),
    ],
)
def test_what_is_named_holds_until_it_is_taken_back(stack: Any, expected: list[Any]) -> None:
    assert routes(coal=PLAIN, oil=PLAIN, stack=stack) == expected


def test_a_pair_ends_with_its_source() -> None:
    assert routes({"stack": day(9)}, coal=PLAIN, stack=[(1, "coal")]) == [("stack", 1, 9, ("coal",))]


def test_two_that_name_each_other_are_one_pair() -> None:
    both = routes(coal=[(1, "stack"), (5, None)], stack=[(1, "coal")])
    assert both == [("coal", 1, 5, ("stack",)), ("stack", 5, None, ("coal",))]


def test_one_name_and_a_list_of_it_are_the_same_registry(small: str) -> None:
    assert parse(small).registry == parse(small.replace("with: coal", "with: [coal]")).registry
