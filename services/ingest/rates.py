"""One formula over many devices: the arrays of its conversions, and what is remembered of their devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.conversion import Conversion
from services.domain.formulas import Formula
from services.domain.ledger.hours import HOUR_US, BoolArray, IntArray
from services.domain.ledger.registers import movements, too_much
from services.domain.quantities import NAMES, Kind
from services.ingest.gauges import (
    ABSENT,
    UNKNOWN_US,
    Entries,
    Gauge,
    Last,
    Remembered,
    Runs,
    Sent,
    Shown,
    runs_of,
    was_sent,
)
from services.ingest.standstill import Standstill

_NO_MEMBER: Final = -1


@dataclass(frozen=True, slots=True)
class Member:
    """One conversion of one device, with what its register's steps are judged by."""

    conversion: Conversion
    device_id: int
    source_id: int
    is_register: bool
    modulus: float | None
    resolution: float | None
    max_per_h: float | None
    interval_us: int
    hold_us: int
    """How far apart two readings of a register may be to be neighbours."""
    gauge_hold_us: int
    """How long the value of a gauge holds; 0 where for its own instant alone."""
    replaced_us: int
    """When the register was last replaced; UNKNOWN_US where never."""


class Rates(NamedTuple):
    """What a group's readings emit, for the entries that bring what their conversion needs."""

    entries: Entries
    co2_kg_per_h: FloatArray
    """NaN where unknown."""
    co2e_kg_per_h: FloatArray
    """NaN where unknown."""
    registers: Last
    gauges: list[Last]


