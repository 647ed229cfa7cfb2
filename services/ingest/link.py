"""A connection to the database that is opened again when it broke.

Not a pool: one task uses it, and a pool's own pauses between tries to connect grow to minutes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.store.pool import Connection, connect


class Link:
    """One connection for one task."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: Connection | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction, committed at the end. Raises psycopg.Error; what failed is rolled back."""
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._url, name=self._name)
        async with self._connection.transaction():
            yield self._connection

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()
