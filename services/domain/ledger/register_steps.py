"""The steps of registers that an hour is the sum of, one by one: for who checks them against the readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from services.domain.ledger.hours import from_us
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import Readings
from services.domain.ledger.registers import MovementKind
from services.domain.ledger.rows import known
from services.domain.ledger.shapes import Shapes
from services.domain.ledger.track import Window, cut, lay_out
from services.domain.reading import DeviceKey


class RegisterStep(NamedTuple):
    """What a register moved between two readings (or a reading and its replacement), and what of it is in the
    hour. In the register's unit as sent; None is unknown."""

    device: DeviceKey
    quantity: str
    begin: datetime
    end: datetime
    movement: float | None
    read_as: MovementKind
    in_hour: float | None
    """The movement's share of time in the hour, spread evenly."""
    estimated: bool


def register_steps(
    plan: Plan,
    readings: Iterable[Readings],
    windows: Mapping[DeviceKey, Window],
    registers: Mapping[DeviceKey, Iterable[str]],
) -> Iterator[RegisterStep]:
    """The steps of the named registers that have a part in the windows, by device, register and time.
    `readings` are as `kernel.measure` asks for."""
    for batch in readings:
        for number, device in enumerate(batch.devices):
            if device not in registers or device not in windows:
                continue
            own = batch.where(batch.device == number)
            alone = replace(own, devices=(device,), device=np.zeros(len(own), np.int64))
            shapes = Shapes(lay_out(alone, {device: plan.history(device)}, windows))
            for register in registers[device]:
                yield from _of(shapes, device, register)


def _of(shapes: Shapes, device: DeviceKey, register: str) -> Iterator[RegisterStep]:
    track = shapes.track
    if len(track.position) == 0:
        return
    steps = shapes.steps(register)
    pieces = cut(steps.start, steps.end, track.cells)
    amount = pieces.shared(steps.amount, steps.end - steps.start)
    place = int(track.position[0] - track.readings.time[0])
    for segment in dict.fromkeys(pieces.segment.tolist()):
        yield RegisterStep(
            device,
            register,
            from_us(int(steps.start[segment]) - place),
            from_us(int(steps.end[segment]) - place),
            known(float(steps.amount[segment])),
            MovementKind(int(steps.kind[segment])),
            known(float(amount[pieces.segment == segment].sum())),
            bool(steps.estimated[segment]),
        )
