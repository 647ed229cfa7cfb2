"""One formula over many devices: the arrays of its conversions, and the memory of their registers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.conversion import Conversion
from services.domain.formulas import Formula
from services.domain.ledger.hours import HOUR_US, BoolArray, IntArray
from services.domain.ledger.registers import movements, too_much
from services.domain.quantities import NAMES, Kind

UNKNOWN_US: Final = np.iinfo(np.int64).min
"""No time: nothing is remembered of a register."""
_NO_MEMBER: Final = -1
ABSENT: Final = -1
"""Column of a quantity that the kind has not: the last of a matrix, which is all NaN."""


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
    replaced_us: int
    """When the register was last replaced; UNKNOWN_US where never."""


class Entries(NamedTuple):
    """Which rows of a batch go through which members of a group: parallel, a member's rows ascending."""

    rows: IntArray
    members: IntArray


class Registers(NamedTuple):
    """What to remember of registers, once the readings are committed: parallel arrays."""

    members: IntArray
    times_us: IntArray
    values: FloatArray


class Group:
    """All conversions of one kind with one formula."""

    def __init__(self, kind: Kind, formula: Formula, members: Sequence[Member]) -> None:
        names = {name: column for column, name in enumerate(NAMES[kind])}
        conversions = [member.conversion for member in members]
        self._formula = formula
        self.device_ids = np.array([member.device_id for member in members], np.int64)
        self.source_ids = np.array([member.source_id for member in members], np.int64)
        self.basis = np.array([each.basis or "" for each in conversions])
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
        used = np.concatenate([self._register, self._direct, *self._inputs])
        self.columns = frozenset(used[used != ABSENT].tolist())
        """The columns of the kind that these conversions look at."""
        self._layers = _layers(self.device_ids)
        self.last_us = np.full(len(members), UNKNOWN_US, np.int64)
        self.last_value = np.full(len(members), np.nan)
        self.asked = ~self._is_register

    def entries(self, device_ids: IntArray) -> Entries:
        """Which rows, by device id, go through which members: through none, one, or more."""
        found = [np.take(layer, device_ids, mode="clip") for layer in self._layers]
        rows = [np.flatnonzero(members != _NO_MEMBER) for members in found]
        members = [of_layer[chosen] for of_layer, chosen in zip(found, rows, strict=True)]
        return Entries(np.concatenate(rows), np.concatenate(members))

    def wanted(self, entries: Entries, values: FloatArray) -> list[int]:
        """The members whose last register value must be looked up: unknown, never asked for, and needed."""
        rows, members = entries
        unknown = ~self.asked[members] & (self.last_us[members] == UNKNOWN_US)
        needed = unknown & np.isnan(values[rows, self._direct[members]])
        return sorted(set(members[needed].tolist()))

    def convert(
        self, entries: Entries, values: FloatArray, counting: FloatArray, times_us: IntArray
    ) -> tuple[FloatArray, FloatArray, Registers]:
        """kg CO2/h and kg CO2e/h of each entry, NaN where unknown, and what to remember.

        `values` are the valid ones, `counting` those that count in a register (also the manual ones), by row
        and column of the kind.
        """
        rows, members = entries
        x = values[rows, self._direct[members]]
        activity = self._evaluate(x, entries, values, self._direct_params)
        moved, registers = self._movement_per_h(entries, counting, times_us)
        by_register = np.isnan(x) & ~np.isnan(moved)
        if by_register.any():
            some = Entries(rows[by_register], members[by_register])
            activity[by_register] = self._evaluate(moved[by_register], some, values, self._params)
        return activity * self._co2[members], activity * self._co2e[members], registers

    def remember(self, registers: Registers) -> None:
        """Note the last values of registers."""
        self.last_us[registers.members] = registers.times_us
        self.last_value[registers.members] = registers.values

    def _evaluate(
        self, x: FloatArray, entries: Entries, values: FloatArray, params: FloatArray
    ) -> FloatArray:
        rows, members = entries
        inputs = [values[rows, columns[members]] for columns in self._inputs]
        return self._formula.evaluate(x, inputs, [each[members] for each in params])

    def _movement_per_h(
        self, entries: Entries, counting: FloatArray, times_us: IntArray
    ) -> tuple[FloatArray, Registers]:
        """The movement per hour from each register value to the next of the same member."""
        per_h = np.full(len(entries.rows), np.nan)
        value = counting[entries.rows, self._register[entries.members]]
        shown = np.flatnonzero(self._is_register[entries.members] & ~np.isnan(value))
        if shown.size == 0:
            return per_h, Registers(shown, shown, np.empty(0))
        shown = shown[np.argsort(entries.members[shown], kind="stable")]
        member, value, time = entries.members[shown], value[shown], times_us[entries.rows[shown]]
        first = np.r_[True, member[1:] != member[:-1]]
        before = np.where(first, self.last_value[member], np.r_[np.nan, value[:-1]])
        since = np.where(first, self.last_us[member], np.r_[UNKNOWN_US, time[:-1]])
        per_h[shown] = self._steps_per_h(member, before, value, since, time)
        last = np.r_[first[1:], True]
        return per_h, Registers(member[last], time[last], value[last])

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
