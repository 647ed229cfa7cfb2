"""When an hour is final: what the settings say is told to the database, for every view to go by."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Final

import psycopg
import structlog

from services.store.backoff import Backoff
from services.store.errors import explain
from services.store.pool import Pool
from services.store.revisions import set_final_after

_FIRST_RETRY_S: Final = 0.5
_LAST_RETRY_S: Final = 30.0


async def tell_final_after(pool: Pool, after: timedelta, random: Random, stop: asyncio.Event) -> None:
    """Once, as soon as the database is there; or until `stop`."""
    log = structlog.get_logger("finality")
    backoff = Backoff(random, first_s=_FIRST_RETRY_S, most_s=_LAST_RETRY_S)
    while not stop.is_set():
        try:
            async with pool.connection() as connection:
                await set_final_after(connection, after)
        except psycopg.Error as error:
            log.warning("not told when hours are final", problem=explain(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_s()):
                    await stop.wait()
        else:
            return
