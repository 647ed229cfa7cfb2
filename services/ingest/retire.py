"""Ending the session that the broker keeps for an ingest process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from services.ingest.connection import Connection, ConnectionLostError
from services.ingest.mqtt import Broker
from services.ingest.session import SessionOptions
from services.ingest.watch import Sightings

_PATIENCE_S: Final = 10.0
_RECEIVE_MAXIMUM: Final = 1


async def end_session(broker: Broker, client_id: str, clock: Callable[[], datetime]) -> None:
    """Have the broker forget a session, its subscriptions and all that waits in it.

    Raises ConnectionLostError, BrokerRefusedError, OSError, TimeoutError.
    """
    options = SessionOptions(client_id, broker.username, broker.password, (), _RECEIVE_MAXIMUM, lasting=False)
    async with asyncio.timeout(_PATIENCE_S):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(options, Sightings(), clock), broker.host, broker.port, ssl=broker.tls
        )
        try:
            await connection.connected
            connection.disconnect()
            with suppress(ConnectionLostError):
                await connection.closed
        finally:
            connection.abort()
