"""What is strange in a register: that it went back, moved by more than its rating, or stands while something
flows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import HOUR_US, IntArray
from services.domain.ledger.readings import State
from services.domain.ledger.registers import RATED_MARGIN, MovementKind
from services.domain.ledger.shapes import Shapes
from services.domain.ledger.steps import Steps
from services.domain.ledger.track import Track
from services.domain.quality.gauges import counting, standing, unmoved
from services.domain.quality.natures import NATURES, Nature
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quality.runs import Columns, Series, findings, of_runs, runs, slots
from services.domain.quantities import QUANTITIES, Quantity

DIGITS_STANDING: Final = 10.0
"""By so many of its last digits a register should have moved meanwhile, for it to stand."""
_SECOND_US: Final = 1e6


def register_findings(shapes: Shapes, readings: Series) -> Iterator[Finding]:
    """Of all registers of the track; `readings` are all of it."""
    track = shapes.track
    for register in QUANTITIES[track.kind]:
        state = track.readings.columns[register.name].state if register.register else None
        if state is None or not (state != State.ABSENT).any():
            continue
        steps = shapes.steps(register.name)
        for kind, movement in (
            (FindingKind.REGISTER_BACK, MovementKind.UNEXPLAINED),
            (FindingKind.ABOVE_RATING, MovementKind.IMPLAUSIBLE),
        ):
            wrong = np.flatnonzero(steps.kind == movement)
            if len(wrong):
                yield from findings(track, kind, _of_steps(track, register, steps, wrong), register.code)
        yield from _standing(readings, register)


def _of_steps(track: Track, register: Quantity, steps: Steps, wrong: IntArray) -> Columns:
    """A step is of the hour that it ends in."""
    slot = slots(track, steps.end[wrong])
    wrong, slot = wrong[slot >= 0], slot[slot >= 0]
    value = track.readings.columns[register.name].value
    before, after = value[steps.before[wrong]], value[steps.after[wrong]]
    back = steps.kind[wrong] == MovementKind.UNEXPLAINED
    return Columns(
        slot=slot,
        begin=steps.start[wrong],
        end=steps.end[wrong],
        continues=np.zeros(len(wrong), np.bool_),
        readings=np.full(len(wrong), 2, np.int64),
        low=np.where(back, after, before),
        high=np.where(back, before, after),
        bound=np.where(back, np.nan, _most(track, register, steps, wrong)),
    )


def _most(track: Track, register: Quantity, steps: Steps, wrong: IntArray) -> FloatArray:
    """What the rating allows in the time of each step, as `registers.too_much` has it."""
    rule = track.rules.at(steps.start[wrong])
    limits = track.rules.registers[register.name]
    hours = (steps.end[wrong] - steps.start[wrong] + track.rules.interval_us[rule]) / HOUR_US
    one_digit = np.nan_to_num(limits.resolution[rule], nan=0.0)
    return RATED_MARGIN * limits.max_per_h[rule] * hours + one_digit


def _standing(readings: Series, register: Quantity) -> Iterator[Finding]:
    """Where the register stands while the device itself says that something flows."""
    track = readings.track
    column = track.readings.columns[register.name]
    of = counting(readings, column)
    stands = unmoved(of, np.diff(of.value))
    if not stands.any():
        return
    least_us = standing(track)
    for name, nature in NATURES[track.kind].items():
        if nature.register != register.name:
            continue
        gauge = track.readings.columns[name]
        rate = np.where(gauge.state == State.VALID, gauge.value, np.nan)
        rate = rate if len(rate) == len(of.position) else rate[column.state != State.ABSENT]
        strange = stands & (rate > _least_rate(track, nature, least_us)[of.rule])
        if strange.any():
            columns = of_runs(of, runs(of, strange, least_us=least_us), least_us / _SECOND_US, rate)
            yield from findings(track, FindingKind.STANDING_REGISTER, columns, register.code)


def _least_rate(track: Track, nature: Nature, least_us: IntArray) -> FloatArray:
    """By row of the rules, the rate above which a register that stands for so long is none: beyond the drift
    of an idle instrument, and enough to move some digits. NaN where neither is known."""
    limits = track.rules.registers[nature.register or ""]
    drift = (nature.drift or 0.0) * limits.max_per_h
    hours = np.where(least_us > 0, least_us, HOUR_US) / HOUR_US
    return np.fmax(drift, DIGITS_STANDING * limits.resolution / hours)
