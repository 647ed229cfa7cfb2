"""One intermediate value of a calculation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from services.domain.arrays import FloatArray

Values: TypeAlias = Mapping[str, FloatArray]
"""Inputs and parameters of a formula by name, each an array of one value; NaN is unknown."""


class Step(NamedTuple):
    """A value on the way, NaN where it is unknown, and by what it was found."""

    name: str
    value: float
    unit: str
    by: str


Explain: TypeAlias = Callable[[FloatArray, Values], Sequence[Step]]
"""The steps of a formula from `x` and its inputs and parameters. They call the very functions the formula is
made of; the last is the activity, equal to the formula's to the bit."""


def step(name: str, value: FloatArray, unit: str, by: str) -> Step:
    """A step from an array of one value."""
    return Step(name, float(value.reshape(-1)[0]), unit, by)
