"""Carbon that stays in stock: the third term of a mass balance, from dated inventories.

EU 2018/2066 Art. 25 and 27(1)(b): what was used is what came in, less what went out and what the stock grew.
How it grew between two inventories nobody measured, so the change is spread evenly over the time between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from services.domain.factors import CO2_PER_CARBON
from services.domain.ledger.hours import to_us
from services.domain.registry.model import Stock


class StockChange(NamedTuple):
    """What one material's carbon in stock grew between two inventories, as kg CO2; negative where it fell."""

    begin_us: int
    end_us: int
    co2_kg: float


@dataclass(frozen=True, slots=True)
class Stocks:
    """The inventories of a source; without any, a balance of flows alone."""

    changes: tuple[StockChange, ...] = ()
    """By material and time."""
    known_until_us: int | None = None
    """The first of the materials' last inventories: from then on a change of stock is still to be told."""

    def growth_kg(self, begin_us: int, end_us: int) -> float | None:
        """What of the changes falls into a stretch of time, kg CO2; None where no change spans any of it."""
        found: float | None = None
        for change in self.changes:
            within_us = min(end_us, change.end_us) - max(begin_us, change.begin_us)
            if within_us > 0:
                share = within_us / (change.end_us - change.begin_us)
                found = (found or 0.0) + change.co2_kg * share
        return found

    def is_open(self, end_us: int) -> bool:
        """Whether an inventory that bears on the time before `end_us` is still to come."""
        return self.known_until_us is not None and end_us > self.known_until_us


NO_STOCKS: Final = Stocks()


def stocks_of(inventories: Iterable[Stock]) -> Stocks:
    """The changes between the inventories of each material, in any order."""
    of_material: defaultdict[str, list[Stock]] = defaultdict(list)
    for inventory in inventories:
        of_material[inventory.material].append(inventory)
    if not of_material:
        return NO_STOCKS
    ordered = [sorted(of_material[name], key=lambda each: each.at) for name in sorted(of_material)]
    return Stocks(
        tuple(change for series in ordered for change in _changes(series)),
        min(to_us(series[-1].at) for series in ordered),
    )


def _changes(series: Sequence[Stock]) -> Iterable[StockChange]:
    for before, after in pairwise(series):
        growth_t = after.mass_t * after.carbon_fraction - before.mass_t * before.carbon_fraction
        yield StockChange(to_us(before.at), to_us(after.at), growth_t * CO2_PER_CARBON * 1000.0)
