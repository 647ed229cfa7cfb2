"""The uncertainty of an hour of an emission source, from what its parts say of theirs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.conversion import Conversion
from services.domain.registry.model import Method
from services.domain.uncertainty import grouped_sum_pct, groups, product_pct


class HourUncertainty(NamedTuple):
    """95 %, half widths in per cent of the hour's CO2; None is unknown."""

    whole_pct: float | None
    activity_pct: float | None
    factor_pct: float | None


UNKNOWN = HourUncertainty(None, None, None)


def hour_uncertainty(co2_kg: Sequence[float], conversions: Sequence[Conversion]) -> HourUncertainty:
    """Of the sum of `co2_kg`, each by one of `conversions`, in their order.

    What one device measured errs together, as does what one factor was multiplied by: a scale in two parts of
    an hour, two meters of one fuel. Amounts of 0 add nothing.
    """
    if len(conversions) == 1:
        [only] = conversions
        return _whole(only.activity_uncertainty_pct, only.factor_uncertainty_pct)
    counting = [(kg, each) for kg, each in zip(co2_kg, conversions, strict=True) if kg != 0.0]
    if not counting:
        return UNKNOWN
    amounts = np.array([kg for kg, _ in counting])
    of = [each for _, each in counting]
    return _whole(
        _known(
            grouped_sum_pct(
                amounts,
                _percents([each.activity_uncertainty_pct for each in of]),
                groups([(each.device,) for each in of]),
            )
        ),
        _known(
            grouped_sum_pct(
                amounts,
                _percents([each.factor_uncertainty_pct for each in of]),
                groups([(_factor(each),) for each in of]),
            )
        ),
    )


def _factor(conversion: Conversion) -> Hashable:
    """What tells factors apart: the carbon of a stream is its own, whatever it is called."""
    if conversion.method is Method.MASS_BALANCE:
        return (conversion.device, conversion.quantity)
    return conversion.factor.name


@lru_cache(maxsize=1024)
def _whole(activity_pct: float | None, factor_pct: float | None) -> HourUncertainty:
    if activity_pct is None or factor_pct is None:
        return HourUncertainty(None, activity_pct, factor_pct)
    return HourUncertainty(float(product_pct(activity_pct, factor_pct)), activity_pct, factor_pct)


def _percents(values: Sequence[float | None]) -> FloatArray:
    return np.array(values, np.float64)  # None becomes NaN


def _known(pct: FloatArray) -> float | None:
    return None if np.isnan(pct) else float(pct)
