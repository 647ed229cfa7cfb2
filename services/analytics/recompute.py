"""One round of the ledger: what was touched is computed anew from the readings, in transactions of a second
or so, the running hour first. Several workers may be at it: each takes devices that no other has."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from services.analytics import ledger
from services.analytics.claims import Budget, claim, earliest
from services.analytics.compute import Computation, Computed
from services.analytics.known import Known, by_kind
from services.analytics.ledger import Pace, Touched
from services.analytics.stretches import Open, first_day, portion_end_us, touched_until
from services.domain.ledger.hours import from_us, to_us
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey
from services.store.ledger_days import roll_up_days
from services.store.ledger_queue import (
    FLUSHES_AT_ONCE,
    DirtyRange,
    Notes,
    close_ranges,
    delete_notes,
    late_notes,
    live_notes,
    read_ranges,
    shorten_ranges,
    still_noted,
    still_open,
    take_in,
)
from services.store.ledger_readings import Stretch, count_readings, extents
from services.store.ledger_rows import note_received
from services.store.pool import Connection
from services.store.registry import hold_registry
from services.store.revisions import say_why

LIVE_S: Final = 1.0
LATE_S: Final = 0.5
"""A transaction takes about so long: a crash repeats little of it, and the running hour waits no longer for
what came late."""
_NOTES_AT_ONCE: Final = 50_000
_RANGES_AT_ONCE: Final = 5000
"""So many are looked through for those that no other worker has."""


class Round(NamedTuple):
    """What one round did."""

    flushes: int = 0
    """Of ingest, taken in."""
    live: int = 0
    """Quarter hours of devices, of the running hour and the last, that were computed."""
    late: int = 0
    """Those of any time before."""
    ranges: int = 0
    """Stretches that were re-opened, and are done or one portion shorter."""
    computed: Computed = Computed()
    was_full: bool = False
    """Whether more work may be waiting."""

    def plus(self, other: Round) -> Round:
        """Both together."""
        return Round(
            self.flushes + other.flushes,
            self.live + other.live,
            self.late + other.late,
            self.ranges + other.ranges,
            Computed(*map(sum, zip(self.computed, other.computed, strict=True))),
            self.was_full or other.was_full,
        )


class Budgets(NamedTuple):
    """How much a transaction takes."""

    live: Budget
    """Quarter hours of devices."""
    late: Budget
    """The same."""
    ranges: Budget
    """Readings."""

    @classmethod
    def learning(cls) -> Budgets:
        """By the time that the transactions before took."""
        return cls(
            Budget(2000, least=500, most=50_000, target_s=LIVE_S),
            Budget(1000, least=250, most=20_000, target_s=LATE_S),
            Budget(50_000, least=1000, most=1_000_000, target_s=LATE_S),
        )


class Recomputer:
    """Computes what was touched, about `max_readings` at once. Keeps the compiled registry and factors, ids,
    and how much can be done in a transaction's time."""

    def __init__(
        self,
        max_readings: int = ledger.MAX_READINGS,
        budgets: Budgets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_readings = max_readings
        self._budgets = budgets or Budgets.learning()
        self._clock = clock
        self._known = Known()
        self._ranges_next = False

    async def run_once(self, connection: Connection) -> Round:
        """One round; an empty one where there is nothing to do, or others do it. Raises psycopg.Error: then
        what was not committed is still to be done.

        Notes are taken in; those of the running hour are computed, the oldest first; then some of what is
        late, or of what was re-opened. Each is a transaction: what it computed is no longer noted as touched
        once the rows are there, and what arrives meanwhile is noted again.
        """
        flushes = await take_in(connection)
        done = Round(flushes, was_full=flushes >= FLUSHES_AT_ONCE)
        done = done.plus(await self._live_round(connection))
        # In turns, where there is work of both.
        late = await self._backlog_round(connection)
        self._ranges_next = not self._ranges_next
        return done.plus(late if late != Round() else await self._backlog_round(connection))

    async def _backlog_round(self, connection: Connection) -> Round:
        return await (self._ranges_round if self._ranges_next else self._late_round)(connection)

    async def _live_round(self, connection: Connection) -> Round:
        began = self._clock()
        async with connection.transaction():
            await hold_registry(connection)
            notes = await live_notes(connection, _NOTES_AT_ONCE)
            mine = await self._claimed(connection, notes, self._budgets.live.amount)
            computed = await self._compute_notes(connection, mine)
        self._budgets.live.learn(len(mine.quarters), self._clock() - began)
        full = 0 < len(mine.quarters) < len(notes.quarters)
        return Round(live=len(mine.quarters), computed=computed, was_full=full)

    async def _late_round(self, connection: Connection) -> Round:
        began = self._clock()
        async with connection.transaction():
            await hold_registry(connection)
            notes = await late_notes(connection, _NOTES_AT_ONCE)
            mine = await self._claimed(connection, notes, self._budgets.late.amount)
            mine = earliest(mine, self._budgets.late.amount)
            computed = await self._compute_notes(connection, mine)
        self._budgets.late.learn(len(mine.quarters), self._clock() - began)
        full = 0 < len(mine.quarters) < len(notes.quarters)
        return Round(late=len(mine.quarters), computed=computed, was_full=full)

    async def _claimed(self, connection: Connection, notes: Notes, budget: float) -> Notes:
        """Those of the notes that this worker is to compute, as they are under its locks."""
        if not len(notes.quarters):
            return notes
        # The registry in force cannot change before the end of the transaction: who computes what together
        # is the same for all workers.
        await self._known.refresh(connection)
        await self._known.meet(connection, set(notes.device_ids.tolist()))
        buckets = self._known.buckets(notes.device_ids)
        mine = await claim(connection, buckets, np.ones(len(buckets)), budget)
        return await still_noted(connection, notes.where(mine))

    async def _compute_notes(self, connection: Connection, notes: Notes) -> Computed:
        if not len(notes.quarters):
            return Computed()
        computed = await self._compute(connection, self._touched_by(notes))
        await delete_notes(connection, notes)
        return computed

    def _touched_by(self, notes: Notes) -> list[Touched]:
        order = np.argsort(notes.device_ids, kind="stable")
        device_ids, first = np.unique(notes.device_ids[order], return_index=True)
        quarters = np.split(notes.quarters[order], first[1:])
        return [
            touched
            for device_id, of_device in zip(device_ids.tolist(), quarters, strict=True)
            for touched in ledger.touched_hours(self._known.plan, self._known.keys[device_id], of_device)
        ]

    async def _ranges_round(self, connection: Connection) -> Round:
        began = self._clock()
        async with connection.transaction():
            await hold_registry(connection)
            found = await read_ranges(connection, _RANGES_AT_ONCE)
            if not found:
                return Round()
            await self._known.refresh(connection)
            await self._known.meet(connection, {each.device_id for each in found})
            done, computed = await self._compute_ranges(connection, found)
        self._budgets.ranges.learn(computed.readings, self._clock() - began)
        return Round(ranges=done, computed=computed, was_full=done > 0)

    async def _compute_ranges(self, connection: Connection, found: list[DirtyRange]) -> tuple[int, Computed]:
        pace = Pace(self._known.plan)
        device_ids = np.array([each.device_id for each in found], np.int64)
        weights = np.array([first_day(pace, self._noted(each)) for each in found])
        mine = await claim(connection, self._known.buckets(device_ids), weights, self._budgets.ranges.amount)
        wanted = [each.id for each, is_mine in zip(found, mine.tolist(), strict=True) if is_mine]
        still = await still_open(connection, wanted)
        # Of one reason at a time: what changes is restated for that reason.
        reason = still[0].reason if still else None
        still = [each for each in still if each.reason == reason]
        await say_why(connection, reason)
        stretches = await self._stretches(connection, still)
        opened = {each.id: stretch for each, stretch in zip(still, stretches, strict=True)}
        known = [stretch for stretch in opened.values() if stretch]
        end_us = portion_end_us(pace, known, self._budgets.ranges.amount)
        computed = await self._compute(connection, touched_until(self._known.plan, known, end_us))
        done = [number for number, each in opened.items() if not each or _ends_by(each, end_us)]
        begun = [
            number for number, each in opened.items() if each and end_us and each.window.begin_us < end_us
        ]
        await close_ranges(connection, done)
        if end_us is not None:
            await shorten_ranges(connection, set(begun).difference(done), from_us(end_us))
        return len({*done, *begun}), computed

    async def _stretches(self, connection: Connection, ranges: list[DirtyRange]) -> list[Open | None]:
        """What is to be computed of each range: no more than there are readings; None: nothing."""
        extent: dict[int, Window] = {}
        for kind, of_kind in by_kind({self._known.keys[each.device_id] for each in ranges}).items():
            found = await extents(connection, kind, [self._known.ids[key] for key in of_kind])
            extent |= {
                number: Window(to_us(first), to_us(last) + 1) for number, (first, last) in found.items()
            }
        result: list[Open | None] = []
        for each in ranges:
            readings = extent.get(each.device_id, Window(0, 0))
            key, window = self._noted(each)
            window = Window(max(window.begin_us, readings.begin_us), min(window.end_us, readings.end_us))
            result.append(Open(key, window) if window.begin_us < window.end_us else None)
        return result

    def _noted(self, each: DirtyRange) -> Open:
        """A range as it was noted, its last instant in it."""
        window = Window(to_us(each.from_time), to_us(each.to_time) + 1)
        return Open(self._known.keys[each.device_id], window)

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


def _ends_by(stretch: Open, end_us: int | None) -> bool:
    return end_us is None or stretch.window.end_us <= end_us
