"""What commands print: tables for people, tab-separated lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=_text))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_json: bool) -> None:
    """Rows as a table on a terminal, as tab-separated lines in a pipe, or as a JSON array of objects."""
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif sys.stdout.isatty():
        _print_table(columns, rows)
    else:
        for row in (columns, *rows):
            typer.echo("\t".join(_cell(value).replace("\t", " ") for value in row))


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    rows = list(rows)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    Console().print(table, markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def compact(value: Any, most: int = 70) -> str:
    """A value of the registry in a few characters."""
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {compact(each, most)}" for key, each in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(compact(each, most) for each in value) + "]"
    else:
        text = _cell(value) if value is not None else "nothing"
    return text if len(text) <= most else f"{text[: most - 3]}..."
