"""One round of the ledger: what was touched is computed anew from the readings, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from services.analytics import ledger, stack_hours
from services.analytics.ledger import Near, Pace, Touched, Windows
from services.domain.conversion import SourceKey
from services.domain.factors import FactorBook
from services.domain.ledger.hours import from_us, to_us
from services.domain.ledger.kernel import Ledger, complete, measure
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import Readings, make_readings
from services.domain.ledger.track import Window
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.store.devices import find_devices
from services.store.factors import load_factors
from services.store.ledger import (
    Dirty,
    DirtyRange,
    Versions,
    delete_dirty,
    device_keys,
    lock_ledger,
    neighbours,
    read_dirty,
    read_dirty_ranges,
    versions,
)
from services.store.ledger_readings import (
    RawReadings,
    Stretch,
    backed_up,
    count_readings,
    extents,
    first_after,
    last_before,
    read_readings,
    registers_sent,
)
from services.store.ledger_rows import (
    Span,
    Written,
    note_received,
    write_device_hours,
    write_emission_hours,
    write_energy_hours,
)
from services.store.pool import Connection
from services.store.registry import load_registry, source_ids

FLUSHES_PER_ROUND: Final = 1000
PAIRS_PER_ROUND: Final = 20_000
RANGES_PER_ROUND: Final = 200
RANGE_READINGS_PER_ROUND: Final = 2_000_000
"""A round is one transaction: so much work and no more, that a crash repeats little of it."""
_WIDER: Final = 2
"""What was touched and the hours beyond that change with it are computed at once up to so many portions."""


class Round(NamedTuple):
    """What one round did."""

    flushes: int = 0
    pairs: int = 0
    """Of device and quarter hour that the flushes touched."""
    ranges: int = 0
    readings: int = 0
    """Read, neighbours included."""
    changed: int = 0
    removed: int = 0
    """Rows of the ledger's tables."""

    @property
    def was_full(self) -> bool:
        """Whether more work may be waiting. Of stretches that were re-opened, always: rounds of them are
        few."""
        return self.flushes >= FLUSHES_PER_ROUND or self.pairs >= PAIRS_PER_ROUND or self.ranges > 0

    def plus(self, readings: int, *written: Written) -> Round:
        return self._replace(
            readings=self.readings + readings,
            changed=self.changed + sum(each.changed for each in written),
            removed=self.removed + sum(each.removed for each in written),
        )


