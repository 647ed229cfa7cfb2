"""What the hours of a stack rest on: how long the unit ran, and each quantity's validity and mean."""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

from services.domain.conversion import Conversion
from services.domain.ledger.shapes import Shapes
from services.domain.ledger.validity import Judged, Running, judge, running
from services.domain.stack import Evidence, Validity


class Sample(NamedTuple):
    """The hourly mean of one quantity."""

    quantity: str
    value: float
    """NaN where nothing was measured while the unit ran."""
    valid: bool


class Judgement(NamedTuple):
    """One hour of one stack, before anything stands in for what is missing."""

    ran_h: float
    samples: tuple[Sample, ...]
    """Of the flow, then of the inputs of the formula."""


class Judge:
    """Judges the hours of the devices of one track."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._running: dict[tuple[str, tuple[Evidence, ...]], Running] = {}
        self._judged: dict[tuple[str, str, tuple[Evidence, ...], Validity], Judged] = {}

    def of(self, conversion: Conversion, slot: int) -> Judgement | None:
        """The hour of `slot`; None where the source's hours are not judged, or nothing could be computed."""
        policy = conversion.stack
        if policy is None or policy.validity is None or any(isnan(each) for each in conversion.params):
            return None
        flow, evidence = conversion.quantity, conversion.evidence
        if (flow, evidence) not in self._running:
            self._running[flow, evidence] = running(self._shapes, flow, evidence)
        ran = self._running[flow, evidence]
        samples = []
        for quantity in dict.fromkeys((*policy.judged, *conversion.inputs)):
            if quantity == "operating_fraction":  # which is in `ran_h`
                continue
            key = quantity, flow, evidence, policy.validity
            if key not in self._judged:
                self._judged[key] = judge(self._shapes, quantity, ran, policy.validity)
            judged = self._judged[key]
            value = float(judged.mean[slot])
            samples.append(Sample(quantity, value, bool(judged.valid[slot]) and not isnan(value)))
        return Judgement(float(ran.hours[slot]), tuple(samples))
