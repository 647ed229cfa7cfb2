"""The hours that follow from what was touched: read, computed and written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from services.analytics import ledger, stack_hours
from services.analytics.calculation import calculation
from services.analytics.known import Known, by_kind
from services.analytics.ledger import Near, Pace, Windows
from services.analytics.retention import Kept
from services.domain.conversion import SourceKey
from services.domain.ledger.hours import to_us
from services.domain.ledger.kernel import Ledger, complete, measure
from services.domain.ledger.lineages import Lineages, lineages
from services.domain.ledger.readings import Readings, make_readings
from services.domain.ledger.track import Window
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.store.findings import write_findings
from services.store.ledger import neighbours
from services.store.ledger_raw import RawReadings, read_readings
from services.store.ledger_readings import (
    Stretch,
    backed_up,
    first_after,
    last_before,
    registers_sent,
)
from services.store.ledger_rows import (
    Span,
    Written,
    write_device_hours,
    write_emission_hours,
    write_energy_hours,
)
from services.store.lineage import keep_calculation, keep_recipes
from services.store.pool import Connection

_WIDER: Final = 2
"""What was touched and the hours beyond that change with it are computed at once up to so many portions."""


class Computed(NamedTuple):
    """What was computed."""

    readings: int = 0
    """Read, neighbours included."""
    changed: int = 0
    removed: int = 0
    """Rows of the ledger's tables."""

    def plus(self, readings: int, *written: Written) -> Computed:
        """With one more portion."""
        return Computed(
            self.readings + readings,
            self.changed + sum(each.changed for each in written),
            self.removed + sum(each.removed for each in written),
        )


class Hours(NamedTuple):
    """Rows of the ledger as they follow from what is stored, before they are written."""

    readings: int
    """Read, neighbours included."""
    rows: Ledger
    lineages: Lineages
    """Of the emission hours, in their order."""


