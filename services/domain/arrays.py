"""The one array type of the formulas: float64, NaN where unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""Values of many readings, any one shape; NaN is unknown and is never taken for 0."""


def column(values: Sequence[float | None] | float | FloatArray) -> FloatArray:
    """`values` as a one-dimensional float64 array; None becomes NaN, a single number an array of one."""
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
