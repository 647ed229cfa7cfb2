"""How long to wait before the next try."""

from __future__ import annotations

from random import Random


class Backoff:
    """Delays that double from `first_s` to `most_s` seconds, each jittered down to half, until `reset`."""

    def __init__(self, random: Random, *, first_s: float = 0.1, most_s: float = 15.0) -> None:
        self._random = random
        self._first_s = first_s
        self._most_s = most_s
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """The next delay [s]."""
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(2 * ceiling_s, self._most_s)
        return ceiling_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Something worked: the next delay is the first again."""
        self._ceiling_s = self._first_s
