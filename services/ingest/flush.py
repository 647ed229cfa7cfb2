"""One transaction: everything that a list of units does to the database, and the account of it."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import numpy as np

from services.domain.ledger.hours import IntArray
from services.domain.outcome import Reason
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.ingest.convert import Converted, Fresh, LiveConverter, lookups, take
from services.ingest.decode import DROPPED_EXTRA
from services.ingest.letters import Letters
from services.ingest.message import Decoded, Received, Rejected, Rejection, StateUnit
from services.ingest.plan import Meeting, Met, OfKind, Parted
from services.store.dead_letters import keep_dead_letters
from services.store.devices import count_new_devices, create_devices, find_devices, set_states
from services.store.live import copy_live, missing_live
from services.store.pool import Connection
from services.store.readings import (
    Stored,
    compare_readings,
    copy_readings,
    last_register_values,
    mark_dirty,
    newest_times,
    reading_row,
    update_readings,
)
from services.store.totals import add_totals

MAX_NEW_DEVICES_PER_HOUR: Final = 1000
"""Of a site, the registered ones apart (contract, section 2)."""

_Said = TypeVar("_Said", Received, StateUnit)

NOTHING_STORED: Final = Stored(frozenset(), {})

_JUST_BEFORE: Final = timedelta(microseconds=1)
_US: Final = 1_000_000
_QUARTER_S: Final = 900
_NONE: Final = np.empty(0, np.int64)


@dataclass(slots=True)
class Known:
    """What ingest remembers of devices: only what was committed."""

    ids: dict[DeviceKey, int] = field(default_factory=dict)
    newest: dict[int, datetime] = field(default_factory=dict)
    """The last stored time of a device, by id, or an earlier instant after which nothing of it is stored."""

    def learn(self, ids: Mapping[DeviceKey, int], newest: Mapping[int, datetime]) -> None:
        """These were committed."""
        self.ids.update(ids)
        self.newest.update(newest)

    def forget(self, units: Iterable[Decoded]) -> None:
        """Somebody else wrote readings of these devices: look again what is there."""
        for unit in units:
            if isinstance(unit, Received):
                self.newest.pop(self.ids.get(unit.reading.device, 0), None)


@dataclass(slots=True)
class Account:
    """What one transaction did."""

    stored: int = 0
    duplicate: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    refused: list[tuple[Decoded, Rejection]] = field(default_factory=list)
    """What was rejected and why; also what counts as a duplicate, because its dead letter is kept already."""
    repeated: list[Decoded] = field(default_factory=list)
    """What counts as a duplicate."""
    with_unknown_fields: int = 0
    unknown_fields_dropped: int = 0
    ids: dict[DeviceKey, int] = field(default_factory=dict)
    newest: dict[int, datetime] = field(default_factory=dict)
    live: list[Converted] = field(default_factory=list)


class Flush:
    """Writes units on a connection, in its transaction, which the caller commits."""

    def __init__(self, connection: Connection, client: str, known: Known, live: LiveConverter) -> None:
        self._connection = connection
        self._client = client
        self._known = known
        self._live = live
        self._account = Account()
        self._created: dict[DeviceKey, int] = {}
        self._dirty: list[tuple[IntArray, IntArray]] = []

    async def write(self, units: Sequence[Decoded]) -> Account:
        """Write all units. Raises psycopg.Error; a UniqueViolation says that `known` is out of date."""
        self._account.refused = [(unit, unit.rejection) for unit in units if type(unit) is Rejected]
        states = [unit for unit in units if type(unit) is StateUnit]
        parted = Parted()
        readings = [unit for unit in units if type(unit) is Received]
        unknown = parted.add(readings, self._known.ids, self._known.newest)
        ids = await self._device_ids(unknown, states)
        states = self._admitted(states, ids)
        admitted = self._admitted(unknown, ids)
        if admitted:
            parted.add(admitted, ids, await self._look_up_newest(admitted, ids))
        newest = ChainMap(parted.newest, self._account.newest, self._known.newest)
        for kind, part in parted.of_kind.items():
            await self._write_readings(kind, part, newest)
        await self._mark_dirty()
        await self._write_states(states, ids)
        await self._write_letters()
        await self._write_totals()
        self._account.newest |= parted.newest
        return self._account

    async def _device_ids(self, unknown: list[Received], states: list[StateUnit]) -> Mapping[DeviceKey, int]:
        """The ids of devices, new ones created; those beyond their site's quota are missing."""
        known = self._known.ids
        wanted = [unit.reading.device for unit in unknown] + [unit.change.device for unit in states]
        strange = dict.fromkeys(key for key in wanted if key not in known)
        if not strange:
            return known
        found = await find_devices(self._connection, strange)
        admitted = await self._within_quota([key for key in strange if key not in found])
        if admitted:
            self._created = await create_devices(self._connection, admitted)
            found |= self._created
        self._account.ids = found
        return ChainMap(found, known)

    async def _within_quota(self, new: list[DeviceKey]) -> list[DeviceKey]:
        """The first of the new devices, up to the quota of each site."""
        if not new:
            return []
        counts = Counter(await count_new_devices(self._connection, {key.site for key in new}))
        admitted = []
        for key in new:
            counts[key.site] += 1
            if counts[key.site] <= MAX_NEW_DEVICES_PER_HOUR:
                admitted.append(key)
        return admitted

    def _admitted(self, units: list[_Said], ids: Mapping[DeviceKey, int]) -> list[_Said]:
        """The units of devices within their site's quota; the others are refused."""
        refused = [unit for unit in units if _device(unit) not in ids]
        self._account.refused += [(unit, _quota(_device(unit).site)) for unit in refused]
        return [unit for unit in units if _device(unit) in ids]

    async def _look_up_newest(
        self, units: list[Received], ids: Mapping[DeviceKey, int]
    ) -> Mapping[int, datetime]:
        """The last stored time of devices of which it is not known, by id."""
        first: dict[DeviceKey, datetime] = {}
        for unit in units:
            device, time = unit.reading.device, unit.reading.time
            first[device] = min(time, first.get(device, time))
        newest = {ids[device]: time - _JUST_BEFORE for device, time in first.items()}
        now = max(unit.message.received_at for unit in units)
        for kind in {device.kind for device in first}:
            since = {
                ids[device]: time
                for device, time in first.items()
                if device.kind is kind and device not in self._created
            }
            if since:
                newest |= await newest_times(self._connection, kind, since, now)
        self._account.newest |= newest
        return newest

    async def _write_readings(self, kind: Kind, part: OfKind, newest: Mapping[int, datetime]) -> None:
        """Store the readings of one kind, and the live emissions of those in order.

        `newest` has the newest time of each device, this batch included.
        """
        met = await self._meet(kind, part)
        rows = [
            *map(reading_row, part.device_ids, part.readings, part.received),
            *(reading_row(*late) for late in met.late),
        ]
        if rows:
            await copy_readings(self._connection, kind, rows)
        if met.updates:
            await update_readings(self._connection, kind, met.updates)
        times_us = _times_us(part.readings)
        if part.readings:
            await self._write_live(Fresh(kind, part.device_ids, part.readings, times_us))
        rest = [each for each in met.gained if each.reading.time == newest[each.device_id]]
        if rest:
            readings = [each.reading for each in rest]
            ids = [each.device_id for each in rest]
            await self._write_live(Fresh(kind, ids, readings, _times_us(readings)), completes=True)
        self._note(part, times_us, met)

    async def _meet(self, kind: Kind, part: OfKind) -> Met:
        if not part.suspects:
            return Met()
        meeting = Meeting(part)
        questions = meeting.questions()
        stored = await compare_readings(self._connection, kind, questions) if questions else NOTHING_STORED
        return meeting.hold(stored)

    async def _write_live(self, fresh: Fresh, *, completes: bool = False) -> None:
        """Write what readings emit; where they complete stored ones, only what those did not tell yet."""
        selection = self._live.select(fresh)
        if selection is None:
            return
        for lookup in lookups(selection):
            found = await last_register_values(
                self._connection, lookup.kind, lookup.quantity, lookup.before, lookup.reach_s
            )
            take(selection, lookup, found)
        converted = self._live.convert(selection)
        blocks = converted.blocks
        if completes:
            blocks = await missing_live(self._connection, blocks)
        await copy_live(self._connection, blocks)
        self._account.live.append(converted)

    def _note(self, part: OfKind, times_us: IntArray, met: Met) -> None:
        """Count what became of the readings, and which quarter hours they touched."""
        account = self._account
        account.stored += len(part.readings) + len(met.late) + met.merged
        account.duplicate += len(met.duplicates)
        account.repeated += met.duplicates
        account.refused += met.conflicts
        for reading in part.readings:
            if reading.extra is not None:
                account.with_unknown_fields += 1
                account.unknown_fields_dropped += reading.extra.startswith(DROPPED_EXTRA)
        late = [(device_id, reading.time) for device_id, reading, _ in met.late]
        late += [(device_id, reading.time) for device_id, reading in met.updates]
        self._dirty.append((np.array(part.device_ids, np.int64), times_us // (_QUARTER_S * _US)))
        self._dirty.append(
            (
                np.array([device_id for device_id, _ in late], np.int64),
                np.array([int(time.timestamp()) // _QUARTER_S for _, time in late], np.int64),
            )
        )

    async def _mark_dirty(self) -> None:
        device_ids = np.concatenate([ids for ids, _ in self._dirty] or [_NONE])
        if device_ids.size:
            quarters = np.concatenate([quarters for _, quarters in self._dirty])
            await mark_dirty(self._connection, device_ids, quarters)

    async def _write_states(self, states: list[StateUnit], ids: Mapping[DeviceKey, int]) -> None:
        """The last state of each device."""
        last = {ids[unit.change.device]: (unit.change.state, unit.message.received_at) for unit in states}
        if last:
            await set_states(self._connection, last)

    async def _write_letters(self) -> None:
        if not self._account.refused:
            return
        letters = Letters()
        made = [letters.of(unit, rejection) for unit, rejection in self._account.refused]
        kept = await keep_dead_letters(self._connection, self._client, made)
        self._account.rejected = Counter(Reason(letter.reason) for letter in kept)
        new = {id(letter) for letter in kept}
        self._account.repeated += [
            unit
            for (unit, _), letter in zip(self._account.refused, made, strict=True)
            if id(letter) not in new
        ]
        self._account.duplicate += len(made) - len(kept)

    async def _write_totals(self) -> None:
        account = self._account
        rejected = account.rejected.total()
        if account.stored or account.duplicate or rejected:
            await add_totals(
                self._connection,
                self._client,
                stored=account.stored,
                duplicate=account.duplicate,
                rejected=rejected,
            )


def _times_us(readings: Sequence[Reading]) -> IntArray:
    """Microseconds since 1970. A double holds seconds of this century to a quarter of one."""
    seconds = np.array([reading.time.timestamp() for reading in readings], np.float64)
    return np.rint(seconds * _US).astype(np.int64)


def _device(unit: Received | StateUnit) -> DeviceKey:
    return unit.change.device if isinstance(unit, StateUnit) else unit.reading.device


def _quota(site: str) -> Rejection:
    return Rejection(
        Reason.QUOTA,
        f"The site {site} has more than {MAX_NEW_DEVICES_PER_HOUR} new devices within an "
        "hour: register its devices, or correct their topics, and replay.",
    )