class Group:
    """All conversions of one kind with one formula, and one evidence of standstill where there is any."""

    def __init__(self, kind: Kind, formula: Formula, members: Sequence[Member]) -> None:
        names = {name: column for column, name in enumerate(NAMES[kind])}
        conversions = [member.conversion for member in members]
        self._formula = formula
        self.device_ids = np.array([member.device_id for member in members], np.int64)
        self.source_ids = np.array([member.source_id for member in members], np.int64)
        self.bases = tuple(dict.fromkeys(each.basis for each in conversions))
        """The ways in which the members are counted; each member has the number of its own in `basis`."""
        self.basis = np.array([self.bases.index(each.basis) for each in conversions], np.int64)
        self.factor_ids = _optional([each.factor.factor_id for each in conversions])
        self.quantities = [each.quantity for each in conversions]
        self._is_register = np.array([member.is_register for member in members], np.bool_)
        self._register = _columns(names, [each.quantity for each in conversions])
        self._direct = _columns(
            names,
            [
                each.rate_quantity if member.is_register else each.quantity
                for member, each in zip(members, conversions, strict=True)
            ],
        )
        self._inputs = [
            _columns(names, [each.inputs[number] for each in conversions])
            for number in range(len(formula.inputs))
        ]
        self._params = _parameters([each.params for each in conversions])
        self._direct_params = _parameters(
            [
                each.rate_params if member.is_register else each.params
                for member, each in zip(members, conversions, strict=True)
            ]
        )
        self._co2 = np.array([each.factor.co2_kg_per_unit for each in conversions], np.float64)
        self._co2e = np.array([each.factor.co2e_kg_per_unit for each in conversions], np.float64)
        self._modulus = _optional([member.modulus for member in members])
        self._resolution = _optional([member.resolution for member in members])
        self._max_per_h = _optional([member.max_per_h for member in members])
        self._interval_us = np.array([member.interval_us for member in members], np.int64)
        self.hold_us = np.array([member.hold_us for member in members], np.int64)
        self._replaced_us = np.array([member.replaced_us for member in members], np.int64)
        gauge_hold_us = np.array([member.gauge_hold_us for member in members], np.int64)
        self._gauges = [Gauge(columns, gauge_hold_us) for columns in (self._direct, *self._inputs)]
        self._standstill: Standstill | None = None
        if conversions[0].evidence:
            self._standstill = Standstill(kind, conversions[0].quantity, conversions[0].evidence)
            self._gauges.append(Gauge(np.full(len(members), self._standstill.column), gauge_hold_us))
        self._layers = _layers(self.device_ids)
        self.last_us = np.full(len(members), UNKNOWN_US, np.int64)
        self.last_value = np.full(len(members), np.nan)
        self.asked = ~self._is_register

    def entries(self, device_ids: IntArray) -> Entries:
        """Which rows, by device id, go through which members: through none, one, or more."""
        found = [np.take(layer, device_ids, mode="clip") for layer in self._layers]
        rows = [np.flatnonzero(members != _NO_MEMBER) for members in found]
        members = [of_layer[chosen] for of_layer, chosen in zip(found, rows, strict=True)]
        all_rows, all_members = np.concatenate(rows), np.concatenate(members)
        order = np.argsort(all_members, kind="stable")
        return Entries(all_rows[order], all_members[order])

    def wanted(self, entries: Entries, values: FloatArray) -> list[int]:
        """The members whose last register value must be looked up: unknown, never asked for, and needed."""
        rows, members = entries
        unknown = ~self.asked[members] & (self.last_us[members] == UNKNOWN_US)
        needed = unknown & np.isnan(values[rows, self._direct[members]])
        return sorted(set(members[needed].tolist()))

    def convert(self, entries: Entries, sent: Sent, times_us: IntArray) -> Rates:
        """What the readings of these entries emit. Remembers nothing yet."""
        runs = runs_of(entries, times_us)
        if self._standstill is not None:
            sent = self._standstill.seen_in(sent)
        shown = [gauge.show(entries, runs, sent) for gauge in self._gauges]
        direct, *inputs = shown[: 1 + len(self._inputs)]
        moved, registers, counted = self._movement_per_h(entries, runs, sent)
        held = [shown.values for shown in inputs]
        activity = self._evaluate(direct.values, held, entries.members, self._direct_params)
        # What a register did up to now says more than a rate that is held from before.
        some = np.flatnonzero(~direct.now & ~np.isnan(moved))
        if some.size:
            activity[some] = self._evaluate(
                moved[some], [each[some] for each in held], entries.members[some], self._params
            )
        if self._standstill is not None:
            activity[shown[-1].values == 1.0] = 0.0
        told = self._told(activity, direct, inputs, counted)
        if not told.all():
            entries, activity = Entries(entries.rows[told], entries.members[told]), activity[told]
        co2, co2e = (activity * factor[entries.members] for factor in (self._co2, self._co2e))
        return Rates(entries, co2, co2e, registers, [each.last for each in shown])

    def _told(
        self, activity: FloatArray, direct: Shown, inputs: Sequence[Shown], counted: BoolArray
    ) -> BoolArray:
        """Which entries make a row: those that bring something of the conversion's own, and lack nothing.

        What was sent and is not valid lacks nothing: it makes a row that is unknown.
        """
        quantities = [direct, *inputs]
        own: BoolArray = np.logical_or.reduce([counted, *(shown.sent for shown in quantities)])
        unknown = np.isnan(activity)
        if not unknown.any():
            return own
        nothing = [np.isnan(shown.values) for shown in quantities]
        spoilt = [shown.sent & is_nan for shown, is_nan in zip(quantities, nothing, strict=True)]
        lacking = [
            is_nan
            for is_nan, name in zip(nothing[1:], self._formula.inputs, strict=True)
            if name not in self._formula.optional
        ]
        lacks = np.logical_or.reduce([nothing[0] & ~counted, *lacking])
        incomplete: BoolArray = unknown & lacks & ~np.logical_or.reduce(spoilt)
        return own & ~incomplete

    def remember(self, rates: Rates) -> None:
        """The readings are committed: note the last values of registers and gauges."""
        registers = rates.registers
        self.last_us[registers.members] = registers.times_us
        self.last_value[registers.members] = registers.values
        for gauge, last in zip(self._gauges, rates.gauges, strict=True):
            gauge.remember(last)

    def remembered_gauges(self) -> Iterator[tuple[tuple[int, int], tuple[int, float]]]:
        """What is remembered of gauges, by device id and column."""
        return chain.from_iterable(gauge.remembered(self.device_ids) for gauge in self._gauges)

    def take_over_gauges(self, found: Remembered) -> None:
        """Remember of gauges what another group of this kind did."""
        for gauge in self._gauges:
            gauge.take_over(self.device_ids, found)

    def _evaluate(
        self, x: FloatArray, inputs: Sequence[FloatArray], members: IntArray, params: FloatArray
    ) -> FloatArray:
        return self._formula.evaluate(x, inputs, [each[members] for each in params])

    def _movement_per_h(self, entries: Entries, runs: Runs, sent: Sent) -> tuple[FloatArray, Last, BoolArray]:
        """The movement per hour from each register value to the next of the same member, and where a reading
        says something of a register.
        """
        per_h = np.full(len(entries.rows), np.nan)
        column = self._register[entries.members]
        value = sent.counting[entries.rows, column]
        is_register = self._is_register[entries.members]
        said = is_register & was_sent(entries, column, value, sent.silenced)
        shown = np.flatnonzero(is_register & ~np.isnan(value))
        if shown.size == 0:
            return per_h, Last(shown, shown, np.empty(0)), said
        member, value, time = runs.members[shown], value[shown], runs.times_us[shown]
        first = np.r_[True, member[1:] != member[:-1]]
        before = np.where(first, self.last_value[member], np.r_[np.nan, value[:-1]])
        since = np.where(first, self.last_us[member], np.r_[UNKNOWN_US, time[:-1]])
        per_h[shown] = self._steps_per_h(member, before, value, since, time)
        last = np.r_[first[1:], True]
        return per_h, Last(member[last], time[last], value[last]), said

    def _steps_per_h(
        self, member: IntArray, before: FloatArray, value: FloatArray, since: IntArray, time: IntArray
    ) -> FloatArray:
        """Steps over their time; NaN where one is unknown, over a gap or replacement, or too large."""
        known = ~np.isnan(before) & (since > UNKNOWN_US)
        elapsed_us = np.where(known, time - np.where(known, since, 0), 0)
        amount, _ = movements(before, value, self._modulus[member], self._resolution[member])
        replaced = (since < self._replaced_us[member]) & (self._replaced_us[member] <= time)
        neighbours = known & (elapsed_us > 0) & (elapsed_us <= self.hold_us[member]) & ~replaced
        absurd = too_much(
            amount,
            self._max_per_h[member],
            self._resolution[member],
            elapsed_us,
            self._interval_us[member],
        )
        hours = np.where(neighbours, elapsed_us, HOUR_US) / HOUR_US
        return np.where(neighbours & ~absurd, amount / hours, np.nan)


def _layers(device_ids: IntArray) -> list[IntArray]:
    """Arrays from device id to member: the first has the first member of each device, and so on. The last
    element of each, which all larger ids are clipped to, is none.
    """
    layers: list[IntArray] = []
    depth: Counter[int] = Counter()
    for member, device_id in enumerate(device_ids.tolist()):
        if depth[device_id] == len(layers):
            layers.append(np.full(int(device_ids.max()) + 2, _NO_MEMBER, np.int64))
        layers[depth[device_id]][device_id] = member
        depth[device_id] += 1
    return layers


def known_members(group: Group) -> BoolArray:
    """Of which members a register value is remembered."""
    return np.asarray(group.last_us != UNKNOWN_US, np.bool_)


def _columns(names: dict[str, int], wanted: Sequence[str | None]) -> IntArray:
    return np.array([ABSENT if name is None else names.get(name, ABSENT) for name in wanted], np.int64)


def _parameters(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Parameters by number and member."""
    return np.array(rows, np.float64).T


def _optional(values: Sequence[float | None]) -> FloatArray:
    return np.array(values, np.float64)
