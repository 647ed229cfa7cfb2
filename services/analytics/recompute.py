"""One round of the ledger: what was touched is computed anew from the readings, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from services.analytics import ledger
from services.analytics.compute import Computation, Computed
from services.analytics.known import Known, by_kind
from services.analytics.ledger import Pace, Touched
from services.domain.ledger.hours import from_us, to_us
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey
from services.store.ledger import (
    Dirty,
    DirtyRange,
    delete_dirty,
    lock_ledger,
    read_dirty,
    read_dirty_ranges,
)
from services.store.ledger_days import roll_up_days
from services.store.ledger_readings import Stretch, count_readings, extents
from services.store.ledger_rows import note_received
from services.store.pool import Connection

FLUSHES_PER_ROUND: Final = 1000
PAIRS_PER_ROUND: Final = 20_000
RANGES_PER_ROUND: Final = 200
RANGE_READINGS_PER_ROUND: Final = 2_000_000
"""A round is one transaction: so much work and no more, that a crash repeats little of it."""


class Round(NamedTuple):
    """What one round did."""

    flushes: int = 0
    pairs: int = 0
    """Of device and quarter hour that the flushes touched."""
    ranges: int = 0
    computed: Computed = Computed()

    @property
    def was_full(self) -> bool:
        """Whether more work may be waiting. Of stretches that were re-opened, always: rounds of them are
        few."""
        return self.flushes >= FLUSHES_PER_ROUND or self.pairs >= PAIRS_PER_ROUND or self.ranges > 0


class Recomputer:
    """Computes what was touched, about `max_readings` at once. Keeps the compiled registry and factors, and
    ids."""

    def __init__(self, max_readings: int = ledger.MAX_READINGS) -> None:
        self._max_readings = max_readings
        self._known = Known()

    async def run_once(self, connection: Connection) -> Round | None:
        """One round; None where another session is at it. Raises psycopg.Error: then nothing was done.

        What was noted as touched is deleted in the transaction that writes the rows, and only what was read
        here: a crash before the commit leaves it all, and what arrives meanwhile waits for the next round.
        """
        async with connection.transaction():
            if not await lock_ledger(connection):
                return None
            dirty = await read_dirty(connection, FLUSHES_PER_ROUND, PAIRS_PER_ROUND)
            ranges = await read_dirty_ranges(connection, RANGES_PER_ROUND)
            if not dirty.ids and not ranges:
                return Round()
            # After the work was read: a registry applied in between has noted more than was read.
            await self._known.refresh(connection)
            ids = {*dirty.device_ids.tolist(), *(each.device_id for each in ranges)}
            await self._known.meet(connection, ids)
            touched = self._touched_by_flushes(dirty)
            ranges, of_ranges = await self._touched_by_ranges(connection, ranges)
            touched += of_ranges
            computed = await self._compute(connection, touched)
            await delete_dirty(connection, dirty.ids, [each.id for each in ranges])
        return Round(len(dirty.ids), len(dirty.device_ids), len(ranges), computed)

    async def _compute(self, connection: Connection, touched: list[Touched]) -> Computed:
        pace = Pace(self._known.plan, await self._counted(connection, touched))
        computation = Computation(self._known, pace, self._max_readings)
        computed = Computed()
        for windows in ledger.chunks(pace, touched, self._max_readings):
            computed = await computation.recompute(connection, windows, computed)
        await roll_up_days(connection, computation.written_sources, computation.written_devices)
        # Last, for ingest writes to the same rows.
        received = {each: from_us(at) for each, at in sorted(computation.received.items())}
        await note_received(connection, received)
        return computed

    def _touched_by_flushes(self, dirty: Dirty) -> list[Touched]:
        order = np.argsort(dirty.device_ids, kind="stable")
        device_ids, first = np.unique(dirty.device_ids[order], return_index=True)
        quarters = np.split(dirty.quarters[order], first[1:]) if len(first) else []
        return [
            touched
            for device_id, of_device in zip(device_ids.tolist(), quarters, strict=True)
            for touched in ledger.touched_hours(self._known.plan, self._known.keys[device_id], of_device)
        ]

    async def _touched_by_ranges(
        self, connection: Connection, ranges: list[DirtyRange]
    ) -> tuple[list[DirtyRange], list[Touched]]:
        """As many of the ranges as one round may take, and what they touch: no more than there are
        readings."""
        extent: dict[int, tuple[datetime, datetime]] = {}
        for kind, of_kind in by_kind({self._known.keys[each.device_id] for each in ranges}).items():
            extent |= await extents(connection, kind, [self._known.ids[key] for key in of_kind])
        taken: list[DirtyRange] = []
        touched: list[Touched] = []
        expected = 0.0
        for each in ranges:
            if expected > RANGE_READINGS_PER_ROUND:
                break
            taken.append(each)
            first, last = extent.get(each.device_id, (each.to_time, each.from_time))
            begin, end = max(each.from_time, first), min(each.to_time, last)
            if begin <= end:
                key = self._known.keys[each.device_id]
                touched += ledger.touched_days(self._known.plan, key, to_us(begin), to_us(end) + 1)
                expected += Pace(self._known.plan).of(key, Window(to_us(begin), to_us(end)))
        return taken, touched

    async def _counted(
        self, connection: Connection, touched: list[Touched]
    ) -> dict[DeviceKey, tuple[int, int]]:
        """What was sent in the touched hours, and how long those are: nobody said so of an unassigned device,
        and what the registry says of the others need not be so."""
        stretches: defaultdict[DeviceKey, list[Stretch]] = defaultdict(list)
        within_us: defaultdict[DeviceKey, int] = defaultdict(int)
        for each in touched:
            stretches[each.device].append(self._known.stretch(each.device, each.window))
            within_us[each.device] += each.window.end_us - each.window.begin_us
        result: dict[DeviceKey, tuple[int, int]] = {}
        for kind, keys in by_kind(stretches).items():
            of_kind = [stretch for key in keys for stretch in stretches[key]]
            found = await count_readings(connection, kind, of_kind)
            result |= {key: (found[self._known.ids[key]], within_us[key]) for key in keys}
        return result
