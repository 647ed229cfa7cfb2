"""The subscription to the broker: connects, and connects again, until it is told to leave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from services.ingest.connection import Connection, ConnectionLostError, Receiver
from services.ingest.session import SessionOptions
from services.ingest.tls import client_context, explain
from services.store.backoff import Backoff

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_CONNECT_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    username: str | None
    password: str | None


def broker_at(url: str, ca_file: Path | None = None) -> Broker:
    """The broker of an `mqtt://` or `mqtts://` address. `ca_file` is the authority behind the latter."""
    parts = urlsplit(url)
    tls = client_context(ca_file) if parts.scheme == "mqtts" else None
    return Broker(
        host=parts.hostname or "localhost",
        port=parts.port or _PORTS[parts.scheme],
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )


class Subscriber:
    """Keeps the session at the broker served."""

    def __init__(
        self,
        broker: Broker,
        options: SessionOptions,
        receiver: Receiver,
        backoff: Backoff,
        clock: Callable[[], datetime],
    ) -> None:
        self._broker = broker
        self._options = options
        self._receiver = receiver
        self._backoff = backoff
        self._clock = clock
        self._leaving = False
        self._log = structlog.get_logger("mqtt")
        self._connection: Connection | None = None
        self.subscribed = False
        """Whether messages come."""
        self.problem = "The broker has not been reached yet."
        """Why not, in a sentence."""
        self.on_subscribed: Callable[[], None] = lambda: None
        """Called each time that the subscription is there."""

    async def run(self) -> None:
        """Serve the session for ever. Raises BrokerRefusedError or SessionTakenError where that is no use."""
        while not self._leaving:
            try:
                await self._serve()
            except (ConnectionLostError, OSError, TimeoutError) as error:
                if self._leaving:
                    return
                delay_s = self._backoff.next_s()
                self.problem = _sentence(error)
                self._log.warning("broker away", problem=self.problem, retry_in_s=round(delay_s, 1))
                await asyncio.sleep(delay_s)

    def stop_reading(self) -> None:
        """Take nothing more from the broker, and do not connect again."""
        self._leaving = True
        if self._connection is not None:
            self._connection.stop_reading()

    def disconnect(self) -> None:
        """Leave the broker; the session stays there."""
        self._leaving = True
        if self._connection is not None:
            self._connection.disconnect()

    def resume(self) -> None:
        """There is room for more messages."""
        if self._connection is not None and not self._leaving:
            self._connection.resume()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 0; False where it was dropped."""
        return self._connection is not None and self._connection.publish(topic, payload)

    async def unsubscribe(self, topic_filters: Iterable[str]) -> bool:
        """Want these no more; whether the broker has ended all of them. Raises ConnectionLostError."""
        if self._connection is None or not self.subscribed:
            return False
        # Whoever waits may give up; the answer still comes, for the connection.
        return await asyncio.shield(self._connection.unsubscribe(topic_filters))

    async def _serve(self) -> None:
        """One connection, from its beginning to its end. Returns only by an exception."""
        await self._receiver.wait_for_room()
        connection = self._connection = await self._connect()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await connection.connected
            # No time limit: behind a long backlog, or while reading is paused, the answer comes late.
            await connection.subscribed
            self.subscribed = True
            self.on_subscribed()
            self._backoff.reset()
            self._log.info(
                "subscribed" if self._options.lasting else "watching",
                topic_filters=len(self._options.topic_filters),
                client_id=self._options.client_id,
                session_present=connection.session_present,
            )
            await connection.closed
        finally:
            self.subscribed = False
            self._connection = None
            connection.abort()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, connection = await loop.create_connection(
                lambda: Connection(self._options, self._receiver, self._clock),
                self._broker.host,
                self._broker.port,
                ssl=self._broker.tls,
            )
        return connection


def _sentence(error: ConnectionLostError | OSError) -> str:
    """Why there is no connection."""
    match error:
        case ssl.SSLError():
            return explain(error)
        case TimeoutError():
            return "The broker does not answer."
        case OSError():
            return f"The broker cannot be reached ({error.strerror or error})."
        case _:
            return str(error)
