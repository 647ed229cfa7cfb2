"""A connection to the database that is opened again when it broke.

Not a pool: one task uses it, and a pool's own pauses between tries to connect grow to minutes.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import psycopg

from services.store.pool import Connection, connect

HUNG_S: Final = 30.0
"""A transaction of the writers that takes longer hangs: the server is stopped, its disk does not answer, or
the network swallows what is sent. Batches take less than a second."""


class Link:
    """One connection for one task."""

    def __init__(self, url: str, name: str, hung_s: float | None = None) -> None:
        self._url = url
        self._name = name
        self._hung_s = hung_s
        self._connection: Connection | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction, committed at the end. Raises psycopg.Error; what failed is rolled back.

        After `hung_s` it is given up as if the connection had broken.
        """
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._url, name=self._name)
        with _hanging_up(self._connection, self._hung_s):
            async with self._connection.transaction():
                yield self._connection

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()


@contextmanager
def _hanging_up(connection: Connection, after_s: float | None) -> Iterator[None]:
    if after_s is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(after_s, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: Connection) -> None:
    """End the connection under whoever waits for an answer: they get an error, not a cancellation."""
    with (
        suppress(OSError, psycopg.OperationalError),
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)
