"""The live stream: what each reading in order emits, by the formulas and factors of the ledger.

Only readings newer than their device's last stored one are converted, and the rest of that one, where it
comes in parts. The rate comes from the rate quantity where it is there and valid, else from the register's
movement since its last value, else from the rate held from before; what a reading does not name holds as
gauges do. A reading that lacks something of which nothing is held makes no row: the rest of it may. Rows are
never restated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from services.domain.conversion import Conversion, SourceKey, change_points, compile_conversions
from services.domain.factors import FactorBook
from services.domain.ledger.hours import SECOND_US, HourGrid, IntArray, from_us, to_us
from services.domain.ledger.rules import DeviceHistory, compile_history
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status, quantity
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.domain.stack import Evidence
from services.ingest.gauges import UNKNOWN_US, Entries, Sent
from services.ingest.rates import Group, Member, Rates, known_members
from services.ingest.status import words_of
from services.store.live import LiveBlock
from services.store.reading_columns import ReadingColumns

_VALID: Final = STATUS_CODES[Status.VALID]
# Where the registry names no interval: two readings of a register are neighbours within a quarter hour.
_HOLD_US: Final = 900 * SECOND_US
_NO_INSTANTS: Final = np.empty(0, np.int64)


class Lookup(NamedTuple):
    """Register values that live rates need from the database."""

    kind: Kind
    quantity: str
    before: dict[int, datetime]
    """By device id: the last one before that instant."""
    reach_s: float


@dataclass(slots=True)
class Selection:
    """What of a batch is to be converted, as arrays."""

    fresh: ReadingColumns
    sent: Sent
    entries: list[tuple[Group, Entries]]


@dataclass(slots=True)
class Converted:
    """Rows of the live stream, and what to remember once they are committed."""

    blocks: list[LiveBlock] = field(default_factory=list)
    rates: list[tuple[Group, Rates]] = field(default_factory=list)


class References(NamedTuple):
    """What live rates follow from, as it is in the database."""

    registry: Registry
    factors: FactorBook
    device_ids: Mapping[DeviceKey, int]
    source_ids: Mapping[SourceKey, int]


class LiveConverter:
    """Converts readings by one version of registry and factors, as they are in force at one instant."""

    def __init__(self, references: References, at: datetime) -> None:
        self._groups: dict[Kind, list[Group]] = defaultdict(list)
        for alike, members in _members(references, at).items():
            self._groups[alike.kind].append(Group(alike.kind, members[0].conversion.formula, members))

    def inherit(self, before: LiveConverter) -> None:
        """Take over what is remembered of registers and gauges that are still there."""
        remembered = {
            (int(group.device_ids[member]), group.quantities[member]): (
                group.last_us[member],
                group.last_value[member],
            )
            for group in before._all_groups()
            for member in np.flatnonzero(known_members(group)).tolist()
        }
        for group in self._all_groups():
            for member, key in enumerate(zip(group.device_ids.tolist(), group.quantities, strict=True)):
                if key in remembered:
                    group.last_us[member], group.last_value[member] = remembered[key]
        for kind, groups in self._groups.items():
            gauges = dict(chain.from_iterable(group.remembered_gauges() for group in before._groups[kind]))
            for group in groups:
                group.take_over_gauges(gauges)

    def select(self, fresh: ReadingColumns) -> Selection | None:
        """What of these readings feeds an emission source; None where nothing does.

        They are newer than their devices' last stored ones; each device's are in the order of time.
        """
        found = [(group, group.entries(fresh.device_ids)) for group in self._groups.get(fresh.kind, ())]
        chosen = [(group, entries) for group, entries in found if entries.rows.size]
        return Selection(fresh, _sent(fresh), chosen) if chosen else None

    def _all_groups(self) -> Iterator[Group]:
        return chain.from_iterable(self._groups.values())

    def convert(self, selection: Selection) -> Converted:
        """The live rows of a selection. Remembers nothing yet."""
        converted = Converted()
        for group, entries in selection.entries:
            rates = group.convert(entries, selection.sent, selection.fresh.times_us)
            converted.blocks += _blocks(group, rates, selection.fresh.times_us)
            converted.rates.append((group, rates))
        return converted


def lookups(selection: Selection) -> Iterator[Lookup]:
    """The register values to look up before `convert`: those a movement needs and nobody remembers."""
    fresh = selection.fresh
    wanted: dict[str, dict[int, datetime]] = defaultdict(dict)
    reach_us = _HOLD_US
    for group, entries in selection.entries:
        for member in group.wanted(entries, selection.sent.values):
            row = entries.rows[np.flatnonzero(entries.members == member)[0]]
            device_id = int(group.device_ids[member])
            wanted[group.quantities[member]][device_id] = from_us(int(fresh.times_us[row]))
            reach_us = max(reach_us, int(group.hold_us[member]))
    for name, before in wanted.items():
        yield Lookup(fresh.kind, name, before, reach_us / SECOND_US)


def take(selection: Selection, lookup: Lookup, found: Mapping[int, tuple[datetime, float]]) -> None:
    """Remember what a look-up found, and that it need not be asked again."""
    for group, entries in selection.entries:
        for member in sorted(set(entries.members.tolist())):
            device_id = int(group.device_ids[member])
            if group.quantities[member] != lookup.quantity or device_id not in lookup.before:
                continue
            group.asked[member] = True
            if device_id in found:
                time, value = found[device_id]
                group.last_us[member], group.last_value[member] = to_us(time), value


def keep(converted: Converted) -> None:
    """The rows are committed: remember registers and gauges."""
    for group, rates in converted.rates:
        group.remember(rates)


class _Alike(NamedTuple):
    """What the conversions of a group have in common."""

    kind: Kind
    formula: str
    evidence: tuple[str, tuple[Evidence, ...]] | None
    """Of standstill, with the flow that it silences; None for nearly all."""


def _members(references: References, at: datetime) -> dict[_Alike, list[Member]]:
    """The conversions in force, with device and source known to the database, by group."""
    found: dict[_Alike, list[Member]] = defaultdict(list)
    grid = HourGrid(UTC)
    for device, conversions in compile_conversions(references.registry, references.factors, at).items():
        device_id = references.device_ids.get(device)
        if device_id is None:
            continue
        history = _history(references.registry, device, grid)
        for conversion in conversions:
            source_id = references.source_ids.get(conversion.source)
            if source_id is not None:
                member = _member(conversion, device_id, source_id, history, at)
                evidence = (conversion.quantity, conversion.evidence) if conversion.evidence else None
                found[_Alike(device.kind, conversion.formula.name, evidence)].append(member)
    return found


def _history(registry: Registry, device: DeviceKey, grid: HourGrid) -> DeviceHistory:
    site = registry.sites[device.site]
    ref = f"{device.kind}/{device.device}"
    return compile_history(site, ref, site.devices[ref], grid, _NO_INSTANTS)


def _member(
    conversion: Conversion, device_id: int, source_id: int, history: DeviceHistory, at: datetime
) -> Member:
    rules = [period for period in history.periods if period.start <= at][-1]
    register = rules.registers.get(conversion.quantity)
    replaced = [each.at_us for each in history.replacements.get(conversion.quantity, ())]
    past = [at_us for at_us in replaced if at_us <= to_us(at)]
    return Member(
        conversion=conversion,
        device_id=device_id,
        source_id=source_id,
        is_register=quantity(conversion.device.kind, conversion.quantity).register,
        modulus=register.modulus if register else None,
        resolution=register.resolution if register else None,
        max_per_h=register.max_per_h if register else None,
        interval_us=rules.interval_us,
        hold_us=rules.hold_us or _HOLD_US,
        gauge_hold_us=0 if rules.interval_mean else rules.hold_us,
        replaced_us=max(past, default=UNKNOWN_US),
    )


def _sent(fresh: ReadingColumns) -> Sent:
    """What the readings say; a last column stands for quantities that the kind has not."""
    values = fresh.values
    odd = np.flatnonzero(fresh.statuses != _VALID).tolist()
    if fresh.has_words:
        worded = [row for row, each in enumerate(fresh.readings) if each.quantity_status is not None]
        odd = sorted({*odd, *worded})
    if not odd:
        return Sent(values, values, None)
    counting, values = values.copy(), values.copy()
    silenced, stopped = np.zeros(values.shape, np.bool_), np.zeros(values.shape, np.bool_)
    for row in odd:
        words = words_of(fresh.readings[row])
        for column, name in enumerate(NAMES[fresh.kind]):
            word = words.get(name, Status.VALID)
            if word != Status.VALID:
                values[row, column] = np.nan
                silenced[row, column] = True
                stopped[row, column] = word == Status.STOPPED
                if word != Status.MANUAL:
                    counting[row, column] = np.nan
    return Sent(values, counting, silenced, fresh.values, stopped)


def _blocks(group: Group, rates: Rates, times_us: IntArray) -> Iterator[LiveBlock]:
    """One block for each basis of the group: nearly always one."""
    rows, members = rates.entries
    for code, word in enumerate(group.bases):
        chosen: IntArray | slice = slice(None)
        if len(group.bases) > 1:
            chosen = np.flatnonzero(group.basis[members] == code)
        yield LiveBlock(
            group.source_ids[members[chosen]],
            group.device_ids[members[chosen]],
            times_us[rows[chosen]],
            word,
            rates.co2_kg_per_h[chosen],
            rates.co2e_kg_per_h[chosen],
            group.factor_ids[members[chosen]],
        )


def next_change(registry: Registry, factors: FactorBook, at: datetime, until: datetime) -> datetime:
    """When conversions compiled at `at` may be out of date, at the latest `until`."""
    events = [event.at for site in registry.sites.values() for event in site.events if event.at > at]
    return min([until, *events, *change_points(registry, factors, at, until)])
