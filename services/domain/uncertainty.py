"""Uncertainty by error propagation: IPCC 2006 guidelines, volume 1, chapter 3, approach 1.

An uncertainty U is half the width of the 95 % interval, in per cent of the value. NaN is unknown and makes
what hangs on it unknown. The rules are first order: they hold while standard deviations stay below some 30 %
of the value (section 3.2.3.1), which is U of 60 %.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from services.domain.arrays import FloatArray


def product_pct(*parts_pct: FloatArray | float) -> FloatArray:
    """U of a product of independent values: sqrt(U1^2 + ... + Un^2) (equation 3.1)."""
    result: FloatArray = np.sqrt(sum(np.square(part) for part in parts_pct))
    return result


def sum_pct(amounts: FloatArray, parts_pct: FloatArray) -> FloatArray:
    """U of a sum of independent values along the last axis: sqrt((U1 x1)^2 + ...)/|x1 + ...| (equation 3.2).

    NaN where the sum is 0: nothing is a share of it.
    """
    return _relative(np.sqrt(np.sum(np.square(amounts * parts_pct), axis=-1)), amounts)


def shared_sum_pct(amounts: FloatArray, parts_pct: FloatArray) -> FloatArray:
    """U of a sum along the last axis of values that err together, such as several amounts by one factor:
    |U1 x1 + ...|/|x1 + ...| (JCGM 100:2008, 5.2.2, note 1)."""
    return _relative(np.abs(np.sum(amounts * parts_pct, axis=-1)), amounts)


def grouped_sum_pct(amounts: FloatArray, parts_pct: FloatArray, groups: npt.NDArray[np.int64]) -> FloatArray:
    """U of a sum along the last axis: within a group the values err together, from group to group they are
    independent. `groups` numbers the values' groups from 0."""
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    widths = np.add.reduceat((amounts * parts_pct)[..., order], begins, axis=-1)
    return _relative(np.sqrt(np.sum(np.square(widths), axis=-1)), amounts)


def _relative(width: FloatArray, amounts: FloatArray) -> FloatArray:
    total = np.abs(np.sum(amounts, axis=-1))
    result: FloatArray = np.divide(width, total, out=np.full(np.shape(total), nan), where=total > 0.0)
    return result


@dataclass(frozen=True, slots=True)
class Summand:
    """An amount of one source by one factor, and the half widths of its 95 % interval, in its own unit."""

    source: Hashable
    """What measured it: summands of one source err together by their activity."""
    factors: tuple[Hashable, ...]
    """What it was multiplied by: summands that share a factor err together by it."""
    amount: float
    activity_width: float
    """NaN where unknown."""
    factor_width: float
    """NaN where unknown."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A sum, and how far it is uncertain."""

    amount: float | None
    """None where there is nothing to add."""
    uncertainty_pct: float | None
    """None where the uncertainty of a part that is not 0 is unknown."""
    assessed_amount: float
    """The sum of the parts whose uncertainty is known."""
    assessed_uncertainty_pct: float | None
    """Of `assessed_amount`; None where that is 0."""


def total(summands: Iterable[Summand]) -> Uncertain:
    """The sum, by equation 3.2 over independent errors; a meter's and a factor's own add up linearly."""
    parts = list(summands)
    if not parts:
        return Uncertain(None, None, 0.0, None)
    # What is 0 adds no uncertainty, known or not.
    counting = [part for part in parts if part.amount != 0.0]
    assessed = [part for part in counting if not np.isnan(part.activity_width + part.factor_width)]
    pct = _total_pct(assessed)
    return Uncertain(
        amount=sum(part.amount for part in parts),
        uncertainty_pct=pct if len(assessed) == len(counting) else None,
        assessed_amount=sum(part.amount for part in assessed),
        assessed_uncertainty_pct=pct,
    )


def _total_pct(parts: Sequence[Summand]) -> float | None:
    if not parts:
        return None
    amounts = np.array([part.amount for part in parts])
    of_activity = np.array([part.activity_width for part in parts]) / amounts * 100.0
    of_factor = np.array([part.factor_width for part in parts]) / amounts * 100.0
    pct = product_pct(
        grouped_sum_pct(amounts, of_activity, groups([(part.source,) for part in parts])),
        grouped_sum_pct(amounts, of_factor, groups([part.factors for part in parts])),
    )
    return None if np.isnan(pct) else float(pct)


def groups(keys: Sequence[Sequence[Hashable]]) -> npt.NDArray[np.int64]:
    """A number for each entry of `keys`; entries that share a key, directly or through others, have the same.

    Rather too many than too few err together: the sum is then rather too uncertain than too certain.
    """
    parent = list(range(len(keys)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, of_index in enumerate(keys):
        for key in of_index:
            parent[root(index)] = root(first.setdefault(key, index))
    roots = np.array([root(index) for index in range(len(keys))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
