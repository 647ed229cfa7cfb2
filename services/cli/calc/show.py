"""A calculation on the screen: a table, tab-separated lines in a pipe, or one JSON object."""

from __future__ import annotations

from collections.abc import Iterable

from services.cli.calc.lines import Line
from services.cli.output import print_json, print_rows

_COLUMNS = ("name", "value", "unit", "by")


def show(method: str, lines: Iterable[Line], *, as_json: bool) -> None:
    """Print the lines; by JSON also as `values`, by name (of several lines of one name the last)."""
    rows = list(lines)
    if not as_json:
        print_rows(_COLUMNS, rows, as_json=False)
        return
    print_json(
        {
            "method": method,
            "steps": [row._asdict() for row in rows],
            "values": {row.name: row.value for row in rows},
        }
    )