class Recomputer:
    """Computes what was touched, about `max_readings` at once. Keeps the compiled registry and factors, and
    ids."""

    def __init__(self, max_readings: int = ledger.MAX_READINGS) -> None:
        self._max_readings = max_readings
        self._versions: Versions | None = None
        self._plan = Plan(Registry(version=1), FactorBook(()))
        self._sources: dict[SourceKey, int] = {}
        self._stacks = stack_hours.JudgedSources()
        self._ids: dict[DeviceKey, int] = {}
        self._keys: dict[int, DeviceKey] = {}
        self._received: dict[int, int] = {}
        self._pace = Pace(self._plan)

    async def run_once(self, connection: Connection) -> Round | None:
        """One round; None where another session is at it. Raises psycopg.Error: then nothing was done.

        What was noted as touched is deleted in the transaction that writes the rows, and only what was read
        here: a crash before the commit leaves it all, and what arrives meanwhile waits for the next round.
        """
        async with connection.transaction():
            if not await lock_ledger(connection):
                return None
            self._received.clear()
            dirty = await read_dirty(connection, FLUSHES_PER_ROUND, PAIRS_PER_ROUND)
            ranges = await read_dirty_ranges(connection, RANGES_PER_ROUND)
            if not dirty.ids and not ranges:
                return Round()
            # After the work was read: a registry applied in between has noted more than was read.
            await self._refresh(connection)
            await self._meet(connection, dirty, ranges)
            touched = self._touched_by_flushes(dirty)
            ranges, of_ranges = await self._touched_by_ranges(connection, ranges)
            done = Round(len(dirty.ids), len(dirty.device_ids), len(ranges))
            touched += of_ranges
            self._pace = Pace(self._plan, await self._counted(connection, touched))
            for windows in ledger.chunks(self._pace, touched, self._max_readings):
                done = await self._recompute(connection, windows, done)
            # Last, for ingest writes to the same rows.
            received = {each: from_us(at) for each, at in sorted(self._received.items())}
            await note_received(connection, received)
            await delete_dirty(connection, dirty.ids, [each.id for each in ranges])
        return done

    async def _refresh(self, connection: Connection) -> None:
        found = await versions(connection)
        if found != self._versions:
            registry = (await load_registry(connection)).registry
            self._plan = Plan(registry, FactorBook(await load_factors(connection)))
            self._sources = await source_ids(connection)
            self._stacks = stack_hours.judged_sources(registry)
            self._versions = found

    async def _meet(self, connection: Connection, dirty: Dirty, ranges: list[DirtyRange]) -> None:
        """Learn who the devices are of which something was noted."""
        ids = set(dirty.device_ids.tolist()) | {each.device_id for each in ranges}
        unknown = ids - self._keys.keys()
        if unknown:
            self._keys |= await device_keys(connection, unknown)
            self._ids |= {key: device_id for device_id, key in self._keys.items()}

    def _touched_by_flushes(self, dirty: Dirty) -> list[Touched]:
        order = np.argsort(dirty.device_ids, kind="stable")
        device_ids, first = np.unique(dirty.device_ids[order], return_index=True)
        quarters = np.split(dirty.quarters[order], first[1:]) if len(first) else []
        return [
            touched
            for device_id, of_device in zip(device_ids.tolist(), quarters, strict=True)
            for touched in ledger.touched_hours(self._plan, self._keys[device_id], of_device)
        ]

    async def _touched_by_ranges(
        self, connection: Connection, ranges: list[DirtyRange]
    ) -> tuple[list[DirtyRange], list[Touched]]:
        """As many of the ranges as one round may take, and what they touch: no more than there are
        readings."""
        extent: dict[int, tuple[datetime, datetime]] = {}
        for kind, of_kind in _by_kind({self._keys[each.device_id] for each in ranges}).items():
            extent |= await extents(connection, kind, [self._ids[key] for key in of_kind])
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
                key = self._keys[each.device_id]
                touched += ledger.touched_days(self._plan, key, to_us(begin), to_us(end) + 1)
                expected += Pace(self._plan).of(key, Window(to_us(begin), to_us(end)))
        return taken, touched

    async def _counted(
        self, connection: Connection, touched: list[Touched]
    ) -> dict[DeviceKey, tuple[int, int]]:
        """What was sent in the touched hours, and how long those are: nobody said so of an unassigned device,
        and what the registry says of the others need not be so."""
        stretches: defaultdict[DeviceKey, list[Stretch]] = defaultdict(list)
        within_us: defaultdict[DeviceKey, int] = defaultdict(int)
        for each in touched:
            stretches[each.device].append(self._stretch(each.device, each.window))
            within_us[each.device] += each.window.end_us - each.window.begin_us
        result: dict[DeviceKey, tuple[int, int]] = {}
        for kind, keys in _by_kind(stretches).items():
            of_kind = [stretch for key in keys for stretch in stretches[key]]
            found = await count_readings(connection, kind, of_kind)
            result |= {key: (found[self._ids[key]], within_us[key]) for key in keys}
        return result

    async def _recompute(self, connection: Connection, windows: Windows, done: Round) -> Round:
        """The touched windows, and all hours beyond them that change with them."""
        widened = await self._widened(connection, windows)
        if self._pace.of_all(widened) <= _WIDER * self._max_readings:
            return await self._compute(connection, widened, done)
        # A long gap that closes: the touched hours first, for the hours of the gap are found from them.
        done = await self._compute(connection, windows, done)
        for portion in ledger.portions(self._plan, self._pace, widened, self._max_readings):
            done = await self._compute(connection, portion, done)
        return done

    async def _widened(self, connection: Connection, windows: Windows) -> Windows:
        held = {key: ledger.reached(self._plan.history(key), window) for key, window in windows.items()}
        everything, _ = ledger.with_members(self._plan, held)
        await self._find(connection, everything)
        near = await self._near(connection, everything)
        sent: defaultdict[int, set[int]] = defaultdict(set)
        for kind, keys in _by_kind(windows).items():
            stretches = [self._stretch(key, windows[key]) for key in keys]
            for device_id, code in await registers_sent(connection, kind, stretches):
                sent[device_id].add(code)
        result: Windows = {}
        for key, window in held.items():
            members = [
                near[member]
                for source in self._plan.sources_of(key)
                for member in self._plan.members(source)
                if member in near
            ]
            own = near.get(key, ledger.NOTHING_NEAR)
            grid = self._plan.history(key).grid
            result[key] = ledger.widened(grid, window, own, sent[self._ids[key]], members)
        return result

    async def _compute(self, connection: Connection, windows: Windows, done: Round) -> Round:
        everything, sources = ledger.with_members(self._plan, windows)
        await self._find(connection, everything)
        near = await self._near(connection, everything)
        batches: list[Readings] = []
        count = 0
        for kind, keys in _by_kind(everything).items():
            raw = await self._read(connection, kind, {key: everything[key] for key in keys}, near)
            count += len(raw.time)
            batches.append(self._batch(kind, keys, raw))
            self._note_received(raw)
        draft = measure(self._plan, batches, everything, sources)
        stored = await stack_hours.histories(connection, draft, self._sources, self._ids)
        rows = complete(draft, stored)
        return done.plus(count, *await self._write(connection, rows, everything, sources))

    async def _near(self, connection: Connection, windows: Windows) -> dict[DeviceKey, Near]:
        """The neighbours of those that have an id."""
        result: dict[DeviceKey, Near] = {}
        for kind, keys in _by_kind(windows).items():
            stretches = {self._ids[key]: self._stretch(key, windows[key]) for key in keys if key in self._ids}
            found = ledger.by_device(await neighbours(connection, kind, list(stretches.values())))
            near = {device_id: found.get(device_id, ledger.NOTHING_NEAR) for device_id in stretches}
            first = [stretches[device_id] for device_id, each in near.items() if not each.before]
            last = [stretches[device_id] for device_id, each in near.items() if not each.after]
            for device_id, time in (await last_before(connection, kind, first)).items():
                near[device_id] = near[device_id]._replace(heard_before=to_us(time))
            for device_id, time in (await first_after(connection, kind, last)).items():
                near[device_id] = near[device_id]._replace(heard_after=to_us(time))
            result |= {key: near[self._ids[key]] for key in keys if key in self._ids}
        return result

    async def _read(
        self, connection: Connection, kind: Kind, windows: Windows, near: Mapping[DeviceKey, Near]
    ) -> RawReadings:
        stretches: list[Stretch] = []
        repeating: dict[DeviceKey, list[Stretch]] = {}
        for key, window in windows.items():
            if key not in self._ids:
                continue
            history = self._plan.history(key)
            needed = ledger.needed(history, window, near.get(key, ledger.NOTHING_NEAR))
            of_device = [self._stretch(key, each) for each in needed]
            if history.repeats_frames:
                repeating[key] = of_device
            else:
                stretches += of_device
        for key, of_device in repeating.items():
            earlier = await backed_up(connection, kind, of_device, ledger.REPEAT_READINGS)
            again = ledger.disjoint(Window(to_us(each.begin), to_us(each.end)) for each in earlier)
            stretches += [self._stretch(key, each) for each in again]
        return await read_readings(connection, kind, stretches)

    def _batch(self, kind: Kind, keys: list[DeviceKey], raw: RawReadings) -> Readings:
        index = {self._ids[key]: number for number, key in enumerate(keys) if key in self._ids}
        known, inverse = np.unique(raw.device_id, return_inverse=True)
        device = np.array([index[device_id] for device_id in known.tolist()], np.int64)[inverse]
        return make_readings(kind, keys, device, raw.time, raw.values, raw.status, raw.quantity_status)

    async def _write(
        self,
        connection: Connection,
        rows: Ledger,
        windows: Windows,
        sources: Mapping[SourceKey, Window],
    ) -> list[Written]:
        devices = [_span(self._ids[key], each) for key, each in windows.items() if key in self._ids]
        of_sources = [_span(self._sources[key], each) for key, each in sources.items()]
        judged, substituted = self._stacks
        of_stacks = [_span(self._sources[key], each) for key, each in sources.items() if key in judged]
        return [
            await write_device_hours(connection, rows.device_hours, self._ids, devices),
            await write_energy_hours(connection, rows.energy_hours, self._ids, devices),
            await write_emission_hours(connection, rows.emission_hours, self._sources, of_sources),
            await stack_hours.write(
                connection, rows.stack_hours, self._sources, self._ids, of_stacks, substituted
            ),
        ]

    def _note_received(self, raw: RawReadings) -> None:
        device_ids, inverse = np.unique(raw.device_id, return_inverse=True)
        newest = np.zeros(len(device_ids), np.int64)
        np.maximum.at(newest, inverse, raw.received_at)
        for device_id, at in zip(device_ids.tolist(), newest.tolist(), strict=True):
            self._received[device_id] = max(at, self._received.get(device_id, at))

    async def _find(self, connection: Connection, keys: Collection[DeviceKey]) -> None:
        """Learn the ids of devices that were not met before; a device that never sent may have none."""
        unknown = [key for key in keys if key not in self._ids]
        if unknown:
            self._ids.update(await find_devices(connection, unknown))

    def _stretch(self, key: DeviceKey, window: Window) -> Stretch:
        return Stretch(self._ids[key], from_us(window.begin_us), from_us(window.end_us))


def _by_kind(keys: Collection[DeviceKey]) -> dict[Kind, list[DeviceKey]]:
    result: defaultdict[Kind, list[DeviceKey]] = defaultdict(list)
    for key in sorted(keys):
        result[key.kind].append(key)
    return result


def _span(number: int, window: Window) -> Span:
    return Span(number, from_us(window.begin_us), from_us(window.end_us))
