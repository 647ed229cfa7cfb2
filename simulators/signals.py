"""Smooth signals of time, from which the physical models are put together.

A signal is called with an array of instants (seconds since the epoch, UTC) and gives an array of the same
shape. It has no state: noise is a function of its key and the instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.hashing import FloatArray, stable_key, uniform

DAY_S: Final = 86_400.0
YEAR_S: Final = 365.2425 * DAY_S
# 1970-01-01 was a Thursday; Monday is 0.
_EPOCH_WEEKDAY: Final = 3


@dataclass(frozen=True, slots=True)
class Noise:
    """Value noise in [-1, 1]: random values every `period_s`, joined smoothly."""

    key: int
    period_s: float

    def __call__(self, t: FloatArray) -> FloatArray:
        x = t / self.period_s
        lattice = np.floor(x)
        fraction = x - lattice
        weight = fraction * fraction * (3.0 - 2.0 * fraction)
        index = lattice.astype(np.int64)
        left, right = uniform(self.key, index), uniform(self.key, index + 1)
        return 2.0 * (left + (right - left) * weight) - 1.0


@dataclass(frozen=True, slots=True)
class Flicker:
    """Noise on several time scales at once, in [-1, 1]; the slow ones are the stronger."""

    octaves: tuple[tuple[float, Noise], ...]

    @classmethod
    def of(cls, seed: int, name: str, *periods_s: float) -> Flicker:
        """Flicker of the given periods, each half as strong as the one before."""
        weights = [0.5**i for i in range(len(periods_s))]
        return cls(
            tuple(
                (weight / sum(weights), Noise(stable_key(seed, name, str(period)), period))
                for weight, period in zip(weights, periods_s, strict=True)
            )
        )

    def __call__(self, t: FloatArray) -> FloatArray:
        total = np.zeros_like(t)
        for weight, noise in self.octaves:
            total += weight * noise(t)
        return total


def logistic(x: FloatArray) -> FloatArray:
    """The logistic function, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def soft_excess(x: FloatArray, width: float) -> FloatArray:
    """max(x, 0) with the corner rounded over `width` (same unit as x); never negative."""
    return np.asarray(width * np.logaddexp(0.0, x / width))


def local_hour(t: FloatArray, utc_offset_h: float) -> FloatArray:
    """Hour of the local day, 0 to 24, for a zone without daylight saving."""
    return np.asarray(np.mod(t / 3600.0 + utc_offset_h, 24.0))


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How full an office is, 0 to 1: working days from morning to evening, little at the weekend."""

    utc_offset_h: float
    arrive_h: float = 8.2
    leave_h: float = 18.4
    weekend: float = 0.18

    def __call__(self, t: FloatArray) -> FloatArray:
        hour = local_hour(t, self.utc_offset_h)
        day = np.floor(t / DAY_S + self.utc_offset_h / 24.0)
        weekday = np.mod(day + _EPOCH_WEEKDAY, 7.0)
        presence = logistic((hour - self.arrive_h) / 0.45) * logistic((self.leave_h - hour) / 0.6)
        return np.asarray(presence * np.where(weekday < 5, 1.0, self.weekend))


@dataclass(frozen=True, slots=True)
class Weather:
    """Outdoor air temperature [degC]: a year, a day, and fronts that pass."""

    mean_c: float
    annual_c: float
    diurnal_c: float
    utc_offset_h: float
    fronts: Flicker

    def __call__(self, t: FloatArray) -> FloatArray:
        # Warmest around 20 July (day 201) and 15:00 local time.
        year = np.cos(2.0 * np.pi * (t / YEAR_S - 201.0 / 365.2425))
        day = np.cos(2.0 * np.pi * (local_hour(t, self.utc_offset_h) - 15.0) / 24.0)
        return np.asarray(self.mean_c + self.annual_c * year + self.diurnal_c * day + 4.0 * self.fronts(t))
