"""One judged hour of a stack: what was measured in it, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import NamedTuple

import numpy as np

from services.domain.arrays import column
from services.domain.conversion import Conversion
from services.domain.ledger.emissions import Part
from services.domain.ledger.histories import CO2_ITEM, ItemKey
from services.domain.ledger.judgement import Judgement
from services.domain.ledger.rows import known
from services.domain.stack import StackPolicy
from services.domain.substitution import ITEMS, OF_EMISSION, Policy


class JudgedHour(NamedTuple):
    """A judged hour: the part it begins with, and the share of it in which the source counts."""

    part: Part
    judged: Judgement
    policy: StackPolicy
    share: float
    measured: float | None
    """The activity where every judged quantity is valid."""
    lacking: tuple[str, ...]
    """The judged quantities that are not valid."""

    @property
    def ran_h(self) -> float:
        """How long the unit ran while the source counted."""
        return self.judged.ran_h * self.share


def judged_hour(first: Part, judged: Judgement, together: Sequence[Part]) -> JudgedHour:
    policy = first.conversion.stack
    assert policy is not None, "only hours with a policy are judged"
    length_us = sum(part.amount.length_us for part in together)
    amount = first.amount._replace(
        length_us=length_us, covered_us=sum(part.amount.covered_us for part in together)
    )
    share = length_us / (first.end_us - first.hour_us)
    samples = {each.quantity: each for each in judged.samples}
    if judged.ran_h == 0.0:
        return JudgedHour(first._replace(amount=amount), judged, policy, share, 0.0, ())
    lacking = tuple(name for name in policy.judged if not samples[name].valid)
    values = {name: each.value for name, each in samples.items()}
    measured = None if lacking else activity_of(first.conversion, values, judged.ran_h * share)
    return JudgedHour(first._replace(amount=amount), judged, policy, share, measured, lacking)


def activity_of(conversion: Conversion, values: Mapping[str, float], hours: float) -> float | None:
    """By the formula at these values, over so many hours; None outside its range."""
    inputs = [column(values.get(name, nan)) for name in conversion.inputs]
    params = [column(each) for each in conversion.params]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rate = conversion.formula.evaluate(column(values[conversion.quantity]), inputs, params)
    return known(float(rate[0]) * hours) if np.isfinite(rate[0]) else None


def to_fill(hour: JudgedHour) -> tuple[str, ...]:
    """The items to put in place."""
    if not hour.lacking or hour.policy.substitution is Policy.NONE:
        return ()
    if hour.policy.substitution in OF_EMISSION:
        return (CO2_ITEM,)
    fillable = ITEMS[hour.policy.substitution]
    return tuple(name for name in hour.lacking if fillable is None or name in fillable)


def item_key(hour: JudgedHour, item: str) -> ItemKey:
    return ItemKey(hour.part.conversion.source, hour.part.conversion.device, item)


def measured_of(hour: JudgedHour, item: str) -> float | None:
    """The mean of a valid quantity, while the unit ran; or the emission [kg]."""
    if item == CO2_ITEM:
        return None if hour.measured is None else hour.measured * hour.part.conversion.factor.co2_kg_per_unit
    if hour.judged.ran_h == 0.0:
        return None
    return next((each.value for each in hour.judged.samples if each.quantity == item and each.valid), None)
