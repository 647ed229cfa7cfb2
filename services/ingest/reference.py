"""What live emissions follow from: registry and factors, loaded again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import psycopg
import structlog

from services.domain.factors import FactorBook
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References, next_change
from services.ingest.link import Link
from services.ingest.results import Listeners, listeners
from services.store.errors import StoreError, explain
from services.store.factors import load_factors
from services.store.live import reference_state
from services.store.pool import Connection
from services.store.registry import device_ids, load_registry, source_ids

_LOOK_AHEAD: Final = timedelta(days=1)


class Reference:
    """Keeps the live converter in step with the database and the calendar."""

    def __init__(self, link: Link, clock: Callable[[], datetime], poll_s: float = 3.0) -> None:
        self._link = link
        self._clock = clock
        self._poll_s = poll_s
        self._versions = [-1, -1]
        self._valid_until = clock()
        self._log = structlog.get_logger("reference")
        nothing = References(Registry(version=1), FactorBook(()), {}, {})
        self.live = LiveConverter(nothing, clock())
        """Converts by what is in force."""
        self.listeners: Listeners = {}
        """The devices that want to be told what became of their readings."""
        self.loaded = asyncio.Event()
        """Set once registry and factors were read."""
        self.problem: str | None = "The database has not been reached yet."
        """Why the database cannot be written to, in a sentence."""

    async def run(self) -> None:
        """Look for changes for ever."""
        while True:
            before, self.problem = self.problem, await self._look()
            if self.problem is not None and self.problem != before:
                self._log.warning("database away", problem=self.problem)
            await asyncio.sleep(self._poll_s)

    async def _look(self) -> str | None:
        """Refresh; the problem, where there is one."""
        try:
            return None if await self.refresh() else "The database takes no writes."
        except psycopg.Error as error:
            return explain(error)
        except StoreError as error:
            return str(error)

    async def refresh(self) -> bool:
        """Load registry and factors where they changed, or something of them begins or ends now.

        Returns whether the database takes writes. Raises psycopg.Error.
        """
        async with self._link.transaction() as connection:
            *versions, writable = await reference_state(connection)
            now = self._clock()
            if versions != self._versions or now >= self._valid_until:
                await self._load(connection, now)
                self._versions = versions
        self.loaded.set()
        return writable

    async def _load(self, connection: Connection, now: datetime) -> None:
        version, registry = await load_registry(connection)
        factors = FactorBook(await load_factors(connection))
        references = References(registry, factors, await device_ids(connection), await source_ids(connection))
        live = LiveConverter(references, now)
        live.inherit(self.live)
        self.live = live
        self.listeners = listeners(registry, now)
        self._valid_until = next_change(registry, factors, now, now + _LOOK_AHEAD)
        self._log.info("registry loaded", version=version, valid_until=self._valid_until.isoformat())
