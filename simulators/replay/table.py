"""A delimited file as readings, one row at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from simulators.errors import ConfigError
from simulators.replay.columns import Column, check_columns, number
from simulators.replay.stamps import StampError, StampReader

_NAMED_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How a file is to be read. `times` are the columns that make up the stamp, joined by a blank."""

    columns: Sequence[Column]
    times: Sequence[str]
    time_format: str | None = None
    zone: ZoneInfo | None = None
    offset: timedelta = timedelta()
    delimiter: str | None = None
    """None: found out from the header."""
    register_start: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file: the quantities that were measured, registers counted."""

    line: int
    time: datetime
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read."""

    line: int
    why: str


@dataclass(slots=True)
class Survey:
    """What a file holds, found in one pass without keeping it."""

    rows: int = 0
    readings: int = 0
    empty_rows: int = 0
    """Rows without any mapped value: no reading."""
    missing_values: int = 0
    ambiguous: int = 0
    first: datetime | None = None
    second: datetime | None = None
    last: datetime | None = None
    registers: dict[str, float] = field(default_factory=dict)
    """Each counted register after the last row."""
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    """The first of the bad rows."""

    def see(self, row: Row | BadRow, mapped: int) -> None:
        """Count a row in."""
        self.rows += 1
        if isinstance(row, BadRow):
            self.bad_rows += 1
            if len(self.bad) < _NAMED_ROWS:
                self.bad.append(row)
            return
        self.missing_values += mapped - len(row.values)
        if not row.values:
            self.empty_rows += 1
            return
        self.readings += 1
        if self.first is None:
            self.first = row.time
        elif self.second is None:
            self.second = row.time
        self.last = row.time


class Table:
    """A file of readings, to be gone through as often as needed."""

    def __init__(self, path: Path, form: TableFormat) -> None:
        self.path, self.form = path, form

    def rows(self, survey: Survey | None = None) -> Iterator[Row | BadRow]:
        """All rows in the order of the file. Raises ConfigError where the file cannot be opened or lacks a
        column."""
        form = self.form
        stamps = StampReader(form.time_format, form.zone, form.offset)
        registers = {c.quantity: form.register_start for c in form.columns if c.accumulate}
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                head = file.readline()
                delimiter = form.delimiter or _delimiter(head)
                header = next(csv.reader([head], delimiter=delimiter), [])
                check_columns(form.columns, form.times, header)
                reader = csv.DictReader(file, fieldnames=header, delimiter=delimiter)
                for cells in reader:
                    row = self._row(reader.line_num + 1, cells, stamps, registers)
                    if survey is not None:
                        survey.see(row, len(form.columns))
                    yield row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}.") from error
        if survey is not None:
            survey.ambiguous, survey.registers = stamps.ambiguous, registers

    def survey(self) -> Survey:
        """Go through the whole file once."""
        survey = Survey()
        for _ in self.rows(survey):
            pass
        return survey

    def _row(
        self, line: int, cells: Mapping[str, str | None], stamps: StampReader, registers: dict[str, float]
    ) -> Row | BadRow:
        try:
            time = stamps.read(" ".join(cells[name] or "" for name in self.form.times))
        except StampError as error:
            return BadRow(line, str(error))
        values: dict[str, float] = {}
        for column in self.form.columns:
            try:
                value = number(cells[column.column] or "")
            except ValueError:
                return BadRow(line, f"{column.column} is {cells[column.column]!r}, not a number")
            if value is None:
                continue
            if column.accumulate:
                registers[column.quantity] += value * column.scale
                # More digits than any meter has, fewer than the sum's rounding errors.
                values[column.quantity] = round(registers[column.quantity], 9)
            else:
                values[column.quantity] = value * column.scale
        return Row(line, time, values)


def _delimiter(head: str) -> str:
    """The one of `;`, tab and `,` that the header has most of."""
    return max(";\t,", key=head.count)
