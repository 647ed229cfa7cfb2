"""Laboratory values from a table, one row a sample of a source's fuel, as dated facts of the registry."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, NamedTuple

from services.domain.registry.clock import instant, local_text, zone
from services.domain.registry.document import write_document
from services.domain.registry.model import FuelProperties, Registry
from services.domain.registry.parse import Parsed, parse
from services.domain.registry.problems import Place, Problem, RegistryError
from services.domain.registry.readable import readable
from services.domain.registry.scope import FactorNames

NEEDED: Final = ("site", "source", "sampled_from", "sampled_to", "laboratory", "document")
_OPTIONAL: Final = ("from", "note")
_VALUES: Final = tuple(name for name in FuelProperties.model_fields if name not in (*NEEDED, "source"))
"""What a laboratory may have measured, each in the unit its name ends in or with a unit of its own."""


class Merged(NamedTuple):
    """The registry with a table's samples in it, and where each row of the table went."""

    parsed: Parsed
    lines: Mapping[Place, int]

    def placed(self, problem: Problem, file: str) -> Problem:
        """The problem at its line of the table; without one where it is of something else."""
        return replace(problem, file=file, line=_line(self.lines, problem.place))


def merge_measured(
    registry: Registry, text: str, file: str = "", factors: FactorNames | None = None
) -> Merged:
    """The registry with the samples of a table (CSV), each a fact of its source `from` the day it names, else
    from the first day of its sampling period on.

    Raises RegistryError with everything that is wrong, at the lines of the table.
    """
    document = readable(registry)
    rows, problems = _rows(text, document)
    if problems:
        raise RegistryError(replace(each, file=file) for each in problems)
    lines = _inserted(document, rows)
    try:
        return Merged(parse(write_document(document), "", factors), lines)
    except RegistryError as error:
        raise RegistryError(
            replace(each, file=file, line=_line(lines, each.place)) for each in error.problems
        ) from None


class _Row(NamedTuple):
    line: int
    site: str
    source: str
    at: datetime
    entry: dict[str, Any]


def _rows(text: str, document: Mapping[str, Any]) -> tuple[list[_Row], list[Problem]]:
    reader = csv.DictReader(io.StringIO(text))
    problems = list(_columns(reader.fieldnames or ()))
    if problems:
        return [], problems
    rows: list[_Row] = []
    for line, raw in enumerate(reader, start=2):
        cells = {name: (value or "").strip() for name, value in raw.items() if name is not None}
        try:
            rows.append(_row(line, cells, document))
        except ValueError as error:
            problems.append(Problem((), f"{error}.", line=line))
    seen: dict[tuple[str, str, datetime], int] = {}
    for each in rows:
        first = seen.setdefault((each.site, each.source, each.at), each.line)
        if first != each.line:
            of = f"{each.site}/{each.source}"
            message = f"is a second sample of {of} from that day on (the first is line {first})."
            problems.append(Problem((), message, line=each.line))
    return rows, problems


def _columns(names: Any) -> list[Problem]:
    known = (*NEEDED, *_OPTIONAL, *_VALUES)
    problems = [Problem((), f"has no column {each}: add it.", line=1) for each in NEEDED if each not in names]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
            problems.append(Problem((), f"has the column {name!r}, which is not known; {hint}", line=1))
    return problems


def _row(line: int, row: Mapping[str, str], document: Mapping[str, Any]) -> _Row:
    """Raises ValueError."""
    for name in NEEDED:
        if not row[name]:
            raise ValueError(f"has no {name}: a measured value is nothing without it")
    site = document["sites"].get(row["site"])
    if site is None:
        raise ValueError(f"names site {row['site']}, which the registry does not have")
    source = site.get("sources", {}).get(row["source"])
    if source is None:
        raise ValueError(f"names source {row['source']}, which site {row['site']} does not have")
    values = {name: row[name] for name in _VALUES if row.get(name)}
    if not values:
        raise ValueError("has no measured value")
    local = zone(site["timezone"])
    at = instant(row.get("from") or row["sampled_from"], local)
    fuel = values | {name: row[name] for name in NEEDED[2:]}
    fuel["source"] = f"{row['laboratory']}, {row['document']}"
    entry: dict[str, Any] = {"from": local_text(at, local), "fuel": fuel}
    return _Row(
        line, row["site"], row["source"], at, entry | ({"note": row["note"]} if row.get("note") else {})
    )


def _inserted(document: dict[str, Any], rows: list[_Row]) -> dict[Place, int]:
    """Put the rows among the facts of their sources, in order of time; the line of each."""
    for row in rows:
        site = document["sites"][row.site]
        local = zone(site["timezone"])
        facts = site["sources"][row.source]["facts"]
        same = next((entry for entry in facts if _begin(local, entry) == row.at), None)
        if same is None:
            facts.append(row.entry)
            facts.sort(key=partial(_begin, local))
        else:
            same.update(row.entry)
    lines: dict[Place, int] = {}
    for row in rows:
        site = document["sites"][row.site]
        begins = [_begin(zone(site["timezone"]), entry) for entry in site["sources"][row.source]["facts"]]
        lines["sites", row.site, "sources", row.source, "facts", begins.index(row.at)] = row.line
    return lines


def _begin(local: tzinfo, entry: Mapping[str, Any]) -> datetime:
    return instant(entry["from"], local)


def _line(lines: Mapping[Place, int], place: Place) -> int | None:
    return next((line for at, line in lines.items() if place[: len(at)] == at), None)