class Computation:
    """The work of one round on the ledger's tables, about `max_readings` at once."""

    def __init__(self, known: Known, pace: Pace, max_readings: int) -> None:
        self._known = known
        self._pace = pace
        self._max_readings = max_readings
        self._kept = Kept(known)
        self.received: dict[int, int] = {}
        """When the newest reading of each device that was read had come [us since 1970], by device id."""
        self.written_sources: list[Span] = []
        self.written_devices: list[Span] = []
        """Whose hours were written: their days follow from them."""

    async def recompute(self, connection: Connection, windows: Windows, done: Computed) -> Computed:
        """The touched windows, and all hours beyond them that change with them. Raises psycopg.Error."""
        widened = await self._widened(connection, windows)
        if self._pace.of_all(widened) <= _WIDER * self._max_readings:
            return await self._compute(connection, widened, done)
        # A long gap that closes: the touched hours first, for the hours of the gap are found from them.
        done = await self._compute(connection, windows, done)
        for portion in ledger.portions(self._known.plan, self._pace, widened, self._max_readings):
            done = await self._compute(connection, portion, done)
        return done

    async def _widened(self, connection: Connection, windows: Windows) -> Windows:
        held = {key: ledger.reached(self._known.plan.history(key), window) for key, window in windows.items()}
        everything, _ = ledger.with_members(self._known.plan, held)
        await self._known.find(connection, everything)
        near = await self._near(connection, everything)
        sent: defaultdict[int, set[int]] = defaultdict(set)
        for kind, keys in by_kind(windows).items():
            wanted = [
                (self._known.stretch(key, windows[key]), code)
                for key in keys
                for code in ledger.in_question(near.get(key, ledger.NOTHING_NEAR))
            ]
            for device_id, code in await registers_sent(connection, kind, wanted):
                sent[device_id].add(code)
        result: Windows = {}
        for key, window in held.items():
            members = [
                near[member]
                for source in self._known.plan.sources_of(key)
                for member in self._known.plan.members(source)
                if member in near
            ]
            own = near.get(key, ledger.NOTHING_NEAR)
            grid = self._known.plan.history(key).grid
            result[key] = ledger.widened(grid, window, own, sent[self._known.ids[key]], members)
        return result

    async def _compute(self, connection: Connection, windows: Windows, done: Computed) -> Computed:
        windows = await self._kept.of(connection, windows)
        if not windows:
            return done
        everything, sources = ledger.with_members(self._known.plan, windows)
        hours = await self.hours(connection, everything, sources)
        return done.plus(hours.readings, *await self._write(connection, hours, everything, sources))

    async def hours(
        self, connection: Connection, everything: Windows, sources: Mapping[SourceKey, Window]
    ) -> Hours:
        """The hours of windows and sources (`kernel.measure` says of which), read and computed; nothing is
        written. Raises psycopg.Error."""
        await self._known.find(connection, everything)
        near = await self._near(connection, everything)
        batches: list[Readings] = []
        count = 0
        for kind, keys in by_kind(everything).items():
            raw = await self._read(connection, kind, {key: everything[key] for key in keys}, near)
            count += len(raw.time)
            batches.append(self._batch(kind, keys, raw))
            self._note_received(batches[-1])
        draft = measure(self._known.plan, batches, everything, sources)
        stored = await stack_hours.histories(connection, draft, self._known.sources, self._known.ids)
        rows = complete(draft, stored)
        traced = lineages(self._known.plan, self._known.recipes, batches, rows.emission_hours)
        return Hours(count, rows, traced)

    async def _near(self, connection: Connection, windows: Windows) -> dict[DeviceKey, Near]:
        """The neighbours of those that have an id."""
        result: dict[DeviceKey, Near] = {}
        for kind, keys in by_kind(windows).items():
            stretches = {
                self._known.ids[key]: self._known.stretch(key, windows[key])
                for key in keys
                if key in self._known.ids
            }
            found = ledger.by_device(await neighbours(connection, kind, list(stretches.values())))
            near = {device_id: found.get(device_id, ledger.NOTHING_NEAR) for device_id in stretches}
            around = list(stretches.values())
            for device_id, time in (await last_before(connection, kind, around)).items():
                near[device_id] = near[device_id]._replace(heard_before=to_us(time))
            for device_id, time in (await first_after(connection, kind, around)).items():
                near[device_id] = near[device_id]._replace(heard_after=to_us(time))
            result |= {key: near[self._known.ids[key]] for key in keys if key in self._known.ids}
        return result

    async def _read(
        self, connection: Connection, kind: Kind, windows: Windows, near: Mapping[DeviceKey, Near]
    ) -> RawReadings:
        stretches: list[Stretch] = []
        repeating: dict[DeviceKey, list[Stretch]] = {}
        for key, window in windows.items():
            if key not in self._known.ids:
                continue
            history = self._known.plan.history(key)
            needed = ledger.needed(history, window, near.get(key, ledger.NOTHING_NEAR))
            of_device = [self._known.stretch(key, each) for each in needed]
            if history.repeats_frames:
                repeating[key] = of_device
            else:
                stretches += of_device
        for key, of_device in repeating.items():
            earlier = await backed_up(connection, kind, of_device, ledger.REPEAT_READINGS)
            again = ledger.disjoint(Window(to_us(each.begin), to_us(each.end)) for each in earlier)
            stretches += [self._known.stretch(key, each) for each in again]
        return await read_readings(connection, kind, stretches, self._known.sent)

    def _batch(self, kind: Kind, keys: list[DeviceKey], raw: RawReadings) -> Readings:
        index = {self._known.ids[key]: number for number, key in enumerate(keys) if key in self._known.ids}
        # Ids are given one after the other: a table of them is small, and looking into it is quick.
        table = np.zeros(max(index, default=0) + 1, np.int64)
        table[list(index)] = list(index.values())
        readings = make_readings(
            kind,
            keys,
            table[raw.device_id],
            raw.time,
            raw.values,
            raw.status,
            raw.quantity_status,
            raw.seq,
            raw.received_at,
        )
        return self._known.corrections.overlay.applied(readings)

    async def _write(
        self,
        connection: Connection,
        hours: Hours,
        windows: Windows,
        sources: Mapping[SourceKey, Window],
    ) -> list[Written]:
        rows, traced = hours.rows, hours.lineages
        devices = [self._known.span(key, each) for key, each in windows.items() if key in self._known.ids]
        of_sources = [self._known.source_span(key, each) for key, each in sources.items()]
        self.written_sources += of_sources
        self.written_devices += devices
        judged, substituted = self._known.stacks
        of_stacks = [self._known.source_span(key, each) for key, each in sources.items() if key in judged]
        await keep_recipes(connection, traced.recipes)
        calculation_id = await keep_calculation(connection, calculation(), self._known.registry_version)
        return [
            await write_device_hours(connection, rows.device_hours, self._known.ids, devices),
            await write_energy_hours(connection, rows.energy_hours, self._known.ids, devices),
            await write_emission_hours(
                connection,
                rows.emission_hours,
                self._known.sources,
                of_sources,
                traced.rows,
                calculation_id,
            ),
            await write_findings(connection, rows.findings, self._known.ids, devices),
            await stack_hours.write(
                connection, rows.stack_hours, self._known.sources, self._known.ids, of_stacks, substituted
            ),
        ]

    def _note_received(self, readings: Readings) -> None:
        if readings.received is None or not len(readings):
            return
        first = np.flatnonzero(np.diff(readings.device, prepend=-1))
        newest = np.maximum.reduceat(readings.received, first)
        for device, at in zip(readings.device[first].tolist(), newest.tolist(), strict=True):
            device_id = self._known.ids[readings.devices[device]]
            self.received[device_id] = max(at, self.received.get(device_id, at))
