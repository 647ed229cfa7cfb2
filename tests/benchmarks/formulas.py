"""The formulas alone, on arrays: values a second of one core, by CPU time, beside plain Python."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import seuif97

from services.domain.arrays import FloatArray
from services.domain.formulas import GAS_LINE, HJ75, LINEAR, LIQUID_LINE, STEAM_SUPERHEATED, Formula
from services.domain.methods.heat import STEAM_DATUM_KJ_PER_KG
from tests.benchmarks.results import Sample, Target

_PLAIN_SHARE: Final = 20
"""Plain Python computes one value in so many: it takes that much longer."""
_REPEATS: Final = 3


class Case(NamedTuple):
    """A formula, what its inputs range over, its parameters, and the same for one value in plain Python."""

    formula: Formula
    x: tuple[float, float]
    inputs: tuple[tuple[float, float], ...]
    params: tuple[float, ...]
    plain: Callable[..., float]
    target: Target | None = None


def _plain_linear(x: float) -> float:
    return x * 0.95


def _plain_gas(x: float, temperature_c: float, pressure_kpa: float) -> float:
    return x * ((pressure_kpa + 101.325) / 101.325) * (273.15 / (temperature_c + 273.15))


def _plain_liquid(x: float, temperature_c: float) -> float:
    expansion = 0.00084 * (temperature_c - 15.0)
    return x * 0.84 * math.exp(-expansion * (1.0 + 0.8 * expansion))


def _plain_stack(
    x: float, temperature_c: float, static: float, barometric: float, moisture: float, co2: float, ran: float
) -> float:
    pressure = (barometric + static) / 101_325.0
    flow = 3600.0 * 50.24 * x * 273.0 / (273.0 + temperature_c) * pressure * (1.0 - moisture / 100.0)
    return flow * co2 / 100.0 * 44.0 / 22.4 / 1000.0 * ran


def _plain_steam(x: float, pressure_kpa: float, temperature_c: float) -> float:
    enthalpy: float = seuif97.pt2h((pressure_kpa + 101.325) / 1000.0, temperature_c)
    return x * (enthalpy - STEAM_DATUM_KJ_PER_KG) / 1000.0


_STACK: Final = (
    (40.0, 140.0),
    (-500.0, 0.0),
    (85_000.0, 103_000.0),
    (2.0, 20.0),
    (3.0, 16.0),
    (0.1, 1.0),
)

CASES: Final = {
    "linear": Case(LINEAR, (0.0, 100.0), (), (0.95,), _plain_linear, Target(20e6, 20e6)),
    "gas": Case(
        GAS_LINE, (0.0, 100.0), ((-10.0, 40.0), (0.0, 600.0)), (1.0, 101.325, 273.15, 1.0), _plain_gas
    ),
    "liquid": Case(LIQUID_LINE, (0.0, 100.0), ((-10.0, 60.0),), (0.84, 15.0, 0.00084, 0.8), _plain_liquid),
    "cems": Case(HJ75, (5.0, 20.0), _STACK, (1.0, 50.24, 0.0), _plain_stack, Target(5e6, 5e6)),
    "steam": Case(
        STEAM_SUPERHEATED,
        (0.0, 100.0),
        ((300.0, 3000.0), (250.0, 450.0)),
        (1.0, 101.325),
        _plain_steam,
        Target(500e3, 500e3),
    ),
}


def measure(values: int) -> Iterator[tuple[str, Sample]]:
    """Values a second of each case over arrays of so many."""
    for name, case in CASES.items():
        yield name, _measured(case, values)


def _measured(case: Case, values: int) -> Sample:
    rng = np.random.default_rng(20_260_301)
    x = rng.uniform(*case.x, values)
    inputs = [rng.uniform(*each, values) for each in case.inputs]
    params = [np.full(values, each) for each in case.params]
    found = case.formula.evaluate(x, inputs, params)
    some = max(values // _PLAIN_SHARE, 1)
    plain = _plainly(case, [each[:some].tolist() for each in (x, *inputs)])
    if not np.allclose(found[:some], plain, rtol=1e-9):
        raise ArithmeticError(f"{case.formula.name} and plain Python differ: they are no comparison.")
    ours_s = min(_cpu_s(lambda: case.formula.evaluate(x, inputs, params)) for _ in range(_REPEATS))
    columns = [each[:some].tolist() for each in (x, *inputs)]
    plain_s = min(_cpu_s(lambda: _plainly(case, columns)) for _ in range(_REPEATS))
    return Sample(values / ours_s, some / plain_s)


def _plainly(case: Case, columns: list[list[float]]) -> list[float]:
    return [case.plain(*row) for row in zip(*columns, strict=True)]


def _cpu_s(work: Callable[[], FloatArray | list[float]]) -> float:
    """CPU seconds of this thread: the machine may have other work."""
    begun = time.thread_time()
    work()
    # The clock's resolution, where there was nearly nothing to do.
    return max(time.thread_time() - begun, 1e-9)
