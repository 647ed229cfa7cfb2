"""How much of the fields that the contract does not know is kept in an hour: they cannot fill the disk.

A reading's own limit is the decoder's. Beyond the budget of its site, or of all sites, a reading is stored
with only the size of what was dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from services.ingest.beside import DROPPED_EXTRA
from services.ingest.message import Decoded, Received

HOUR_S: Final = 3600
SITES: Final = 8
"""All sites together may keep as much as so many of them: random sites have no budgets without end."""
_MOST_SITES: Final = 10_000
"""Sites that are remembered in an hour; a site beyond them keeps nothing."""


class ExtraBudget:
    """The budget of one ingest process, begun anew with each hour of receipt (UTC) and by a restart."""

    def __init__(self, site_bytes: int) -> None:
        self._site_bytes = site_bytes
        self._hour = 0
        self._spent: dict[str, int] = {}
        self._total = 0

    def within(self, units: Sequence[Decoded]) -> Sequence[Decoded]:
        """The units, without the unknown fields that are beyond the budget."""
        odd = [place for place, unit in enumerate(units) if type(unit) is Received and unit.extra is not None]
        if not odd:
            return units
        bounded = list(units)
        for place in odd:
            unit = bounded[place]
            if isinstance(unit, Received):
                bounded[place] = self._bounded(unit)
        return bounded

    def _bounded(self, unit: Received) -> Received:
        extra = unit.extra or ""
        if extra.startswith(DROPPED_EXTRA):
            return unit
        size = len(extra.encode())
        if self._spend(unit.device.site, size, int(unit.message.received_at.timestamp()) // HOUR_S):
            return unit
        return replace(unit, extra=f"{DROPPED_EXTRA}{size}}}")

    def _spend(self, site: str, size: int, hour: int) -> bool:
        """Take bytes from the budgets; False where there are not so many left, and nothing is taken."""
        if hour > self._hour:  # what waited on disk meanwhile is of an earlier one, and counts for this one
            self._hour, self._total = hour, 0
            self._spent.clear()
        spent = self._spent.get(site, 0) + size
        total = self._total + size
        if spent > self._site_bytes or total > SITES * self._site_bytes:
            return False
        if site not in self._spent and len(self._spent) >= _MOST_SITES:
            return False
        self._spent[site], self._total = spent, total
        return True
