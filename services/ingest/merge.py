"""How a reading meets a stored one of the same device and instant.

Each quantity is a cell: a value with its word, a word alone (a device says `fault` and sends no value), or
nothing. Cells only fill up, and a value takes its word with it: parts of a reading may come in any order, and
taking one of them again changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from services.domain.outcome import Outcome
from services.domain.quantities import NAMES
from services.domain.reading import Measured, Reading, Values
from services.ingest.status import canonical, words_of

Cell = tuple[float | bool | None, str | None]


class Merge(NamedTuple):
    """What became of the new reading, and what is to be stored afterwards."""

    outcome: Outcome
    reading: Measured
    contradicts: str | None = None
    """The first quantity whose stored value or status the new reading contradicts."""


def merge(stored: Measured, new: Measured) -> Merge:
    """Meet `new` with what is `stored` for the same device and instant.

    Nothing new: a duplicate. Only what is missing: stored, and merged. Any contradiction: rejected as a
    whole, the first stays. `seq` and unknown fields make no difference; the first that is there is kept.
    """
    if stored.status == new.status and stored.quantity_status == new.quantity_status:
        if stored.values == new.values:
            return Merge(Outcome.DUPLICATE, stored)
        if stored.quantity_status is None:
            return _of_one_status(stored, new)
    names = NAMES[stored.device.kind]
    before = _cells(names, stored)
    after = []
    for name, old, other in zip(names, before, _cells(names, new), strict=True):
        cell = _meet(old, other)
        if cell is None:
            return Merge(Outcome.REJECTED, stored, name)
        after.append(cell)
    if after == before:
        return Merge(Outcome.DUPLICATE, stored)
    return Merge(Outcome.STORED, _reading(stored, new, names, after))


def _of_one_status(stored: Measured, new: Measured) -> Merge:
    """The same where every value of both has the same word, as nearly always: only values can differ."""
    pairs = list(zip(stored.values, new.values, strict=True))
    after = tuple([other if old is None else old for old, other in pairs])
    if after != tuple([old if other is None else other for old, other in pairs]):
        contradicting = (old is not None and other is not None and old != other for old, other in pairs)
        name = next(
            name for name, wrong in zip(NAMES[stored.device.kind], contradicting, strict=True) if wrong
        )
        return Merge(Outcome.REJECTED, stored, name)
    if after == stored.values:
        return Merge(Outcome.DUPLICATE, stored)
    return Merge(Outcome.STORED, _completed(stored, new, after, stored.status, None))


def gained(before: Measured, after: Measured) -> Reading:
    """Of a merged reading what it had not `before`: values that were there are left out."""
    values = tuple(new if old is None else None for old, new in zip(before.values, after.values, strict=True))
    return Reading(
        after.device, after.time, after.seq, values, after.status, after.quantity_status, after.extra
    )


def _cells(names: tuple[str, ...], reading: Measured) -> list[Cell]:
    words = words_of(reading)
    return [(value, words.get(name)) for name, value in zip(names, reading.values, strict=True)]


def _meet(old: Cell, new: Cell) -> Cell | None:
    """Both cells in one; None where they contradict each other."""
    if old == new or new == (None, None):
        return old
    if old == (None, None):
        return new
    if (old[0] is None) != (new[0] is None):
        return new if old[0] is None else old
    return None


def _reading(stored: Measured, new: Measured, names: tuple[str, ...], cells: list[Cell]) -> Reading:
    values = tuple(value for value, _ in cells)
    words = {name: word for name, (_, word) in zip(names, cells, strict=True)}
    return _completed(stored, new, values, *canonical(names, values, words))


def _completed(
    stored: Measured, new: Measured, values: Values, status: int, quantity_status: str | None
) -> Reading:
    return Reading(
        stored.device,
        stored.time,
        new.seq if stored.seq is None else stored.seq,
        values,
        status,
        quantity_status,
        new.extra if stored.extra is None else stored.extra,
    )
