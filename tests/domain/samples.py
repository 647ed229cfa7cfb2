"""Values for every formula: what devices usually send, and parameters a registry may give."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.formulas import FORMULAS as OTHERS
from services.domain.formulas import Formula
from services.domain.part75_formulas import PART75_FORMULAS

FORMULAS: Final = (*OTHERS, *PART75_FORMULAS)

USUAL: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "temperature_c": (110.0, 320.0),
        "return_temperature_c": (20.0, 70.0),
        "pressure_kpa": (150.0, 1500.0),
        "running": (1.0, 1.0),
        "static_pressure_pa": (-500.0, 0.0),
        "barometric_pressure_pa": (85_000.0, 103_000.0),
        "moisture_pct": (2.0, 20.0),
        "co2_pct": (3.0, 16.0),
        "o2_pct": (3.0, 12.0),
        "operating_fraction": (0.1, 1.0),
    }
)
PARAMS: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "scale": (1.5, 1.0, 0.001, 4000.0),
        "pressure_offset_kpa": (101.325, 0.0, 85.0),
        "base_temperature_k": (293.15, 273.15, 288.15),
        "compressibility_ratio": (1.01, 1.0),
        "only_running": (1.0, 0.0),
        "density_at_c": (15.0, 20.0),
        "expansion_per_k": (0.00084, 0.0, 0.003),
        "curvature": (0.8, 0.0),
        "duct_area_m2": (15.9, 50.24),
        "analyser_wet": (1.0, 0.0),
        "flow_wet": (0.0, 1.0),
        "fc": (1800.0, 1040.0),
        "fd": (9780.0, 8710.0),
        "dryness_fraction": (0.97, 1.0),
        "meter_in_return": (1.0, 0.0),
    }
)
"""The first is the one that `sample` takes."""


def range_of(formula: Formula, role: str) -> tuple[float, float]:
    """The usual range of an input of the formula."""
    if role == "temperature_c" and "hot_water" in formula.name:
        return 60.0, 105.0
    if role == "temperature_c" and "liquid" in formula.name:
        return -20.0, 80.0
    return USUAL[role]


def sample(formula: Formula, n: int, seed: int) -> tuple[FloatArray, list[FloatArray], list[FloatArray]]:
    """`n` values of x, of each input and of each parameter."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 100.0, n)
    inputs = [rng.uniform(*range_of(formula, role), n) for role in formula.inputs]
    return x, inputs, [np.full(n, PARAMS[name][0]) for name in formula.params]
