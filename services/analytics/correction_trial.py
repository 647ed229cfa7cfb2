"""What a correction, or its withdrawal, would change: computed as a round of the ledger, and rolled back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from services.analytics import ledger
from services.analytics.compute import Computation, Computed
from services.analytics.errors import AnalyticsError
from services.analytics.known import Known
from services.analytics.ledger import Pace
from services.domain.ledger.hours import to_us
from services.store.corrections import Recorded
from services.store.ledger_readings import extents
from services.store.pool import Connection
from services.store.revisions import Effect, effects_of, say_why

MAX_READINGS: Final = 500_000
"""No round of the ledger runs meanwhile: some seconds."""

Record = Callable[[Connection], Awaitable[Recorded]]
"""Records a correction or withdraws one."""


class TooMuchToTryError(AnalyticsError):
    """A stretch that would keep the ledger waiting."""

    def __init__(self, readings: int) -> None:
        super().__init__(
            f"What {readings} readings would change is not tried out, at most {MAX_READINGS}: "
            "take a shorter stretch."
        )


class Trial(NamedTuple):
    """What would come of it."""

    recorded: Recorded
    effects: list[Effect]


async def try_correction(connection: Connection, record: Record) -> Trial:
    """The results that would be replaced, in sums; nothing is kept. Missing hours of stacks that follow from
    the changed ones are not in it: the ledger computes them afterwards.

    Raises what `record` raises, TooMuchToTryError, psycopg.Error.
    """
    async with connection.transaction(force_rollback=True):
        recorded = await record(connection)
        if recorded.readings > MAX_READINGS:
            raise TooMuchToTryError(recorded.readings)
        await say_why(connection, recorded.reason)
        await _compute(connection, recorded)
        return Trial(recorded, await effects_of(connection, recorded.reason))


async def _compute(connection: Connection, recorded: Recorded) -> None:
    known = Known()
    await known.refresh(connection)
    await known.meet(connection, [recorded.device_id])
    key = known.keys[recorded.device_id]
    found = await extents(connection, key.kind, [recorded.device_id])
    if recorded.device_id not in found:
        return
    first, last = found[recorded.device_id]
    begin_us = max(to_us(recorded.begin), to_us(first))
    end_us = min(to_us(recorded.end), to_us(last) + 1)
    if begin_us >= end_us:
        return
    pace = Pace(known.plan)
    computation = Computation(known, pace, ledger.MAX_READINGS)
    touched = ledger.touched_days(known.plan, key, begin_us, end_us)
    for windows in ledger.chunks(pace, touched, ledger.MAX_READINGS):
        await computation.recompute(connection, windows, Computed())
