"""What a partition says to the broker: several filters at once, and which are no longer wanted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import mqtt5
import pytest
from mqtt5 import QoS, SubAckReasonCode, UnsubAckReasonCode

from services.ingest.connection import ConnectionLostError
from services.ingest.framing import Framer
from services.ingest.session import (
    EVERYTHING,
    connect_packet,
    refused_filter,
    subscribe_packet,
    topic_filters,
)
from tests.ingest.test_connection import OPTIONS, Peer, Sink, connected, silence


def test_filters_of_sites() -> None:
    assert topic_filters(("a", "b")) == ("telemetry/v1/a/#", "telemetry/v1/b/#")
    assert topic_filters((EVERYTHING,)) == ("telemetry/v1/#",)


def test_all_filters_go_in_one_packet() -> None:
    sites = tuple(f"site-{number}" for number in range(1000))
    options = replace(OPTIONS, topic_filters=topic_filters(sites))
    [packet] = Framer().feed(subscribe_packet(1, options))
    assert isinstance(packet, mqtt5.SubscribePacket)
    assert tuple(each.pattern for each in packet.topic_filters) == options.topic_filters
    assert all(each.max_qos == QoS.AT_LEAST_ONCE for each in packet.topic_filters)


def test_a_session_that_is_not_to_last_leaves_nothing_at_the_broker() -> None:
    options = replace(OPTIONS, lasting=False)
    [connect] = Framer().feed(connect_packet(options))
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert connect.clean_start is True
    assert connect.session_expiry_interval == 0
    [subscribe] = Framer().feed(subscribe_packet(1, options))
    assert isinstance(subscribe, mqtt5.SubscribePacket)
    assert subscribe.topic_filters[0].max_qos == QoS.AT_MOST_ONCE
    assert subscribe.topic_filters[0].retain_handling == mqtt5.RetainHandling.SEND_NEVER


def test_the_refused_filter_is_named() -> None:
    options = replace(OPTIONS, topic_filters=topic_filters(("a", "b")))
    granted, refused = SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, SubAckReasonCode.NOT_AUTHORIZED
    assert refused_filter(options, mqtt5.SubAckPacket(1, [granted, granted])) is None
    answer = mqtt5.SubAckPacket(1, [granted, refused])
    assert refused_filter(options, answer) == "telemetry/v1/b/# (not authorized)"


@pytest.mark.parametrize(
    ("codes", "ended"),
    [
        ([UnsubAckReasonCode.SUCCESS, UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED], True),
        ([UnsubAckReasonCode.SUCCESS, UnsubAckReasonCode.NOT_AUTHORIZED], False),
    ],
)
def test_what_is_no_longer_wanted_is_unsubscribed(codes: list[UnsubAckReasonCode], ended: bool) -> None:
    wanted: list[mqtt5.UnsubscribePacket] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        packet = await peer.packet()
        assert isinstance(packet, mqtt5.UnsubscribePacket)
        wanted.append(packet)
        peer.send(mqtt5.UnsubAckPacket(packet.packet_id, codes).write())
        await silence(peer)

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            await connection.subscribed
            answer = connection.unsubscribe(topic_filters(("a", "b")))
            assert connection.unsubscribe(topic_filters(("c",))) is answer, "one at a time"
            assert await answer is ended

    asyncio.run(steps())
    [packet] = wanted
    assert packet.patterns == ["telemetry/v1/a/#", "telemetry/v1/b/#"]


def test_a_connection_that_ends_takes_the_answer_with_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.packet()

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            await connection.subscribed
            with pytest.raises(ConnectionLostError):
                await connection.unsubscribe(topic_filters(("a",)))

    asyncio.run(steps())


def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(mqtt5.UnsubAckPacket(2, [UnsubAckReasonCode.SUCCESS]).write())
        await silence(peer)

    async def steps() -> None:
        async with connected(script, Sink()) as connection:
            with pytest.raises(ConnectionLostError, match="UnsubAckPacket"):
                await connection.closed

    asyncio.run(steps())
