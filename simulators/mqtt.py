"""An ordinary MQTT client that publishes, and knows what the broker has acknowledged.

paho-mqtt in its own thread: it reconnects by itself and sends again what was not acknowledged. Everything
else happens in the event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.errors import BrokerError, ConfigError
from simulators.payload import Message

_CONNECT_S: Final = 10.0
_KEEPALIVE_S: Final = 30
_WINDOW: Final = 64
"""Messages in flight on one connection."""


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where the broker is, from `mqtt://` or `mqtts://user:password@host:port`. `ca_file`: the authority
    behind `mqtts://`, None for the system's own."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    ca_file: Path | None = None

    @classmethod
    def parse(cls, url: str, ca_file: Path | None = None) -> BrokerUrl:
        """Raises ConfigError; its message never has the password in it."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigError("An MQTT URL looks like mqtt://user:password@host:1883 or mqtts://...")
        try:
            port = parts.port
        except ValueError as error:
            raise ConfigError("The port of the MQTT URL is not a number.") from error
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or (8883 if tls else 1883), tls, user, password, ca_file)


Acknowledged = Callable[[Message], None]


class Connection:
    """One connection, for one or several devices. An asynchronous context manager.

    `states` are the devices' topics: each has a retained `online` at `{topic}/state` while connected and
    `offline` after an orderly end. The last will covers the first of them only: MQTT has one will a
    connection.
    """

    def __init__(
        self,
        url: BrokerUrl,
        states: Sequence[str],
        acknowledged: Acknowledged,
        *,
        qos: int = 1,
        window: int = _WINDOW,
    ) -> None:
        self._url, self._qos, self._acknowledged = url, qos, acknowledged
        self._states = [f"{topic}/state" for topic in states]
        self._slots = asyncio.Semaphore(window)
        self._pending: dict[int, Message] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._failed: BrokerError | None = None
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._client = self._make_client(window)

    async def __aenter__(self) -> Connection:
        self._client.connect_async(self._url.host, self._url.port, _KEEPALIVE_S)
        self._client.loop_start()
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._connected
        except TimeoutError:
            await self._close()
            raise self._unreachable("it does not answer") from None
        except BaseException:  # also where this task is cancelled: paho's thread must not outlive the loop
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def publish(self, message: Message) -> None:
        """Hand a message over; waits while the window is full. Raises BrokerError where the broker refused an
        earlier one."""
        await self._slots.acquire()
        self._raise_failure()
        self._send(message, self._qos, retain=False)

    async def settled(self) -> None:
        """Return when all that was published is acknowledged. Raises BrokerError as `publish`."""
        await self._idle.wait()
        self._raise_failure()

    async def say_offline(self) -> None:
        """Tell the devices' end in order, and wait until the broker has it."""
        for topic in self._states:
            await self._slots.acquire()
            self._send(Message(topic, b"offline", ()), 1, retain=True)
        await self.settled()

    @property
    def unacknowledged(self) -> int:
        """Units handed over that the broker has not acknowledged."""
        return sum(len(message.units) for message in self._pending.values())

    def _send(self, message: Message, qos: int, *, retain: bool) -> None:
        # The acknowledgement is handled in this loop, hence never before the next line.
        info = self._client.publish(message.topic, message.payload, qos, retain=retain)
        self._pending[info.mid] = message
        self._idle.clear()

    def _unreachable(self, why: object) -> BrokerError:
        return BrokerError(f"The broker at {self._url.host}:{self._url.port} cannot be reached: {why}.")

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    async def _close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _make_client(self, window: int) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"carbonflow-sim-{secrets.token_hex(6)}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.max_inflight_messages_set(window)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(1, 10)
        if self._url.user is not None:
            client.username_pw_set(self._url.user, self._url.password)
        if self._url.tls:
            client.tls_set_context(ssl.create_default_context(cafile=self._url.ca_file))
        if self._states:
            client.will_set(self._states[0], "offline", 1, retain=True)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_publish = self._on_publish
        return client

    # The following three run in paho's thread.

    def _on_connect_fail(self, _client: paho.Client, _userdata: object) -> None:
        # Called while paho handles the error, which it does not pass on.
        error = sys.exc_info()[1]
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it does not answer"
        self._loop.call_soon_threadsafe(self._on_connected, self._unreachable(why))

    def _on_connect(
        self,
        client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not reason.is_failure:
            for topic in self._states:
                client.publish(topic, "online", 1, retain=True)
        refusal = None
        if reason.is_failure:
            url = self._url
            refusal = BrokerError(f"The broker at {url.host}:{url.port} refuses the connection: {reason}.")
        self._loop.call_soon_threadsafe(self._on_connected, refusal)

    def _on_publish(
        self, _client: paho.Client, _userdata: object, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        self._loop.call_soon_threadsafe(self._on_acknowledged, mid, reason)

    # The following two run in the event loop.

    def _on_connected(self, problem: BrokerError | None) -> None:
        if self._connected.done():  # paho reconnects
            return
        if problem is None:
            self._connected.set_result(None)
        else:
            self._connected.set_exception(problem)

    def _on_acknowledged(self, mid: int, reason: ReasonCode) -> None:
        message = self._pending.pop(mid, None)
        if reason.is_failure:
            topic = self._states[0] if message is None else message.topic
            self._failed = BrokerError(f"The broker refuses a message to {topic}: {reason}.")
        elif message is not None:
            self._acknowledged(message)
        if message is not None:  # not the retained state of a device
            self._slots.release()
        if self._failed is not None or not self._pending:
            self._wake()

    def _wake(self) -> None:
        """Let those who wait look whether all is acknowledged, or lost."""
        self._idle.set()
        if self._failed is not None:
            self._slots.release()
