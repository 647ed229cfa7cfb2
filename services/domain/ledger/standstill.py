"""When a stack stood still: readings of status `stopped` that show what the registry names as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.domain.ledger.gauges import StepFunction, held
from services.domain.ledger.hours import BoolArray
from services.domain.ledger.readings import Column, Readings, State, StateArray
from services.domain.ledger.track import Track
from services.domain.stack import Evidence


class Standstill(NamedTuple):
    """The flow of a stack, 0 where it stood still, and 1 over that time (0 where it is known not to be)."""

    flow: StepFunction
    stood: StepFunction


def standstill(track: Track, flow: str, evidence: Sequence[Evidence]) -> Standstill:
    """Of the quantity `flow`. Without evidence a reading of status `stopped` is one that does not count.

    A reading says that the stack stood still where its flow is stopped, or, without a flow, where one of
    the quantities of the evidence is; and where all of them are within their bounds, valid or stopped.
    """
    readings = track.readings
    sent = readings.columns[flow]
    stood = _stopped(readings, flow, evidence) & _shown(readings, evidence)
    state: StateArray = np.where(stood, np.int8(State.VALID), sent.state)
    said = (state != State.ABSENT).astype(np.int8) * np.int8(State.VALID)
    return Standstill(
        held(track, Column(np.where(stood, 0.0, sent.value), state)),
        held(track, Column(np.where(stood, 1.0, 0.0), said)),
    )


def _stopped(readings: Readings, flow: str, evidence: Sequence[Evidence]) -> BoolArray:
    named = [readings.columns[each.quantity].state == State.STOPPED for each in evidence]
    state = readings.columns[flow].state
    result: BoolArray = (state == State.STOPPED) | (
        (state == State.ABSENT) & np.logical_or.reduce([np.zeros(len(readings), np.bool_), *named])
    )
    return result


def _shown(readings: Readings, evidence: Sequence[Evidence]) -> BoolArray:
    shown = np.full(len(readings), bool(evidence))
    for quantity, at_least, at_most in evidence:
        value, state = readings.columns[quantity].value, readings.columns[quantity].state
        shown &= (state == State.VALID) | (state == State.STOPPED)
        shown &= value >= (-np.inf if at_least is None else at_least)
        shown &= value <= (np.inf if at_most is None else at_most)
    return shown
