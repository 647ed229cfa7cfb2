"""How much of the ledger's work one round takes, and which: whole buckets of devices that no other worker
has, about as much as a round has time for."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.store.ledger_queue import Notes, lock_buckets
from services.store.pool import Connection

_SHRINK: Final = 0.25
_GROW: Final = 2.0
"""By how much a budget shrinks and grows from one round to the next."""
_QUARTERS_PER_HOUR: Final = 4


class Budget:
    """How much work a round may take to last about `target_s`: as the rounds before took. What the unit of
    work is, is the caller's choice."""

    def __init__(self, start: float, least: float, most: float, target_s: float) -> None:
        self.amount = start
        self._least = least
        self._most = most
        self._target_s = target_s

    def learn(self, used: float, seconds: float) -> None:
        """A round with so much work took so long. One that had little to do says nothing of more."""
        fit = self._target_s / max(seconds, 1e-6)
        if fit < 1.0:
            self.amount = max(self._least, min(used, self.amount) * max(_SHRINK, fit))
        elif used > self.amount / _GROW:
            self.amount = min(self._most, self.amount * min(_GROW, fit))


async def claim(
    connection: Connection, buckets: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], budget: float
) -> npt.NDArray[np.bool_]:
    """Which pieces of work are ours until the transaction ends: of the first buckets (each piece's is given)
    that nobody else has, until their weights come to the budget. Raises psycopg.Error."""
    numbers, first, inverse = np.unique(buckets, return_index=True, return_inverse=True)
    weight = np.bincount(inverse, weights)
    waiting = np.argsort(first, kind="stable").tolist()
    mine = np.zeros(len(numbers), np.bool_)
    taken = 0.0
    while waiting and taken < budget:
        ends = taken + np.cumsum(weight[waiting])
        count = int(np.searchsorted(ends, budget)) + 1
        asked, waiting = waiting[:count], waiting[count:]
        locked = await lock_buckets(connection, numbers[asked].tolist())
        mine[[index for index in asked if numbers[index] in locked]] = True
        taken = float(weight[mine].sum())
    return mine[inverse]


def earliest(notes: Notes, budget: float) -> Notes:
    """So many of the notes, by time; all of an hour or none: its devices may be of one source."""
    if len(notes.quarters) <= budget:
        return notes
    ordered = np.sort(notes.quarters)
    last_hour = int(ordered[int(budget)]) // _QUARTERS_PER_HOUR
    chosen = notes.quarters // _QUARTERS_PER_HOUR < last_hour
    return notes.where(chosen if chosen.any() else notes.quarters // _QUARTERS_PER_HOUR <= last_hour)
