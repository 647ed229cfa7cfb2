"""The connection against a scripted broker on a real socket: what no broker does on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random

import mqtt5
import pytest
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, QoS, SubAckReasonCode

from services.ingest.connection import (
    BrokerRefusedError,
    Connection,
    ConnectionLostError,
    SessionTakenError,
)
from services.ingest.framing import Framer
from services.ingest.message import Message
from services.ingest.mqtt import Broker, Subscriber, broker_at
from services.ingest.session import SessionOptions
from services.store.backoff import Backoff

OPTIONS = SessionOptions(
    client_id="test",
    username="user",
    password="secret",
    topic_filters=("telemetry/v1/#",),
    receive_maximum=123,
    keep_alive_s=1,
)


def publish(packet_id: int, payload: bytes = b"x") -> bytes:
    return mqtt5.PublishPacket("t", payload, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id).write()


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._framer = Framer()
        self._packets: list[object] = []

    async def packet(self) -> object:
        """The next packet from the client."""
        while not self._packets:
            data = await self._reader.read(65_536)
            if not data:
                raise EOFError
            self._packets += self._framer.feed(data)
        return self._packets.pop(0)

    def send(self, *packets: bytes) -> None:
        """Send packets."""
        self.writer.write(b"".join(packets))

    async def welcome(self) -> tuple[object, object]:
        """Take CONNECT and SUBSCRIBE, accept both."""
        connect = await self.packet()
        self.send(mqtt5.ConnAckPacket(session_present=True).write())
        subscribe = await self.packet()
        self.send(mqtt5.SubAckPacket(1, [SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write())
        return connect, subscribe


class Sink:
    """A receiver with room for so many messages."""

    def __init__(self, room: int = 1000) -> None:
        self.messages: list[Message] = []
        self.room = room
        self.got = asyncio.Event()

    def receive(self, _connection: Connection, messages: list[Message]) -> bool:
        self.messages += messages
        self.got.set()
        return len(self.messages) < self.room

    async def wait_for_room(self) -> None:
        pass


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def connected(script: Script, sink: Sink) -> AsyncIterator[Connection]:
    """A connection to a broker that follows a script."""
    served: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(Peer(reader, writer))
        except (EOFError, ConnectionError):
            served.set_result(None)
        except AssertionError as error:
            served.set_exception(error)
        else:
            served.set_result(None)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(OPTIONS, sink, lambda: datetime.now(UTC)), "127.0.0.1", port
    )
    try:
        async with asyncio.timeout(20):
            yield connection
    finally:
        connection.abort()
        await served
        server.close()
        await server.wait_closed()


async def silence(peer: Peer) -> None:
    while True:
        await peer.packet()


def test_what_is_said_to_the_broker() -> None:
    said: list[object] = []

    async def script(peer: Peer) -> None:
        said.extend(await peer.welcome())
        await silence(peer)

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            await connection.subscribed
            assert connection.session_present

    asyncio.run(steps())
    connect, subscribe = said
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert (connect.client_id, connect.username, connect.password) == ("test", "user", b"secret")
    assert connect.clean_start is False
    assert connect.session_expiry_interval == 0xFFFFFFFF
    assert connect.receive_max == 123
    assert connect.max_packet_size is None
    assert connect.keep_alive == 1
    assert isinstance(subscribe, mqtt5.SubscribePacket)
    (topic_filter,) = subscribe.topic_filters
    assert topic_filter.pattern == "telemetry/v1/#"
    assert topic_filter.max_qos == QoS.AT_LEAST_ONCE
    assert topic_filter.no_local is True
    assert topic_filter.retain_handling == mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS


def test_nothing_is_acknowledged_by_itself_and_then_in_order() -> None:
    acknowledged: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(*(publish(packet_id) for packet_id in (7, 65_535, 1)))
        while len(acknowledged) < 3:
            packet = await peer.packet()
            if not isinstance(packet, mqtt5.PingReqPacket):
                assert isinstance(packet, mqtt5.PubAckPacket)
                assert packet.reason_code == mqtt5.PubAckReasonCode.SUCCESS
                acknowledged.append(packet.packet_id)

    async def steps() -> None:
        sink = Sink()
        async with connected(script, sink) as connection:
            await sink.got.wait()
            assert acknowledged == []
            connection.acknowledge([7, 65_535, 1])
            with pytest.raises(ConnectionLostError):
                await connection.closed

    asyncio.run(steps())
    assert acknowledged == [7, 65_535, 1]


def test_a_silent_broker_is_left() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await silence(peer)  # takes the PINGREQs and answers none

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            with pytest.raises(ConnectionLostError, match="silent"):
                await connection.closed

    asyncio.run(steps())


def test_while_reading_is_paused_silence_means_nothing() -> None:
    pings = 0

    async def script(peer: Peer) -> None:
        nonlocal pings
        await peer.welcome()
        peer.send(*(publish(packet_id) for packet_id in range(1, 4)))
        while pings < 5:
            assert isinstance(await peer.packet(), mqtt5.PingReqPacket)
            pings += 1
        peer.send(publish(4), mqtt5.PingRespPacket().write())
        assert isinstance(await peer.packet(), mqtt5.PingReqPacket)

    async def steps() -> None:
        sink = Sink(room=3)
        async with connected(script, sink) as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.4):
                    await asyncio.shield(connection.closed)
            assert len(sink.messages) == 3
            sink.room = 1000
            sink.got.clear()
            connection.resume()
            await sink.got.wait()
            assert len(sink.messages) == 4

    asyncio.run(steps())
    assert pings == 5


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (
            mqtt5.ConnAckPacket(reason_code=ConnAckReasonCode.NOT_AUTHORIZED),
            BrokerRefusedError,
            "not authorized",
        ),
        (mqtt5.ConnAckPacket(reason_code=ConnAckReasonCode.SERVER_BUSY), ConnectionLostError, "server busy"),
        (
            mqtt5.DisconnectPacket(reason_code=DisconnectReasonCode.SESSION_TAKEN_OVER),
            SessionTakenError,
            "CARBONFLOW_INGEST_CLIENT_ID",
        ),
        (
            mqtt5.DisconnectPacket(reason_code=DisconnectReasonCode.SERVER_SHUTTING_DOWN),
            ConnectionLostError,
            "server shutting down",
        ),
        (mqtt5.PubAckPacket(1), ConnectionLostError, "PubAckPacket"),
    ],
)
def test_how_a_broker_refuses(
    answer: mqtt5.ConnAckPacket | mqtt5.DisconnectPacket, error: type[Exception], says: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.packet()
        peer.send(answer.write())
        await silence(peer)

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            with pytest.raises(error, match=says):
                await connection.connected

    asyncio.run(steps())


def test_a_refused_subscription_and_garbage() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.packet()
        peer.send(mqtt5.ConnAckPacket().write())
        await peer.packet()
        peer.send(mqtt5.SubAckPacket(1, [SubAckReasonCode.NOT_AUTHORIZED]).write())
        await silence(peer)

    async def babble(peer: Peer) -> None:
        await peer.welcome()
        peer.send(b"\x00\x00\x00")
        await silence(peer)

    async def steps() -> None:
        async with connected(refuse, Sink()) as connection:
            with pytest.raises(BrokerRefusedError, match="telemetry/v1/#"):
                await connection.subscribed
        async with connected(babble, Sink()) as connection:
            with pytest.raises(ConnectionLostError, match="not MQTT 5"):
                await connection.closed

    asyncio.run(steps())


def test_it_connects_again_and_again_until_told_to_leave() -> None:
    async def steps() -> None:
        visits = 0
        third = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal visits
            visits += 1
            peer = Peer(reader, writer)
            await peer.welcome()
            if visits < 3:
                writer.close()
                return
            third.set()
            try:
                await silence(peer)
            except EOFError:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1], None, None, None)
        backoff = Backoff(Random(1), first_s=0.01, most_s=0.02)
        subscriber = Subscriber(broker, OPTIONS, Sink(), backoff, lambda: datetime.now(UTC))
        running = asyncio.create_task(subscriber.run())
        async with asyncio.timeout(20):
            await third.wait()
            subscriber.stop_reading()
            subscriber.disconnect()
            await running
        assert visits == 3
        server.close()
        await server.wait_closed()

    asyncio.run(steps())


def test_delays_grow_with_jitter_and_start_anew() -> None:
    backoff = Backoff(Random(1), first_s=1, most_s=5)
    delays = [backoff.next_s() for _ in range(5)]
    for delay, ceiling in zip(delays, [1, 2, 4, 5, 5], strict=True):
        assert ceiling / 2 <= delay <= ceiling
    assert len(set(delays)) == 5
    backoff.reset()
    assert backoff.next_s() <= 1


def test_addresses() -> None:
    found = broker_at("mqtt://us%40er:p%3Aw@host")
    assert (found.host, found.port, found.tls, found.username, found.password) == (
        "host",
        1883,
        None,
        "us@er",
        "p:w",
    )
    secure = broker_at("mqtts://host:9999")
    assert secure.port == 9999
    assert secure.tls is not None
    assert secure.tls.check_hostname
    assert broker_at("mqtts://host").port == 8883


def test_results_are_dropped_where_the_broker_cannot_take_them() -> None:
    read_on = asyncio.Event()
    acknowledged = asyncio.Event()
    published = [0]

    async def script(peer: Peer) -> None:
        await peer.packet()
        peer.send(mqtt5.ConnAckPacket(max_packet_size=100_100).write())
        await peer.packet()
        peer.send(mqtt5.SubAckPacket(1, [SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write())
        await read_on.wait()
        while True:
            match await peer.packet():
                case mqtt5.PublishPacket():
                    published[0] += 1
                case mqtt5.PubAckPacket():
                    acknowledged.set()

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            assert not connection.publish("t/result", b"too early")
            await connection.subscribed
            assert not connection.publish("t/result", b"x" * 100_101)
            sent = 0
            while connection.publish("t/result", b"x" * 100_000):
                sent += 1
                assert sent < 10_000
            connection.acknowledge([7])  # goes on
            read_on.set()
            await acknowledged.wait()
            assert published[0] == sent
            assert connection.publish("t/result", b"again")
        assert not connection.publish("t/result", b"too late")

    asyncio.run(steps())
