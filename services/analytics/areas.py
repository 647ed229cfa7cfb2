"""Keeps the sums of areas up with the hours of their sources, until told to stop."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

import psycopg
import structlog

from services.analytics.repeat import until
from services.store.backoff import Backoff
from services.store.errors import explain
from services.store.ledger_areas import roll_up_areas
from services.store.pool import Pool

POLL_S: Final = 5.0
"""How long to wait before the next look: what the rounds of so many seconds wrote is summed up once."""
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0


class AreaKeeper:
    """Sums up what the ledger's rounds have noted, the newest first."""

    def __init__(self, pool: Pool, random: Random, poll_s: float = POLL_S) -> None:
        self._pool = pool
        self._backoff = Backoff(random, first_s=_FIRST_RETRY_S, most_s=_LAST_RETRY_S)
        self._poll_s = poll_s
        self._log = structlog.get_logger("areas")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. A database that is away, or refuses, is waited out: what is to do stays noted."""
        await until(stop, lambda: self._try_once(stop))

    async def _try_once(self, stop: asyncio.Event) -> float:
        """All portions that are noted; how long to wait before the next look [s]."""
        try:
            async with self._pool.connection() as connection:
                begins = await roll_up_areas(connection)
                while begins is not None and not stop.is_set():
                    begins = await roll_up_areas(connection, begins)
        except psycopg.Error as error:
            self._log.warning("areas not summed up", problem=explain(error))
            return self._backoff.next_s()
        self._backoff.reset()
        return self._poll_s
