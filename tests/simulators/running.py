"""A fleet run by a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from simulators.faults import FaultPlan
from simulators.fleet import Fleet, FleetConfig
from simulators.journal import FileJournal, MemoryJournal
from simulators.payload import rfc3339
from simulators.report import Report
from simulators.spec import Reading

NONE = FaultPlan.parse("none")


class WatchfulJournal(MemoryJournal):
    """Checks that nothing is published before its time."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def reading(self, reading: Reading) -> None:
        assert reading.ts <= self._now()
        super().reading(reading)


class FixedClock:
    """Time stands still."""

    def __init__(self, time: float) -> None:
        self._time = time

    def now(self) -> float:
        return self._time

    async def wait_until(self, _instant: float, stop: asyncio.Event) -> None:
        await stop.wait()


def run(config: FleetConfig, clock: Any, journal: MemoryJournal | FileJournal | None = None) -> Report:
    kept = WatchfulJournal(clock.now) if journal is None else journal
    return asyncio.run(Fleet(config, clock=clock, journal=kept).run(asyncio.Event()))


def as_sent(reading: Reading) -> dict[str, Any]:
    return {"ts": rfc3339(reading.ts), "seq": reading.seq, **reading.values}


def why_bad(content: Any, end: str) -> str | None:
    """Why a unit is to be refused, as far as the demo's faults go."""
    if content is None:
        return "not_json"
    if any(isinstance(v, str) or v != v for k, v in content.items() if k != "ts"):
        return "bad_field"
    return "future" if content["ts"] > end else None
