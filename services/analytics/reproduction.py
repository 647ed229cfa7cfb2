"""Whether an hour that is kept comes out again from the readings, to the last bit; and if not, why."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from services.analytics.explanation import Figure, Value
from services.domain.ledger.lineages import Lineage
from services.domain.ledger.rows import EmissionHour
from services.store.lineage import Calculation

COMPARED: Final = (*EmissionHour._fields[2:], *Lineage._fields)
"""What a row says beside its key: its figures, then its lineage."""
_LINEAGE: Final = frozenset({"parts", *Lineage._fields})
_TOLD: Final = 5
"""So many differences of a recipe are told."""
_SHORT: Final = 60


class Again(NamedTuple):
    """An hour as it comes out now."""

    row: EmissionHour
    lineage: Lineage
    recipe: str
    """The document of its recipe, JSON."""


class Circumstances(NamedTuple):
    """What may make an hour come out differently."""

    awaited: bool
    """Whether the ledger still has something to compute that bears on it."""
    expired_before: datetime | None
    """Readings before it, on which the hour rests, are no longer kept; None: all are."""
    made_by: Calculation
    registry_version: int


def figures(kept: Mapping[str, Any] | None, again: Again | None) -> list[Figure]:
    """Every column of the hour, as kept and as it comes out; of one from before lineage was kept, those it
    has."""
    new = {} if again is None else {**again.row._asdict(), **again.lineage._asdict()}
    old = {} if kept is None else kept
    return [
        Figure(
            name=name,
            stored=_plain(old.get(name)),
            recomputed=_plain(new.get(name)),
            same=same(*(_comparable(name, each.get(name)) for each in (old, new))),
        )
        for name in COMPARED
        if kept is None or kept["calculation_id"] is not None or name not in _LINEAGE
    ]


def same(one: object, other: object) -> bool:
    """Whether two values are the same, of numbers every bit."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def reasons(
    kept: Mapping[str, Any] | None, again: Again | None, compared: list[Figure], of: Circumstances
) -> Iterator[str]:
    """Why the hour does not come out as it is kept, the likeliest first; nothing where it does."""
    if kept is None:
        yield "The ledger keeps no such hour."
        return
    different = [each.name for each in compared if not each.same]
    if not different and again is not None:
        return
    if of.awaited:
        yield "What came since is not computed yet: the ledger still has work that bears on this hour."
    if of.expired_before is not None:
        yield (
            f"Readings before {of.expired_before.isoformat()} are no longer kept, and the hour rests on "
            "some: what is told follows from what was kept with it."
        )
    if kept["calculation_id"] is None:
        yield "The hour was computed before lineage was kept."
    else:
        yield from _by_code(kept, of)
    if again is None:
        yield "Nothing comes out for this hour from what is stored now."
        return
    yield from _by_input(kept, again, different)
    if different and _inputs_are_the_same(different) and not of.awaited:
        yield (
            f"Readings and recipe are the same, yet {', '.join(different)} differ: what is kept was not "
            "written by this code of the ledger, or was changed since."
        )


def _by_code(kept: Mapping[str, Any], of: Circumstances) -> Iterator[str]:
    made_by = of.made_by
    if (kept["version"], kept["code"]) != (made_by.version, made_by.code):
        yield (
            f"It was computed by other code ({kept['version']}, {kept['code']}) than this "
            f"({made_by.version}, {made_by.code})."
        )
    libraries = [
        f"{name} {kept['libraries'].get(name)} then, {now} now"
        for name, now in made_by.libraries.items()
        if kept["libraries"].get(name) != now
    ]
    if libraries:
        yield f"Its libraries were others: {'; '.join(libraries)}."


def _by_input(kept: Mapping[str, Any], again: Again, different: list[str]) -> Iterator[str]:
    if "recipe" in different and kept["recipe"] is not None:
        changed = "; ".join(islice(_changed(kept["recipe_document"], json.loads(again.recipe)), _TOLD))
        yield f"Registry or factors say something else now than when it was computed: {changed}."
    if kept["recipe"] is not None and {"readings", "read_from", "read_to"} & set(different):
        yield (
            f"It was computed from {_read(kept['readings'], kept['read_from'], kept['read_to'])}; stored now "
            f"are {_read(*_of(again.lineage))}."
        )


def _inputs_are_the_same(different: list[str]) -> bool:
    return not {"recipe", "readings", "read_from", "read_to"} & set(different)


def _of(lineage: Lineage) -> tuple[int, datetime | None, datetime | None]:
    return lineage.readings, lineage.read_from, lineage.read_to


def _read(readings: int | None, first: datetime | None, last: datetime | None) -> str:
    if not readings or first is None or last is None:
        return "no readings"
    return f"{readings} readings from {first.isoformat()} to {last.isoformat()}"


def _changed(was: object, now: object, at: str = "") -> Iterator[str]:
    """What differs between two documents, leaf by leaf."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({**was, **now}):
            yield from _changed(was.get(key), now.get(key), f"{at}.{key}" if at else key)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (before, after) in enumerate(zip(was, now, strict=True)):
            yield from _changed(before, after, f"{at}[{index}]")
    elif not same(was, now):
        yield f"{at} was {_short(was)}, is {_short(now)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def contributed(parts: object) -> Any:
    """What the parts of an hour contributed, from the database or from the kernel."""
    return json.loads(parts) if isinstance(parts, str) else parts


def _comparable(name: str, value: object) -> object:
    return contributed(value) if name == "parts" else value


def _plain(value: object) -> Value:
    if isinstance(value, float | str | bool | None):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, list) else str(value)
