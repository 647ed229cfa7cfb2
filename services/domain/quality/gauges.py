"""What is strange in a gauge: that it stands still, jumps and comes back, runs backwards, or is above the
rating."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.ledger.hours import BoolArray, IntArray
from services.domain.ledger.readings import Column, State
from services.domain.ledger.registers import RATED_MARGIN
from services.domain.ledger.track import Track
from services.domain.quality.natures import NATURES, Nature, standing_us
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quality.runs import Columns, Series, extremes, findings, of_runs, runs, slots
from services.domain.quantities import QUANTITIES, Quantity

NEGATIVE_READINGS: Final = 5
UNRATED_NEGATIVE_READINGS: Final = 30
"""So many negative readings in a row are no drift around zero; without a rating nobody knows how far that
goes, but that it comes back."""
ABOVE_READINGS: Final = 3
"""A motor that starts draws several times its rating for seconds."""
SPIKE_RATIO: Final = 4.0
"""A spike stands out by so many times the largest step of the readings before it, and comes back to within
one of these parts of it."""
_BEFORE: Final = 8
_BEFORE_AT_LEAST: Final = 4
_SECOND_US: Final = 1e6


def gauge_findings(readings: Series) -> Iterator[Finding]:
    """Of all gauges of a track; `readings` are all of it."""
    track = readings.track
    least_us = standing(track)
    for quantity in QUANTITIES[track.kind]:
        column = track.readings.columns[quantity.name]
        if quantity.register or quantity.boolean or not (column.state == State.VALID).any():
            continue
        nature = NATURES[track.kind][quantity.name]
        of = counting(readings, column)
        step = np.diff(of.value)
        yield from _found(of, quantity, FindingKind.STUCK, _stuck(of, step, nature, least_us))
        yield from _found(of, quantity, FindingKind.SPIKE, _spikes(of, step, nature))
        yield from _found(of, quantity, FindingKind.NEGATIVE_FLOW, _negative(of, nature))
        yield from _found(of, quantity, FindingKind.ABOVE_RATING, _above(of, nature))


def counting(readings: Series, column: Column) -> Series:
    """The readings that say anything of the quantity, and what they say where it counts."""
    valid = column.state == State.VALID
    if valid.all():
        return readings.of(column.value, valid)
    return readings.of(np.where(valid, column.value, np.nan), column.state != State.ABSENT)


def _found(of: Series, quantity: Quantity, kind: FindingKind, columns: Columns | None) -> list[Finding]:
    return [] if columns is None else findings(of.track, kind, columns, quantity.code)


def _stuck(of: Series, step: FloatArray, nature: Nature, least_us: IntArray) -> Columns | None:
    if nature.digits is None:
        return None
    strange = unmoved(of, step)
    strange &= of.value != 0.0
    found = runs(of, strange, least_us=least_us)
    found = found.where(shown_finely(of.value[found.last], nature.digits))
    return of_runs(of, found, least_us / _SECOND_US)


def unmoved(of: Series, step: FloatArray) -> BoolArray:
    """Which readings show what the one just before them showed; `step` is from each to the next."""
    result = np.zeros(len(of.value), np.bool_)
    np.equal(step, 0.0, out=result[1:])
    result &= of.follows
    return result


def standing(track: Track) -> IntArray:
    """How long a value may stand [us], by row of the rules; 0 where no interval is known."""
    interval_us, each = np.unique(track.rules.interval_us, return_inverse=True)
    return np.array([standing_us(us) for us in interval_us.tolist()], np.int64)[each]


def shown_finely(value: FloatArray, digits: int) -> BoolArray:
    """Which values have so many significant digits, trailing zeros not counted: 11.83 has four, 11.80
    three."""
    return np.array([_digits(each) >= digits for each in value.tolist()], np.bool_)


def _digits(value: float) -> int:
    """Of the shortest decimal that is the value."""
    mantissa = f"{value:.15g}".lstrip("-").partition("e")[0]
    return len(mantissa.replace(".", "").strip("0"))


def _spikes(of: Series, step: FloatArray, nature: Nature) -> Columns | None:
    if nature.jump is None or len(step) < 2:
        return None
    share, least = nature.jump
    # What none of these steps reaches is no jump at any level of theirs: few are looked at.
    lowest = float(np.fmin.reduce(np.abs(of.value)))
    at = np.flatnonzero(np.abs(step[:-1]) > max(least, share * lowest)) + 1
    at = at[_jumps(of, step, at, nature.jump) & of.follows[at] & of.follows[at + 1]]
    at = at[slots(of.track, of.position[at]) >= 0]
    at = np.array([each for each in at.tolist() if _stands_out(of, each)], np.int64)
    low, high = extremes(of.value, at - 1, at + 1)
    return Columns(
        slot=slots(of.track, of.position[at]),
        begin=of.position[at],
        end=of.position[at],
        continues=np.zeros(len(at), np.bool_),
        readings=np.ones(len(at), np.int64),
        low=low,
        high=high,
        bound=np.maximum(share * np.abs(of.value[at - 1]), least),
    )


def _jumps(of: Series, step: FloatArray, at: IntArray, jump: tuple[float, float]) -> BoolArray:
    """Which readings are off by more than a jump from both neighbours, to one side."""
    share, least = jump
    rise, fall = step[at - 1], -step[at]
    size = np.minimum(np.abs(rise), np.abs(fall))
    # Comparisons with NaN are false: what is not known is no spike.
    return np.asarray(
        (rise * fall > 0.0) & (size > least) & (size > share * np.abs(of.value[at - 1])), np.bool_
    )


def _stands_out(of: Series, at: int) -> bool:
    """Whether the spike at a reading is more than what the readings before it did all the time."""
    first = at - 1
    while first > max(0, at - 1 - _BEFORE) and of.follows[first]:
        first -= 1
    steps = np.abs(np.diff(of.value[first:at]))
    if len(steps) < _BEFORE_AT_LEAST or np.isnan(steps).any():
        return False
    before, spike, after = of.value[at - 1 : at + 2].tolist()
    size = min(abs(spike - before), abs(spike - after))
    return bool(size >= SPIKE_RATIO * steps.max() and abs(after - before) * SPIKE_RATIO <= size)


def _negative(of: Series, nature: Nature) -> Columns | None:
    if nature.drift is None or not (of.value < 0.0).any():
        return None
    rated = rating(of.track, nature)
    bound = np.where(np.isnan(rated), 0.0, -nature.drift * rated)
    unrated = np.isnan(rated)[of.rule]
    below = (of.value < bound[of.rule]) & _one_way(of)
    some = of_runs(of, runs(of, below & ~unrated, least=NEGATIVE_READINGS), bound)
    if not unrated.any():
        return some
    return _both(some, of_runs(of, runs(of, below & unrated, least=UNRATED_NEGATIVE_READINGS), bound))


def _one_way(of: Series) -> BoolArray:
    """Which readings are of a device that counts no flow the other way: a meter that sends its export has
    one."""
    track = of.track
    if "energy_export_kwh" not in track.readings.columns:
        return np.ones(len(of.position), np.bool_)
    sent = track.readings.columns["energy_export_kwh"].state != State.ABSENT
    return np.asarray(~sent[np.searchsorted(track.position, of.position)], np.bool_)


def _above(of: Series, nature: Nature) -> Columns | None:
    if nature.register is None:
        return None
    bound = RATED_MARGIN * rating(of.track, nature)
    largest = float(np.fmax.reduce(of.value))
    if not (largest > bound).any():
        return None
    return of_runs(of, runs(of, of.value > bound[of.rule], least=ABOVE_READINGS), bound)


def rating(track: Track, nature: Nature) -> FloatArray:
    """By row of the rules, in the unit of the device's own rate; NaN where it has none."""
    if nature.register is None:
        return np.full(len(track.rules.start), np.nan)
    return track.rules.registers[nature.register].max_per_h


def _both(one: Columns, other: Columns) -> Columns:
    """Columns of two parts of a track's time, in order."""
    if len(one.slot) == 0 or len(other.slot) == 0:
        return other if len(one.slot) == 0 else one
    names = Columns.__slots__
    joined = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names}
    order = np.argsort(joined["end"], kind="stable")
    return Columns(**{name: each[order] for name, each in joined.items()})
