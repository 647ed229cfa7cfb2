"""What a cumulative register moved by between two readings (domain facts on registers: rollover, jitter,
reset)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.domain.arrays import FloatArray, column
from services.domain.ledger.hours import HOUR_US, IntArray

KindArray: TypeAlias = npt.NDArray[np.int8]

_NEARLY_FULL: Final = 0.9
_NEARLY_EMPTY: Final = 0.1
# The difference of two decimal numbers in binary is off by a few units of the last place of the larger one.
_BINARY_NOISE: Final = 4 * np.finfo(np.float64).eps
RATED_MARGIN: Final = 1.5
"""A device may run above its rating for a while; what does not fit even so is no consumption."""


class MovementKind(IntEnum):
    """How a step of a register was read."""

    NORMAL = 0
    ROLLOVER = 1
    """The register passed its modulus."""
    JITTER = 2
    """A step back within the resolution: no movement."""
    UNEXPLAINED = 3
    """A step back for which nobody entered an event: unknown, a finding."""
    IMPLAUSIBLE = 4
    """More than the rated power or flow can give in the time: not booked, a finding."""


class Movement(NamedTuple):
    """The movement of a register in its own unit; None where it cannot be known."""

    amount: float | None
    kind: MovementKind


def movement(
    previous: float, current: float, *, modulus: float | None = None, resolution: float | None = None
) -> Movement:
    """From `previous` to `current`. A register rolls over only where its `modulus` is known.

    999,998.75 to 12.50 with modulus 1e6 is 13.75.
    """
    amounts, kinds = movements(column(previous), column(current), column([modulus]), column([resolution]))
    amount = float(amounts[0])
    return Movement(None if np.isnan(amount) else amount, MovementKind(int(kinds[0])))


def movements(
    previous: FloatArray, current: FloatArray, modulus: FloatArray, resolution: FloatArray
) -> tuple[FloatArray, KindArray]:
    """`movement` of many steps at once; NaN is an unknown amount, modulus or resolution."""
    amount = current - previous
    kind = np.full(amount.shape, MovementKind.NORMAL, np.int8)
    back = amount < 0.0
    # Comparisons with NaN are false: without a modulus nothing rolls over, without a resolution nothing
    # jitters.
    rolled = back & (previous > _NEARLY_FULL * modulus) & (current < _NEARLY_EMPTY * modulus)
    jitter = back & ~rolled & (previous <= highest_jitter(current, resolution))
    amount = np.where(rolled, amount + modulus, np.where(jitter, 0.0, amount))
    kind[rolled] = MovementKind.ROLLOVER
    kind[jitter] = MovementKind.JITTER
    unexplained = back & ~rolled & ~jitter
    kind[unexplained] = MovementKind.UNEXPLAINED
    return np.where(unexplained, np.nan, amount), kind


def highest_jitter(low: FloatArray, resolution: FloatArray) -> FloatArray:
    """The most from which a register may have come down to `low` within its resolution; NaN without one."""
    high = low + resolution
    return high + _BINARY_NOISE * np.maximum(np.abs(low), np.abs(high))


def too_much(
    amount: FloatArray,
    max_per_h: FloatArray,
    resolution: FloatArray,
    elapsed_us: IntArray,
    interval_us: IntArray,
) -> npt.NDArray[np.bool_]:
    """Where a step is more than the rating `max_per_h` (in the register's unit; NaN: none) allows in its
    time.

    One expected interval is added to the time: a device may read its register some time before it stamps the
    reading.
    """
    hours = (elapsed_us + interval_us) / HOUR_US
    one_digit = np.where(np.isnan(resolution), 0.0, resolution)
    return np.asarray(amount > RATED_MARGIN * max_per_h * hours + one_digit, np.bool_)
