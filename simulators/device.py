"""A simulated device as it runs: its registers advance with time, and it shows readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from simulators.hashing import FloatArray, IntArray, between, stable_key, uniform
from simulators.process import BLOCK_S, Interval, without
from simulators.spec import DeviceSpec, Gauge, Reading, Register, Value


@dataclass(slots=True)
class DeviceState:
    """What must survive a restart. All instants are whole seconds since the epoch.

    `totals` (unwrapped registers) are counted up to `at`; the next reading is due at `due`. The device first
    ran at `born`, and stood still in the `off` intervals.
    """

    born: int
    at: int
    due: int
    totals: dict[str, float]
    off: list[tuple[int, int]] = field(default_factory=list)
    swaps: list[dict[str, Any]] = field(default_factory=list)

    def copy(self) -> DeviceState:
        """A copy that no later step of the device changes."""
        return DeviceState(self.born, self.at, self.due, dict(self.totals), list(self.off), list(self.swaps))

    def ran(self, begin: float, end: float) -> list[Interval]:
        """The parts of [begin, end) in which the device ran."""
        return without((max(begin, self.born), end), self.off) if end > self.born else []


class Device:
    """One device. `advance` is the only way its time moves, and it moves forwards only.

    `swap_at` says at which instants (on the process's grid) the meter is replaced and its registers start
    anew.
    """

    def __init__(self, spec: DeviceSpec, seed: int, state: DeviceState) -> None:
        self.spec = spec
        self.state = state
        self.swap_at: Sequence[int] = ()
        self._step_s = spec.process.step_s
        self._noise = [stable_key(seed, spec.seed_name, gauge.quantity) for gauge in spec.gauges]
        self._swap_key = stable_key(seed, spec.seed_name, "swap")

    @classmethod
    def new(cls, spec: DeviceSpec, seed: int, at: float, *, rollover_soon: bool = False) -> Device:
        """A device switched on at the first instant of its rhythm at or after `at`, which is also when it
        shows its first reading. With `rollover_soon` its registers are less than two hours from rolling over.
        """
        begin = _rhythm(spec, at)
        totals = {}
        for register in spec.registers:
            low, high = _near_the_end(spec, register, begin) if rollover_soon else register.start
            key = stable_key(seed, spec.seed_name, register.quantity, "start")
            totals[register.quantity] = round(between(key, low, high), register.digits)
        return cls(spec, seed, DeviceState(begin, begin, begin, totals))

    def resume(self, at: float) -> None:
        """Go on after a stop. Where its next reading was due before `at`, it is taken to have been switched
        off from its last reading to its first instant at or after `at`: registers and truth stand still."""
        restart = _rhythm(self.spec, at)
        if restart > self.state.due:
            self.state.off.append((self.state.at, restart))
            self.state.at = self.state.due = restart

    def advance(self, until: float) -> list[Reading]:
        """The readings due up to and including `until`, in order."""
        state, interval = self.state, self.spec.interval_s
        if until < state.due:
            return []
        last = state.due + int((until - state.due) // interval) * interval
        readings: list[Reading] = []
        if state.due == state.at:
            totals = {name: np.array([total]) for name, total in state.totals.items()}
            readings += self._show(np.array([state.at], dtype=np.int64), totals)
        while state.at < last:
            block_end = (state.at // BLOCK_S + 1) * BLOCK_S
            end = min(block_end, last, *(swap for swap in self.swap_at if swap > state.at))
            readings += self._count_to(end)
            if end in self.swap_at:
                self._swap(end)
        return readings

    def _count_to(self, end: int) -> list[Reading]:
        """Count the registers on to `end`, within one block; the readings due on the way."""
        state = self.state
        block_begin = state.at // BLOCK_S * BLOCK_S
        series = self.spec.process.block(state.at // BLOCK_S)
        first, stop = (state.at - block_begin) // self._step_s, (end - block_begin) // self._step_s
        instants = np.arange(state.due, end + 1, self.spec.interval_s, dtype=np.int64)
        edges = (instants - state.at) // self._step_s
        totals: dict[str, FloatArray] = {}
        for register in self.spec.registers:
            # One addition a step, in order, so that stopping and going on gives the same bits.
            amounts = series[register.series][first:stop] * (self._step_s / 3600.0)
            counted = np.add.accumulate(np.concatenate(([state.totals[register.quantity]], amounts)))
            state.totals[register.quantity] = float(counted[-1])
            totals[register.quantity] = counted[edges]
        state.at = end
        return self._show(instants, totals)

    def _show(self, instants: IntArray, totals: dict[str, FloatArray]) -> list[Reading]:
        """Readings at `instants`, all after the begin of one block and not after its end."""
        if not instants.size:
            return []
        spec, state = self.spec, self.state
        # A gauge shows the step that has just passed.
        block = (int(instants[0]) - 1) // BLOCK_S
        series = spec.process.block(block)
        steps = (instants - 1 - block * BLOCK_S) // self._step_s
        columns: dict[str, list[Value]] = {}
        for register in spec.registers:
            columns[register.quantity] = [
                register.shown(total) for total in totals[register.quantity].tolist()
            ]
        for gauge, key in zip(spec.gauges, self._noise, strict=True):
            columns[gauge.quantity] = _gauged(gauge, key, series[gauge.series][steps], instants)
        for flag in spec.flags:
            columns[flag.quantity] = [value > 0.5 for value in series[flag.series][steps].tolist()]
        state.due = int(instants[-1]) + spec.interval_s
        return [
            Reading(spec.id, ts, ts // spec.interval_s, dict(zip(columns, row, strict=True)))
            for ts, *row in zip(instants.tolist(), *columns.values(), strict=True)
        ]

    def _swap(self, at: int) -> None:
        """Replace the meter: note what the old one shows last and what the new one shows first."""
        final, initial = {}, {}
        for register in self.spec.registers:
            final[register.quantity] = register.shown(self.state.totals[register.quantity])
            fresh = round(between(self._swap_key, 0.0, 20.0, at), register.digits)
            self.state.totals[register.quantity] = fresh
            initial[register.quantity] = fresh
        self.state.swaps.append(
            {
                "type": "meter_replaced",
                "device": f"{self.spec.id.kind}/{self.spec.id.device}",
                "at": datetime.fromtimestamp(at, UTC).isoformat(),
                "final": final,
                "initial": initial,
            }
        )


def _gauged(gauge: Gauge, key: int, values: FloatArray, instants: IntArray) -> list[Value]:
    noisy = values + gauge.noise * (2.0 * uniform(key, instants) - 1.0)
    shown: list[Value] = np.round(noisy, gauge.digits).tolist()
    return shown


def _near_the_end(spec: DeviceSpec, register: Register, at: int) -> tuple[float, float]:
    """Totals from which the register rolls over within the second hour after `at`."""
    hour, next_hour = (
        spec.process.integral(register.series, begin, begin + 3600.0) for begin in (at, at + 3600.0)
    )
    return register.modulus - hour - next_hour, register.modulus - hour


def _rhythm(spec: DeviceSpec, at: float) -> int:
    """The first instant of the device's rhythm at or after `at`."""
    return int(-(-(at - spec.phase_s) // spec.interval_s)) * spec.interval_s + spec.phase_s
