"""The steps and gauges of a track, each computed once for all who ask."""

from __future__ import annotations

from typing import NamedTuple

from services.domain.arrays import FloatArray
from services.domain.ledger.gauges import StepFunction, gauge
from services.domain.ledger.standstill import Standstill, standstill
from services.domain.ledger.steps import Steps, register_steps
from services.domain.ledger.track import Pieces, Track, cut
from services.domain.stack import Evidence


class Moved(NamedTuple):
    """The steps of a register cut at the cells, and what moved in each piece, in the register's unit."""

    pieces: Pieces
    amount: FloatArray


class Shapes:
    """What the registers and gauges of a track did over time."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self._gauges: dict[str, StepFunction] = {}
        self._steps: dict[str, Steps] = {}
        self._moved: dict[str, Moved] = {}
        self._standstills: dict[tuple[str, tuple[Evidence, ...]], Standstill] = {}

    def gauge(self, quantity: str) -> StepFunction:
        """`gauges.gauge` of a quantity that is no register."""
        if quantity not in self._gauges:
            self._gauges[quantity] = gauge(self.track, quantity)
        return self._gauges[quantity]

    def steps(self, register: str) -> Steps:
        """`steps.register_steps` of a register."""
        if register not in self._steps:
            self._steps[register] = register_steps(self.track, register)
        return self._steps[register]

    def moved(self, register: str) -> Moved:
        """The steps of a register by cell."""
        if register not in self._moved:
            steps = self.steps(register)
            pieces = cut(steps.start, steps.end, self.track.cells)
            self._moved[register] = Moved(pieces, pieces.shared(steps.amount, steps.end - steps.start))
        return self._moved[register]

    def standstill(self, flow: str, evidence: tuple[Evidence, ...]) -> Standstill:
        """`standstill.standstill` of a quantity that is no register."""
        if (flow, evidence) not in self._standstills:
            self._standstills[flow, evidence] = standstill(self.track, flow, evidence)
        return self._standstills[flow, evidence]
