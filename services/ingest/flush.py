"""One transaction: everything that a list of units does to the database, and the account of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

import numpy as np

from services.domain.ledger.hours import QUARTER_US, IntArray, from_us, to_us
from services.domain.outcome import Reason
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.ingest.again import settled_before
from services.ingest.beside import DROPPED_EXTRA
from services.ingest.convert import Converted, LiveConverter, Selection, lookups, take
from services.ingest.gauges import UNKNOWN_US
from services.ingest.known import Known, Newest
from services.ingest.letters import Letters
from services.ingest.message import Decoded, Received, Rejection, StateUnit
from services.ingest.plan import Meeting, Met, OfKind, columns_by_device, part
from services.store.dead_letters import keep_dead_letters
from services.store.devices import count_new_devices, create_devices, find_devices, set_states
from services.store.live import LiveBlock, copy_live, missing_live
from services.store.pool import Connection
from services.store.reading_columns import ReadingColumns, copy_readings
from services.store.readings import (
    Stored,
    compare_readings,
    last_register_values,
    mark_dirty,
    newest_times,
    update_readings,
)
from services.store.totals import add_totals
from services.store.unboxed import times_us

MAX_NEW_DEVICES_PER_HOUR: Final = 1000
"""Of a site, the registered ones apart (contract, section 2)."""

_Said = TypeVar("_Said", Received, StateUnit)

NOTHING_STORED: Final = Stored(frozenset(), {})


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
    newest: list[tuple[IntArray, IntArray]] = field(default_factory=list)
    """Device ids and their last stored times [us since 1970], the later ones last."""
    live: list[Converted] = field(default_factory=list)


class Flush:
    """Writes units on a connection, in its transaction, which the caller commits."""

    def __init__(self, connection: Connection, client: str, known: Known, live: LiveConverter) -> None:
        self._connection = connection
        self._client = client
        self._known = known
        self._live = live
        self._account = Account()
        self._created: set[int] = set()
        self._selected: Selection | None = None
        self._converted: Converted | None = None
        self._blocks: list[LiveBlock] = []
        self._dirty: list[ReadingColumns] = []

    async def write(self, units: Sequence[Decoded]) -> Account:
        """Write all units. Raises psycopg.Error; a UniqueViolation says that `known` is out of date."""
        units = await self._not_settled(units)
        of_kind: dict[Kind, list[Received]] = {kind: [] for kind in Kind}
        states = []
        for unit in units:
            if isinstance(unit, Received):
                of_kind[unit.device.kind].append(unit)
            elif isinstance(unit, StateUnit):
                states.append(unit)
            else:
                self._account.refused.append((unit, unit.rejection))
        for kind, received in of_kind.items():
            parted = await self._part(kind, received)
            if parted is not None:
                await self._write_readings(parted)
        if self._blocks:
            await copy_live(self._connection, self._blocks)
        await self._mark_dirty()
        await self._write_states(states)
        await self._write_letters()
        await self._write_totals()
        return self._account

    async def _not_settled(self, units: Sequence[Decoded]) -> Sequence[Decoded]:
        """All but those delivered again that are kept in another form than they would be now: duplicates."""
        again = [unit for unit in units if unit.message.redelivered]
        if not again:
            return units
        settled = await settled_before(self._connection, again)
        self._account.repeated += settled
        self._account.duplicate += len(settled)
        passed = {id(unit) for unit in settled}
        return [unit for unit in units if id(unit) not in passed]

    async def _device_ids(self, units: Sequence[Received | StateUnit]) -> Mapping[DeviceKey, int]:
        """The ids of devices, new ones created; those beyond their site's quota are missing."""
        known = {**self._known.ids, **self._account.ids}
        strange = dict.fromkeys(unit.device for unit in units if unit.device not in known)
        if not strange:
            return known
        found = await find_devices(self._connection, strange)
        admitted = await self._within_quota([key for key in strange if key not in found])
        if admitted:
            created = await create_devices(self._connection, admitted)
            self._created.update(created.values())
            found |= created
        self._account.ids |= found
        return known | found

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
        refused = [unit for unit in units if unit.device not in ids]
        self._account.refused += [(unit, _quota(unit.device.site)) for unit in refused]
        return [unit for unit in units if unit.device in ids]

    async def _part(self, kind: Kind, units: list[Received]) -> OfKind | None:
        """Part the readings of a kind, but for devices beyond their site's quota; None where none is left."""
        known = self._known.ids
        found = [known.get(unit.device, 0) for unit in units]
        if 0 in found:
            ids = await self._device_ids(units)
            units = self._admitted(units, ids)
            found = [ids[unit.device] for unit in units]
        if not units:
            return None
        device_ids = np.array(found, np.int64)
        times = times_us([unit.time for unit in units])
        newest_us = self._known.newest.of(device_ids)
        unknown = np.flatnonzero(newest_us == UNKNOWN_US)
        if unknown.size:
            now = units[-1].message.received_at
            newest_us[unknown] = await self._look_up_newest(kind, device_ids[unknown], times[unknown], now)
        return part(kind, units, device_ids, times, newest_us)

    async def _look_up_newest(
        self, kind: Kind, device_ids: IntArray, times: IntArray, now: datetime
    ) -> IntArray:
        """The last stored time [us since 1970] of devices of which it is not known, for each of `times`; just
        before the first of them where nothing later is stored."""
        ids, of_device = np.unique(device_ids, return_inverse=True)
        first = np.full(len(ids), np.iinfo(np.int64).max)
        np.minimum.at(first, of_device, times)
        newest = first - 1
        since = {
            device_id: from_us(time_us)
            for device_id, time_us in zip(ids.tolist(), first.tolist(), strict=True)
            if device_id not in self._created
        }
        if since:
            found = await newest_times(self._connection, kind, since, now)
            newest[np.searchsorted(ids, list(found))] = times_us(list(found.values()))
        self._account.newest.append((ids, newest))
        return newest[of_device]

    async def _write_readings(self, of_kind: OfKind) -> None:
        """Store the readings of one kind, and the live emissions of those in order."""
        met = await self._meet(of_kind)
        columns = await copy_readings(self._connection, of_kind.pieces(), self._select)
        late = met.late_columns(of_kind.kind)
        if late is not None:
            await copy_readings(self._connection, [late])
        updates = columns_by_device(of_kind.kind, met.updates)
        if updates is not None:
            await update_readings(self._connection, updates)
        await self._convert_selected()
        self._account.newest.append(of_kind.newest())
        rest = columns_by_device(of_kind.kind, self._of_newest(met.gained))
        if rest is not None:
            self._select(rest)
            await self._convert_selected(completes=True)
        self._count(columns, met)
        self._dirty += [each for each in (columns, late, updates) if each is not None]

    def _of_newest(self, gained: list[tuple[int, Reading]]) -> list[tuple[int, Reading]]:
        """What the newest readings of devices gained, this batch included, of what all gained."""
        if not gained:
            return []
        newest = Newest()
        ids = np.array([device_id for device_id, _ in gained], np.int64)
        newest.learn(ids, self._known.newest.of(ids))
        for learned in self._account.newest:
            newest.learn(*learned)
        return [
            each
            for each, newest_us in zip(gained, newest.of(ids).tolist(), strict=True)
            if to_us(each[1].time) == newest_us
        ]

    async def _meet(self, of_kind: OfKind) -> Met:
        if not of_kind.suspects.size:
            return Met()
        meeting = Meeting(of_kind)
        questions = meeting.questions()
        stored = NOTHING_STORED if questions is None else await compare_readings(self._connection, questions)
        return meeting.hold(stored)

    def _select(self, fresh: ReadingColumns) -> None:
        """Convert what these readings emit, unless the database must be asked first: it is busy with them."""
        self._selected = self._live.select(fresh)
        if self._selected is not None and next(lookups(self._selected), None) is None:
            self._converted, self._selected = self._live.convert(self._selected), None

    async def _convert_selected(self, *, completes: bool = False) -> None:
        """Note what readings emit; where they complete stored ones, only what those did not tell yet."""
        selection, converted = self._selected, self._converted
        self._selected = self._converted = None
        if selection is not None:
            for lookup in lookups(selection):
                found = await last_register_values(
                    self._connection, lookup.kind, lookup.quantity, lookup.before, lookup.reach_s
                )
                take(selection, lookup, found)
            converted = self._live.convert(selection)
        if converted is not None:
            blocks = converted.blocks
            self._blocks += await missing_live(self._connection, blocks) if completes else blocks
            self._account.live.append(converted)

    def _count(self, columns: ReadingColumns | None, met: Met) -> None:
        """Count what became of the readings of one kind."""
        account = self._account
        in_order = [] if columns is None else columns.readings
        account.stored += len(in_order) + len(met.late) + met.merged
        account.duplicate += len(met.duplicates)
        account.repeated += met.duplicates
        account.refused += met.conflicts
        if columns is not None and columns.has_words:
            extras = [each.extra for each in in_order if each.extra is not None]
            account.with_unknown_fields += len(extras)
            account.unknown_fields_dropped += sum(each.startswith(DROPPED_EXTRA) for each in extras)

    async def _mark_dirty(self) -> None:
        """Note which quarter hours of which devices the readings touched."""
        if self._dirty:
            device_ids = np.concatenate([each.device_ids for each in self._dirty])
            times = np.concatenate([each.times_us for each in self._dirty])
            await mark_dirty(self._connection, device_ids, times // QUARTER_US)

    async def _write_states(self, states: list[StateUnit]) -> None:
        """The last state of each device."""
        ids = await self._device_ids(states) if states else {}
        admitted = self._admitted(states, ids)
        last = {ids[unit.change.device]: (unit.change.state, unit.message.received_at) for unit in admitted}
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


def _quota(site: str) -> Rejection:
    return Rejection(
        Reason.QUOTA,
        f"The site {site} has more than {MAX_NEW_DEVICES_PER_HOUR} new devices within an "
        "hour: register its devices, or correct their topics, and replay.",
    )
