"""Arrays from lists of Python's objects, by way of msgpack.

msgspec packs a list of instants, or of tuples of numbers, in a tenth of the time in which Python could look
at each; in its bytes they stand in a row, big-endian, and numpy reads them as they are. What does not have
the form that nearly all have goes the slow way. Format: the specification of msgpack, "float", "nil", "bool",
"array" and "Timestamp extension type".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import SECOND_US, IntArray
from services.domain.reading import Values

Bytes = npt.NDArray[np.uint8]

_pack: Final = msgspec.msgpack.Encoder().encode

_NIL, _FALSE, _TRUE, _FLOAT_64 = 0xC0, 0xC2, 0xC3, 0xCB
_TIMESTAMP_32, _TIMESTAMP_64, _IS_TIMESTAMP = 0xD6, 0xD7, 0xFF
_SHORT: Final = 6
"""Bytes of a timestamp of whole seconds: its beginning, and 4 bytes of seconds since 1970."""
_LONG: Final = 10
"""Bytes of any other: its beginning, 30 bits of nanoseconds and 34 bits of seconds."""
_SECOND_BITS: Final = 34


def times_us(times: Sequence[datetime]) -> IntArray:
    """Microseconds since 1970 of aware instants."""
    body = _packed(times)
    sizes = np.full(len(times), len(body) // max(1, len(times)), np.int64)
    if sizes.sum() != len(body) or sizes[:1].tolist() not in ([_SHORT], [_LONG]):
        whole = np.fromiter([time.microsecond for time in times], np.int64, len(times)) == 0
        sizes = np.where(whole, _SHORT, _LONG)
        if sizes.sum() != len(body):
            return _one_by_one(times)
    starts = np.cumsum(sizes) - sizes
    is_short = sizes == _SHORT
    begins = np.where(is_short, _TIMESTAMP_32, _TIMESTAMP_64)
    if not ((body[starts] == begins).all() and (body[starts + 1] == _IS_TIMESTAMP).all()):
        return _one_by_one(times)
    found = np.empty(len(times), np.int64)
    found[is_short] = _unsigned(body, starts[is_short] + 2, 4).astype(np.int64) * SECOND_US
    long = _unsigned(body, starts[~is_short] + 2, 8).astype(np.uint64)
    seconds = (long & np.uint64((1 << _SECOND_BITS) - 1)).astype(np.int64)
    nanoseconds = (long >> np.uint64(_SECOND_BITS)).astype(np.int64)
    found[~is_short] = seconds * SECOND_US + nanoseconds // 1000
    return found


def _one_by_one(times: Sequence[datetime]) -> IntArray:
    # A double holds seconds of this century to a quarter of a microsecond.
    seconds = np.array([time.timestamp() for time in times], np.float64)
    return np.rint(seconds * SECOND_US).astype(np.int64)


def matrix(rows: Sequence[Values], columns: int) -> FloatArray:
    """Numbers by row and column, NaN for None; a last column more is NaN. True is 1."""
    found = np.full((len(rows), columns + 1), np.nan, order="F")
    body = _packed(rows)
    width = len(_pack(rows[0])) if rows else 0
    if len(body) != len(rows) * width or (rows and not _read(body.reshape(len(rows), width), found)):
        _read_columns(rows, found)
    return found


def _read(packed: Bytes, found: FloatArray) -> bool:
    """Read rows that have the same columns; False where they have not. Their first byte is their length."""
    position = 1
    for column in range(found.shape[1] - 1):
        marks = packed[:, position]
        mark = int(marks[0])
        if mark == _FLOAT_64 and (marks == _FLOAT_64).all():
            found[:, column] = packed[:, position + 1 : position + 9].copy().view(">f8")[:, 0]
            position += 8
        elif mark in (_FALSE, _TRUE) and ((marks == _FALSE) | (marks == _TRUE)).all():
            found[:, column] = marks == _TRUE
        elif mark != _NIL or not (marks == _NIL).all():
            return False
        position += 1
    return True


def _read_columns(rows: Sequence[Values], found: FloatArray) -> None:
    for number, column in enumerate(zip(*rows, strict=True)):
        try:
            found[:, number] = np.fromiter(column, np.float64, len(rows))  # takes no None
        except TypeError:
            found[:, number] = np.nan if column.count(None) == len(rows) else np.array(column, np.float64)


def _packed(values: Sequence[Any]) -> Bytes:
    """The values of an array, without what stands before them."""
    head = 1 if len(values) < 16 else 3 if len(values) < 1 << 16 else 5
    return np.frombuffer(_pack(list(values)), np.uint8, offset=head)


def _unsigned(body: Bytes, starts: IntArray, width: int) -> npt.NDArray[Any]:
    """The unsigned integers of that many bytes, big-endian, at these places."""
    found: npt.NDArray[Any] = body[starts[:, np.newaxis] + np.arange(width)].view(f">u{width}")[:, 0]
    return found
