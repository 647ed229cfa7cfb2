"""The rate of a counter that is looked at now and then."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

_LONGEST: Final = timedelta(seconds=60)
_SHORTEST: Final = timedelta(seconds=1)
"""Less than this apart, one batch more or less would make the rate."""


class RateMeter:
    """Remembers a minute of looks at a counter."""

    def __init__(self) -> None:
        self._looks: deque[tuple[datetime, int]] = deque()

    def add(self, at: datetime, count: int) -> float | None:
        """The rate [1/s] since the oldest look of the last minute; None where there is none or it fell."""
        while self._looks and at - self._looks[0][0] > _LONGEST:
            self._looks.popleft()
        if self._looks and (count < self._looks[-1][1] or at < self._looks[-1][0]):
            self._looks.clear()
        self._looks.append((at, count))
        begin, before = self._looks[0]
        if at - begin < _SHORTEST:
            return None
        return (count - before) / (at - begin).total_seconds()
