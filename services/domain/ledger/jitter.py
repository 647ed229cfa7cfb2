"""Registers that flicker by a digit: what goes down by no more than the resolution must be made good before
anything counts again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.ledger.registers import KindArray, MovementKind, highest_jitter


class Marks(NamedTuple):
    """What to measure movements between, for each reading of a register: as the end of the step before it
    and as the beginning of the next."""

    arriving: FloatArray
    leaving: FloatArray
    fell: BoolArray
    """Whether the step to the reading leads more than the resolution below a mark that still holds."""


def high_marks(
    position: IntArray,
    arriving: FloatArray,
    leaving: FloatArray,
    kind: KindArray,
    resolution: FloatArray,
    memory_us: IntArray,
) -> Marks:
    """The high mark of each reading: the highest that the register showed within the last `memory_us`, the
    reading itself included, of what is above it by the resolution at most.

    `kind` is that of the steps between neighbours, as they stand; a mark ends where one of them is no
    movement forward nor jitter, and where a register was replaced (`arriving` and `leaving` differ). As the
    marks of neighbours are what a step is measured between, steps add up to the movement of the register. A
    mark hangs on readings within its memory alone, so it is the same whatever else is looked at.
    """
    fell = np.zeros(len(position), np.bool_)
    jitter = np.flatnonzero(kind == MovementKind.JITTER)
    if len(jitter) == 0:
        return Marks(arriving, leaving, fell)
    replaced = arriving != leaving
    first = np.maximum(_run_begins(kind, replaced), np.searchsorted(position, position - memory_us))
    back = np.full(len(position), -1)
    back[jitter + 1] = jitter
    highest = highest_jitter(arriving, resolution)
    mark, left = arriving.copy(), leaving.copy()
    for at in np.flatnonzero(np.maximum.accumulate(back) >= first).tolist():
        shown = leaving[first[at] : at]
        mark[at] = shown[shown <= highest[at]].max(initial=arriving[at])
        fell[at] = mark[at] < left[at - 1] and bool((shown == left[at - 1]).any())
        left[at] = leaving[at] if replaced[at] else mark[at]
    return Marks(mark, left, fell)


def _run_begins(kind: KindArray, replaced: BoolArray) -> IntArray:
    """The first reading that each may be measured against: after the last break, from the last replacement
    on."""
    index = np.arange(len(replaced))
    goes_on = (kind == MovementKind.NORMAL) | (kind == MovementKind.JITTER)
    begins = np.zeros(len(replaced), np.int64)
    begins[1:] = np.where(goes_on, 0, index[1:])
    begins[1:] = np.maximum(begins[1:], np.where(replaced[:-1], index[:-1], 0))
    return np.maximum.accumulate(begins)
