"""Randomness that is a pure function of what it is for: a seed, names, and an index.

Nothing here has a state, so a value at an instant is the same whenever, in whatever order and in whichever
process it is asked for. Python's `hash` (salted per process) and generator streams (order matters) are not.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
_GAMMA: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1
_UNIT: Final = 2.0**-53


def stable_key(seed: int, *names: str) -> int:
    """A 63-bit key for `names` under `seed`; the same on every machine and in every run."""
    text = "\x1f".join((str(seed), *names))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def uniform(key: int, index: IntArray) -> FloatArray:
    """Independent uniform numbers in [0, 1), one for each index, by SplitMix64. Shape of `index`."""
    z = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(_GAMMA) + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    bits = (z ^ (z >> np.uint64(31))) >> np.uint64(11)
    return bits.astype(np.float64) * _UNIT


def uniform_at(key: int, index: int) -> float:
    """`uniform` for one index, without the cost of an array."""
    z = ((index + 1) * _GAMMA + key) & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return ((z ^ (z >> 31)) >> 11) * _UNIT


def between(key: int, low: float, high: float, index: int = 0) -> float:
    """A number in [low, high) that belongs to `key` (and `index`)."""
    return low + (high - low) * uniform_at(key, index)
