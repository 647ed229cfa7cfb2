"""Rows for COPY in PostgreSQL's binary format, made from columns at once.

psycopg formats row by row, about a microsecond each; for numbers alone this takes a tenth of that. Format:
https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import pack
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What stands before the first row: signature, flags, length of the extension."""
TRAILER: Final = b"\xff\xff"
"""What stands after the last row."""

EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970."""
_NULL: Final = -1
_INTEGER_OID: Final = 23  # pg_type


class Column(NamedTuple):
    """One value for each row. `known` is false where it is NULL; None: nowhere."""

    data: npt.NDArray[Any]
    known: npt.NDArray[np.bool_] | None = None


def integers(values: npt.ArrayLike, size: int) -> Column:
    """A column of integers of `size` bytes."""
    return Column(np.asarray(values).astype(f">i{size}"))


def floats(values: npt.NDArray[np.float64]) -> Column:
    """A column of double precision, NULL where NaN."""
    return Column(values.astype(">f8"), ~np.isnan(values))


def instants(times_us: npt.NDArray[np.int64]) -> Column:
    """A column of timestamptz from microseconds since 1970."""
    return Column((times_us - EPOCH_US).astype(">i8"))


def text(word: str | None, rows: int) -> Column:
    """A column of the same word everywhere, or NULL."""
    data = np.full(rows, (word or " ").encode())
    return Column(data, None if word is not None else np.zeros(rows, np.bool_))


def integer_array(values: npt.NDArray[np.int64]) -> bytes:
    """A field of type integer[], none of it NULL: one dimension from 1 on, then each size and value."""
    elements = np.empty((len(values), 2), ">i4")
    elements[:, 0] = elements.itemsize
    elements[:, 1] = values
    return pack(">5i", 1, 0, _INTEGER_OID, len(values), 1) + elements.tobytes()


def fields_row(*fields: bytes) -> bytes:
    """One row of fields that are encoded already."""
    return pack(">h", len(fields)) + b"".join(pack(">i", len(each)) + each for each in fields)


def encode(columns: Sequence[Column]) -> bytes:
    """The rows, without header and trailer. Rows with the same columns known come together."""
    rows = len(columns[0].data)
    pattern = np.zeros(rows, np.int64)
    for number, column in enumerate(columns):
        known = True if column.known is None else column.known
        pattern |= np.where(known, 1 << number, 0)
    types = tuple(column.data.dtype.str for column in columns)
    patterns = np.unique(pattern).tolist()
    parts = []
    for each in patterns:
        chosen = slice(None) if len(patterns) == 1 else np.flatnonzero(pattern == each)
        frame = np.empty(len(pattern[chosen]), _layout(types, each))
        frame["columns"] = len(columns)
        for number, column in enumerate(columns):
            if each >> number & 1:
                frame[f"size{number}"] = column.data.dtype.itemsize
                frame[f"value{number}"] = column.data[chosen]
            else:
                frame[f"size{number}"] = _NULL
        parts.append(frame.tobytes())
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _layout(types: tuple[str, ...], pattern: int) -> np.dtype[Any]:
    """A row: the number of columns, then for each its size and, where it is known, its value."""
    fields: list[tuple[str, str]] = [("columns", ">i2")]
    for number, type_ in enumerate(types):
        fields.append((f"size{number}", ">i4"))
        if pattern >> number & 1:
            fields.append((f"value{number}", type_))
    return np.dtype(fields)
