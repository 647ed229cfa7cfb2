"""Time, passed in: the wall clock, and the simulated position behind it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time [s since the epoch], and waiting for it."""

    def now(self) -> float:
        """The present instant."""
        ...

    async def wait_until(self, instant: float, stop: asyncio.Event) -> None:
        """Return at `instant`, or as soon as `stop` is set."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """The present instant."""
        return time.time()

    async def wait_until(self, instant: float, stop: asyncio.Event) -> None:
        """Return at `instant`, or as soon as `stop` is set."""
        try:
            async with asyncio.timeout(max(0.0, instant - self.now())):
                await stop.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Pace:
    """Where the simulation stands: it begins at `begin` and catches up with the clock, `speed` times as fast
    as time passes (None: at once), and never goes ahead of the clock."""

    clock: Clock
    begin: float
    started: float
    speed: float | None = None

    def position(self) -> float:
        """The simulated instant that corresponds to now."""
        now = self.clock.now()
        if self.speed is None:
            return now
        return min(now, self.begin + (now - self.started) * self.speed)

    def wall_at(self, position: float) -> float:
        """The wall-clock instant at which the simulation gets to `position`."""
        if self.speed is None:
            return position
        return max(position, self.started + (position - self.begin) / self.speed)
