"""A physical process on a fixed grid of time: what the devices measure, and the truth they do not see.

Signals are computed for whole blocks (one clock hour) of fixed steps and are constant within a step, so an
integral over any interval is an exact sum that does not depend on how often somebody reads. Whole blocks
also make results equal to the bit wherever a run starts: vectorised functions may differ in the last bit
with an array's length and alignment, so no block is ever computed in parts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from simulators.hashing import FloatArray

BLOCK_S: Final = 3600
# Devices of one process are read within the same hour or its neighbours.
_BLOCKS_KEPT: Final = 3

Series = Mapping[str, FloatArray]
"""Signal name to one value for each step of a block."""
Interval = tuple[float, float]
"""Begin and end, seconds since the epoch."""


class Process(ABC):
    """A process whose signals are pure functions of time. `step_s` divides an hour."""

    def __init__(self, step_s: int = 5) -> None:
        if BLOCK_S % step_s:
            raise ValueError(f"a step of {step_s} s does not divide an hour")
        self.step_s = step_s
        self._recent: OrderedDict[int, Series] = OrderedDict()

    @abstractmethod
    def compute(self, t: FloatArray) -> Series:
        """The signals at `t`, the midpoints of the steps of one whole clock hour (UTC)."""

    def block(self, index: int) -> Series:
        """The signals of hour `index` since the epoch, one value for each step."""
        known = self._recent.get(index)
        if known is not None:
            self._recent.move_to_end(index)
            return known
        edges = np.arange(BLOCK_S // self.step_s, dtype=np.float64) * self.step_s
        series = self.compute(index * BLOCK_S + edges + 0.5 * self.step_s)
        self._recent[index] = series
        if len(self._recent) > _BLOCKS_KEPT:
            self._recent.popitem(last=False)
        return series

    def integral(self, name: str, begin: float, end: float) -> float:
        """Integral of a signal given per hour, over [begin, end): kg/h gives kg. 0 where end <= begin."""
        total = 0.0
        for index in range(int(begin // BLOCK_S), int(-(-end // BLOCK_S))):
            values = self.block(index)[name]
            left = index * BLOCK_S + np.arange(values.size, dtype=np.float64) * self.step_s
            held = np.minimum(left + self.step_s, end) - np.maximum(left, begin)
            total += float(np.sum(values * np.clip(held, 0.0, self.step_s))) / 3600.0
        return total


def without(interval: Interval, off: Iterable[Interval]) -> list[Interval]:
    """What is left of `interval` outside of the `off` intervals, in order."""
    pieces = [interval]
    for begin, end in off:
        pieces = [
            part
            for left, right in pieces
            for part in ((left, min(right, begin)), (max(left, end), right))
            if part[1] > part[0]
        ]
    return pieces
