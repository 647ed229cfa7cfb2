"""From steps and gauges to activity: each formula is evaluated once for all devices and times it serves.

A register's step is an activity by the formula at the inputs of both its ends, averaged, and is spread
evenly over the step. A rate is evaluated over every stretch in which it and its inputs are held, and
integrated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.formulas import Formula
from services.domain.ledger.device_hours import counting, marked, sum_known, total_us
from services.domain.ledger.gauges import overlay
from services.domain.ledger.hours import HOUR_US, BoolArray, IntArray
from services.domain.ledger.registers import MovementKind
from services.domain.ledger.shapes import Shapes
from services.domain.ledger.track import cut
from services.domain.quantities import quantity as quantity_of
from services.domain.stack import Evidence

NO_FACTOR: Final = "no factor"
"""The reason of an activity whose parameters are unknown: why, its factor says."""
_NO_READINGS: Final = "no readings"
_OUT_OF_RANGE: Final = "inputs outside the range of the formula"
_STEP_REASONS: Final = {
    MovementKind.UNEXPLAINED: "unexplained register step",
    MovementKind.IMPLAUSIBLE: "register step above the device's rating",
}


class Calculation(NamedTuple):
    """What is to be computed for a device of a track in one epoch; see `conversion.Conversion`."""

    device: int
    epoch: int
    quantity: str
    formula: Formula
    params: tuple[float, ...]
    evidence: tuple[Evidence, ...] = ()


class Amount(NamedTuple):
    """The activity in one cell of the track; None where nothing of it is known, for `reason`."""

    slot: int
    activity: float | None
    covered_us: int
    length_us: int
    estimated: bool
    reason: str


class _Pieces(NamedTuple):
    """Activities of pieces of time; NaN where unknown."""

    cell: IntArray
    activity: FloatArray
    covered_us: IntArray
    estimated: BoolArray
    unknown: IntArray
    """The pieces whose activity is unknown, ascending."""
    reason: IntArray
    """Of each of those, the index of the reason."""


class _Evaluated(NamedTuple):
    """Activities by a formula, and what they were evaluated from."""

    formula: Formula
    activity: FloatArray
    inputs: Sequence[FloatArray]
    params: Sequence[FloatArray]

    def reasons(self, unknown: IntArray) -> IntArray:
        """Why the activity is unknown in those places, as an index; see `_reason`."""
        arguments = ([value[unknown] for value in of] for of in (self.inputs, self.params))
        return _reason(self.formula, self.activity[unknown], *arguments)


class Calculator:
    """Computes calculations over one track."""

    def __init__(self, shapes: Shapes) -> None:
        track = shapes.track
        self._shapes = shapes
        self._track = track
        self._lengths_us = track.cells.lengths_us()
        inside = np.flatnonzero(track.cells.slot >= 0)
        device = track.slots.device[track.cells.slot[inside]]
        self._cells: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for cell, of, epoch in zip(
            inside.tolist(), device.tolist(), track.cells.epoch[inside].tolist(), strict=True
        ):
            self._cells[of, epoch].append(cell)
        self._heard: frozenset[int] | None = None
        self._valid: dict[str, frozenset[int]] = {}

    @property
    def epochs(self) -> Iterable[tuple[int, int]]:
        """Device and epoch of all cells to fill."""
        return tuple(self._cells)

    def amounts(self, calculations: Sequence[Calculation]) -> list[list[Amount]]:
        """For each calculation the cells of its device and epoch, in order of time."""
        result: list[list[Amount]] = [[] for _ in calculations]
        for layer in _layers(calculations):
            pieces, reasons = self._evaluate(calculations, layer)
            cells = [cell for index in layer for cell in self._cells[calculations[index][:2]]]
            amounts = self._sums(pieces, reasons, calculations[layer[0]].quantity, cells)
            for index in layer:
                count = len(self._cells[calculations[index][:2]])
                result[index] = amounts[:count]
                amounts = amounts[count:]
        return result

    def _evaluate(self, calculations: Sequence[Calculation], layer: list[int]) -> tuple[_Pieces, list[str]]:
        first = calculations[layer[0]]
        size = len(self._track.cells.start)
        wanted = np.zeros(size, np.bool_)
        params = np.full((len(first.formula.params), size), np.nan)
        for index in layer:
            cells = self._cells[calculations[index][:2]]
            wanted[cells] = True
            params[:, cells] = np.array(calculations[index].params, np.float64)[:, None]
        reasons = _reasons(first)
        register = quantity_of(self._track.kind, first.quantity).register
        pieces = (self._of_register if register else self._of_rate)(first, wanted, params, reasons)
        return pieces, reasons

    def _of_register(
        self, which: Calculation, wanted: BoolArray, params: FloatArray, reasons: list[str]
    ) -> _Pieces:
        steps = self._shapes.steps(which.quantity)
        pieces, x = self._shapes.moved(which.quantity)
        kept = wanted[pieces.cell]
        if not kept.all():
            pieces, x = pieces.where(kept), x[kept]
        segment, cell, length_us, _ = pieces
        of_cell = [value[cell] for value in params]
        before, after = self._ends(which.formula.inputs, steps.before, steps.after)
        at_start = at_end = _evaluated(which.formula, x, [value[segment] for value in before], of_cell)
        if after:
            at_end = _evaluated(which.formula, x, [value[segment] for value in after], of_cell)
        activity = at_start.activity if at_start is at_end else 0.5 * (at_start.activity + at_end.activity)
        unknown = np.flatnonzero(np.isnan(activity))
        reason = np.where(
            np.isnan(at_start.activity[unknown]), at_start.reasons(unknown), at_end.reasons(unknown)
        )
        for kind, text in _STEP_REASONS.items():
            reason = np.where(steps.kind[segment[unknown]] == kind, reasons.index(text), reason)
        covered_us = np.where(steps.covered[segment], length_us, 0)
        return _Pieces(cell, activity, covered_us, steps.estimated[segment], unknown, reason)

    def _of_rate(
        self, which: Calculation, wanted: BoolArray, params: FloatArray, _reasons: list[str]
    ) -> _Pieces:
        functions = [self._shapes.gauge(name) for name in (which.quantity, *which.formula.inputs)]
        if which.evidence:
            functions[0], stood = self._shapes.standstill(which.quantity, which.evidence)
            functions.append(stood)
        segments = overlay(functions)
        pieces = cut(segments.start, segments.end, self._track.cells)
        pieces = pieces.where(wanted[pieces.cell])
        segment, cell, length_us, _ = pieces
        x, *inputs = (value[segment] for value in segments.values)
        stands = inputs.pop() if which.evidence else None
        evaluated = _evaluated(which.formula, x, inputs, [value[cell] for value in params])
        rate = evaluated.activity
        if stands is not None:
            # Nothing flows where it stands still, whatever else was measured then.
            rate = np.where(stands == 1.0, 0.0, rate)
        unknown = np.flatnonzero(np.isnan(rate))
        return _Pieces(
            cell=cell,
            activity=rate * (length_us / HOUR_US),
            covered_us=length_us,
            estimated=np.zeros(len(cell), np.bool_),
            unknown=unknown,
            reason=evaluated.reasons(unknown),
        )

    def _ends(
        self, inputs: Sequence[str], before: IntArray, after: IntArray
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """The inputs at the readings at both ends of steps; a mean is that of the interval up to the later
        one."""
        if not inputs:
            return [], []
        track = self._track
        begin, end = track.position[before], track.position[after]
        mean = track.rules.interval_mean[track.rule[after]]
        last = np.where(mean, end - 1, end)
        functions = [self._shapes.gauge(name) for name in inputs]
        return [each.at(np.where(mean, last, begin)) for each in functions], [
            each.at(last) for each in functions
        ]

    def _sums(self, pieces: _Pieces, reasons: list[str], quantity: str, cells: list[int]) -> list[Amount]:
        """Sums by cell, parts added up one after the other in order of time."""
        size = len(self._track.cells.start)
        known = np.ones(len(pieces.cell), np.bool_)
        known[pieces.unknown] = False
        activity, some = sum_known(pieces.cell, pieces.activity, known, size)
        covered_us = total_us(pieces.cell, np.where(known, pieces.covered_us, 0), size)
        estimated = marked(pieces.cell, known & pieces.estimated, size)
        reason = np.full(size, -1)
        reason[pieces.cell[pieces.unknown[::-1]]] = pieces.reason[::-1]  # of several the first in time
        columns = (
            self._track.cells.slot, activity + 0.0, some, covered_us, self._lengths_us, estimated, reason
        )  # fmt: skip
        return [
            Amount(
                slot,
                total if is_known else None,
                covered,
                length,
                is_estimated,
                reasons[why] if why >= 0 else "" if is_known else self._silence(slot, quantity),
            )
            for slot, total, is_known, covered, length, is_estimated, why in zip(
                *(column[cells].tolist() for column in columns), strict=True
            )
        ]

    def _silence(self, slot: int, quantity: str) -> str:
        """Why there is no piece of time with a value in the hour."""
        if self._heard is None:
            self._heard = self._slots_of(self._track.slot >= 0)
        if slot not in self._heard:
            return _NO_READINGS
        if quantity not in self._valid:
            counts = counting(self._track, quantity_of(self._track.kind, quantity))
            self._valid[quantity] = self._slots_of(counts)
        if slot not in self._valid[quantity]:
            return f"no valid {quantity}"
        if quantity_of(self._track.kind, quantity).register:
            return f"only one valid {quantity}, and none after it"
        return f"{quantity} cannot be held: no interval_s, or a mean of the time before"

    def _slots_of(self, readings: BoolArray) -> frozenset[int]:
        """The slots that the readings are in."""
        return frozenset(np.unique(self._track.slot[readings]).tolist())


def _layers(calculations: Sequence[Calculation]) -> Iterator[list[int]]:
    """Calculations that can be made at once: the same formula on the same quantity, each device and epoch
    once."""
    layers: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    seen: defaultdict[tuple[object, ...], int] = defaultdict(int)
    for index, each in enumerate(calculations):
        alike = each.quantity, each.formula, each.evidence
        times = seen[each.device, each.epoch, alike]
        seen[each.device, each.epoch, alike] += 1
        layers[alike, times].append(index)
    yield from layers.values()


def _evaluated(
    formula: Formula, x: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]
) -> _Evaluated:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        activity = formula.evaluate(x, inputs, params)
    activity = np.where(np.isfinite(activity), activity, np.nan)
    return _Evaluated(formula, activity, inputs, params)


def _reasons(which: Calculation) -> list[str]:
    """What can make the activity unknown; `_reason` gives indices into it."""
    inputs = [f"input {name} missing" for name in which.formula.inputs]
    faults = [fault.reason for fault in which.formula.faults]
    return [*inputs, _OUT_OF_RANGE, NO_FACTOR, *faults, *_STEP_REASONS.values()]


def _reason(
    formula: Formula, activity: FloatArray, inputs: Sequence[FloatArray], params: Sequence[FloatArray]
) -> IntArray:
    """Why an activity is unknown, if it is: a parameter, else the first input missing, else what is wrong
    with those there are, else one missing that most can do without."""
    reason = np.full(len(activity), len(inputs), np.int64)
    last_first = range(len(inputs) - 1, -1, -1)  # the last to be written wins
    for index in last_first:
        if formula.inputs[index] in formula.optional:
            reason[np.isnan(inputs[index])] = index
    unknown = np.flatnonzero(np.isnan(activity))
    of_unknown = [value[unknown] for value in inputs], [value[unknown] for value in params]
    for number, fault in enumerate(formula.faults, start=len(inputs) + 2):
        reason[unknown[fault.holds(*of_unknown)]] = number
    for index in last_first:
        if formula.inputs[index] not in formula.optional:
            reason[np.isnan(inputs[index])] = index
    for values in params:
        reason[np.isnan(values)] = len(inputs) + 1
    return reason
