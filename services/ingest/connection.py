"""One connection to the broker, as MQTT 5 client with a session that outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Protocol, cast

import mqtt5
import numpy as np
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode

from services.ingest.framing import Framer, LargePublish, MalformedError, Packet
from services.ingest.message import Message
from services.ingest.session import (
    SessionOptions,
    all_ended,
    connect_packet,
    refused_filter,
    subscribe_packet,
)

# We publish at QoS 0 only, so no other packet of ours has an id.
_SUBSCRIBE_ID: Final = 1
_UNSUBSCRIBE_ID: Final = 2
_UNSENT_BYTES: Final = 256 * 1024
"""How much the broker may leave unread before results are dropped; acknowledgements wait behind it."""
_ANY_SIZE: Final = 2**31
_FIRST_ERROR: Final = 0x80
_PUBACK: Final = 0x4002
"""Packet type and remaining length of a PUBACK without reason code (MQTT 5, 3.4); the packet id follows."""
# The codec's codes are no IntEnum, whatever its stub says: they have no order and no hash.
_REFUSED_FOR_GOOD: Final = (
    ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    ConnAckReasonCode.CLIENT_ID_NOT_VALID,
    ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    ConnAckReasonCode.NOT_AUTHORIZED,
    ConnAckReasonCode.BANNED,
    ConnAckReasonCode.BAD_AUTHENTICATION_METHOD,
)
"""Trying again does not help: somebody must change the settings."""


# A NamedTuple's own constructor takes twice as long, and there is a message for every reading.
_new: Final = tuple.__new__


class ConnectionLostError(Exception):
    """The connection to the broker ended; the session waits there."""


class BrokerRefusedError(Exception):
    """The broker does not let us in."""


class SessionTakenError(Exception):
    """Another client connected with the same client id."""


class Receiver(Protocol):
    """Where messages go."""

    def receive(self, connection: Connection, messages: list[Message], /) -> bool:
        """Take messages; returns whether there is room for more."""

    async def wait_for_room(self) -> None:
        """Wait until there is room."""


class Connection(asyncio.Protocol):
    """Connects, subscribes, hands on what comes, acknowledges when told to.

    Nothing is acknowledged by itself. Where the receiver has no room, reading pauses, and TCP lets the broker
    wait, until `resume`. The futures tell how far it got; each ends in the error that ended the connection.
    """

    def __init__(self, options: SessionOptions, receiver: Receiver, clock: Callable[[], datetime]) -> None:
        self._options = options
        self._receiver = receiver
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._keep_alive_s = options.keep_alive_s
        self._keep_alive: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._paused = False
        self._leaving = False
        self._largest = _ANY_SIZE
        self.session_present = False
        self.connected: asyncio.Future[None] = self._loop.create_future()
        self.subscribed: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._unsubscribed: asyncio.Future[bool] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._transport.write(connect_packet(self._options))

    def data_received(self, data: bytes) -> None:
        """Hand on the messages that are complete."""
        if self._leaving:
            return
        self._heard_at = self._loop.time()
        now = self._clock()
        messages: list[Message] = []
        try:
            for packet in self._framer.feed(data):
                if type(packet) is mqtt5.PublishPacket:
                    id_ = packet.packet_id or 0
                    again = packet.duplicate
                    messages.append(Message(packet.topic, packet.payload, id_, now, None, again))
                elif type(packet) is LargePublish:
                    topic, packet_id, beginning, cut = packet
                    messages.append(Message(topic, beginning, packet_id, now, cut))
                else:
                    self._control(packet)
        except MalformedError as error:
            self._fail(ConnectionLostError(f"The broker sent what is not MQTT 5: {error}."))
            return
        if messages and not self._receiver.receive(self, messages):
            self._pause()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        reason = str(exc) if exc else "the broker closed it"
        self._settle(ConnectionLostError(f"The connection to the broker ended: {reason}."))

    # What the rest of ingest calls.

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Acknowledge messages (QoS 1), in the order given, which must be that of their arrival.

        Where the connection has ended they come again on the next one.
        """
        if self._transport is not None and not self._transport.is_closing():
            frames = np.empty((len(packet_ids), 2), np.dtype(">u2"))
            frames[:, 0] = _PUBACK
            frames[:, 1] = packet_ids
            self._transport.write(frames.tobytes())

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 0, not retained. False where it was dropped: not connected, the broker is slow to
        read, or takes no packets so large.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or not self.subscribed.done():
            return False
        packet = mqtt5.PublishPacket(topic, payload).write()
        if len(packet) > self._largest or transport.get_write_buffer_size() > _UNSENT_BYTES:
            return False
        transport.write(packet)
        return True

    def unsubscribe(self, topic_filters: Iterable[str]) -> asyncio.Future[bool]:
        """Want these no more; whether the broker has ended all of them. One at a time: while one is on its
        way, that one is meant. While reading is paused the answer comes late.
        """
        if self._unsubscribed is None:
            self._unsubscribed = self._loop.create_future()
            self._write(mqtt5.UnsubscribePacket(_UNSUBSCRIBE_ID, list(topic_filters)).write())
        return self._unsubscribed

    def resume(self) -> None:
        """There is room again."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    def stop_reading(self) -> None:
        """Take nothing more; acknowledging goes on."""
        self._leaving = True
        self._pause()

    def disconnect(self) -> None:
        """Leave, so that the session stays at the broker."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(mqtt5.DisconnectPacket().write())
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # Inside.

    def _control(self, packet: Packet) -> None:
        match packet:
            case mqtt5.ConnAckPacket():
                self._connected(packet)
            case mqtt5.SubAckPacket():
                self._subscribed(packet)
            case mqtt5.UnsubAckPacket() if self._unsubscribed is not None:
                self._unsubscribed.set_result(all_ended(packet))
                self._unsubscribed = None
            case mqtt5.DisconnectPacket():
                self._dismissed(packet)
            case mqtt5.PingRespPacket():
                pass  # that it came is noted already
            case _:
                raise MalformedError(f"a client does not get a {type(packet).__name__}")

    def _connected(self, packet: mqtt5.ConnAckPacket) -> None:
        code = packet.reason_code
        if int(code) >= _FIRST_ERROR:
            sentence = f"The broker refuses the connection ({code.name.lower().replace('_', ' ')})"
            if code in _REFUSED_FOR_GOOD:
                self._fail(
                    BrokerRefusedError(f"{sentence}: correct CARBONFLOW_MQTT_URL or the rights there.")
                )
            else:
                self._fail(ConnectionLostError(f"{sentence}."))
            return
        self.session_present = packet.session_present
        self._largest = packet.max_packet_size or _ANY_SIZE
        if not self.connected.done():
            self.connected.set_result(None)
        if packet.server_keep_alive is not None:
            self._keep_alive_s = packet.server_keep_alive
        if self._options.topic_filters:
            self._write(subscribe_packet(_SUBSCRIBE_ID, self._options))
        self._schedule_keep_alive()

    def _subscribed(self, packet: mqtt5.SubAckPacket) -> None:
        refused = refused_filter(self._options, packet)
        if refused is not None:
            self._fail(
                BrokerRefusedError(
                    f"The broker refuses the subscription to {refused}: give the user the right to read it."
                )
            )
        elif not self.subscribed.done():
            self.subscribed.set_result(None)

    def _dismissed(self, packet: mqtt5.DisconnectPacket) -> None:
        if packet.reason_code is DisconnectReasonCode.SESSION_TAKEN_OVER:
            self._fail(
                SessionTakenError(
                    f"Another client has connected with the client id {self._options.client_id}: "
                    "give each ingest its own CARBONFLOW_INGEST_CLIENT_ID."
                )
            )
        else:
            reason = packet.reason_code.name.lower().replace("_", " ")
            self._fail(ConnectionLostError(f"The broker ended the connection ({reason})."))

    def _schedule_keep_alive(self) -> None:
        if self._keep_alive_s > 0:
            self._keep_alive = self._loop.call_later(self._keep_alive_s / 2, self._ping)

    def _ping(self) -> None:
        """Ask for a sign of life. While reading is paused none can be read, and its lack means nothing."""
        silent_s = self._loop.time() - self._heard_at
        if not self._paused and silent_s > self._keep_alive_s:
            self._fail(ConnectionLostError(f"The broker has been silent for {silent_s:.0f} s."))
            return
        self._write(mqtt5.PingReqPacket().write())
        self._schedule_keep_alive()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _fail(self, error: Exception) -> None:
        self._settle(error)
        self.abort()

    def _settle(self, error: Exception) -> None:
        for future in (self.connected, self.subscribed, self.closed, self._unsubscribed):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # whoever awaits it gets it; if nobody does any more, that is no fault
