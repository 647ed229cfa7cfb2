"""What was measured, against what was asked: medians, the table, and bench-results.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must reach (`floor`) and should reach (`goal`): its value, or its ratio to the reference.
    Of what costs, such as a latency, both are upper limits.
    """

    floor: float
    goal: float
    of: Literal["value", "ratio"] = "value"
    upper: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One repeat of a figure, and of its reference where it has one."""

    value: float
    reference_value: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A figure over its repeats, as in bench-results.json (contract, section 1). The last three are ours."""

    name: str
    value: float
    unit: str
    reference: str | None
    reference_value: float | None
    ratio: float | None
    floor: float | None
    goal: float | None
    met: bool | None
    """Whether the floor is reached; None where none is set."""
    floor_of: str | None
    limit: str | None
    """`upper` where less is better."""
    samples: list[float]


def result(
    name: str,
    unit: str,
    samples: Sequence[Sample],
    target: Target | None = None,
    reference: str | None = None,
) -> Result:
    """The medians over repeats. The ratio is the median of each repeat's own."""
    value = median(each.value for each in samples)
    references = [each.reference_value for each in samples if each.reference_value is not None]
    ratios = [each.value / each.reference_value for each in samples if each.reference_value]
    ratio = median(ratios) if ratios else None
    return Result(
        name=name,
        value=rounded(value),
        unit=unit,
        reference=reference,
        reference_value=rounded(median(references)) if references else None,
        ratio=None if ratio is None else round(ratio, 3),
        floor=target.floor if target else None,
        goal=target.goal if target else None,
        met=_reaches(target, value, ratio) if target else None,
        floor_of=target.of if target else None,
        limit=None if target is None else "upper" if target.upper else "lower",
        samples=[rounded(each.value) for each in samples],
    )


def _reaches(target: Target, value: float, ratio: float | None) -> bool:
    measured = ratio if target.of == "ratio" else value
    if measured is None:
        return False
    return measured <= target.floor if target.upper else measured >= target.floor


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def table(results: Iterable[Result]) -> Table:
    """The results for people."""
    shown = Table(header_style="bold", box=None, pad_edge=False)
    for column, justify in _COLUMNS.items():
        shown.add_column(column, justify=justify, no_wrap=True)
    for each in results:
        shown.add_row(*cells(each))
    return shown


_COLUMNS: dict[str, Literal["left", "right"]] = {
    "benchmark": "left",
    "value": "right",
    "unit": "left",
    "reference": "left",
    "its value": "right",
    "ratio": "right",
    "floor": "right",
    "goal": "right",
    "met": "left",
}


def cells(each: Result) -> list[str]:
    """A row of the table."""
    sign = "<= " if each.limit == "upper" else ""
    times = " x" if each.floor_of == "ratio" else ""
    return [
        each.name,
        _number(each.value),
        each.unit,
        each.reference or "",
        _number(each.reference_value),
        "" if each.ratio is None else f"{each.ratio:.2f}",
        "" if each.floor is None else f"{sign}{_number(each.floor)}{times}",
        "" if each.goal is None else f"{sign}{_number(each.goal)}{times}",
        "" if each.met is None else "yes" if each.met else "NO",
    ]


def markdown(results: Iterable[Result]) -> str:
    """The table for a document."""
    lines = [list(_COLUMNS), ["---" if each == "left" else "--:" for each in _COLUMNS.values()]]
    lines += [cells(each) for each in results]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def write(path: Path, machine: dict[str, Any], results: Iterable[Result]) -> None:
    """Write bench-results.json."""
    content = {"machine": machine, "results": [asdict(each) for each in results]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
