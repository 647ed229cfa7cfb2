"""Packets are the same whatever pieces they come in, and large ones are not held."""

from __future__ import annotations

import tracemalloc
from hashlib import sha256

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.framing import Framer, LargePublish, MalformedError, Packet

TOPIC = "telemetry/v1/site/meter/m1"


def publish(payload: bytes, packet_id: int | None = 1) -> bytes:
    qos = mqtt5.QoS.AT_MOST_ONCE if packet_id is None else mqtt5.QoS.AT_LEAST_ONCE
    properties = [("name", "value" * 20)]
    return mqtt5.PublishPacket(
        TOPIC, payload, qos=qos, packet_id=packet_id, user_properties=properties
    ).write()


def simplified(packets: list[Packet]) -> list[object]:
    return [
        (packet.topic, packet.packet_id, packet.payload)
        if isinstance(packet, mqtt5.PublishPacket)
        else packet
        if isinstance(packet, LargePublish)
        else type(packet)
        for packet in packets
    ]


SIZES = st.sampled_from([0, 1, 50, 127, 128, 300, 5000, 20_000])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=5), st.lists(st.integers(1, 3000), min_size=1))
def test_pieces_make_no_difference(messages: list[tuple[int, bool]], steps: list[int]) -> None:
    stream = b"".join(
        publish(bytes([65 + number]) * size, number + 1 if acknowledged else None)
        + mqtt5.PingRespPacket().write()
        for number, (size, acknowledged) in enumerate(messages)
    )
    whole = Framer(held_bytes=10**6).feed(stream)
    framer, pieces, position = Framer(held_bytes=10**6), [], 0
    for number in range(len(stream)):
        step = steps[number % len(steps)]
        pieces += framer.feed(stream[position : position + step])
        position += step
        if position >= len(stream):
            break
    assert simplified(pieces) == simplified(whole)
    assert len(whole) == 2 * len(messages)


@settings(max_examples=30, deadline=None)
@given(st.integers(5000, 30_000), st.integers(1, 9000), st.sampled_from([None, 1, 65_535]))
def test_large_publish_is_hashed_as_it_passes(size: int, step: int, packet_id: int | None) -> None:
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    stream = publish(b"before") + publish(payload, packet_id) + publish(b"after")
    framer = Framer(held_bytes=1000)
    found = []
    first = len(publish(b"before")) + 1  # the large one begins incomplete
    for piece in [stream[:first], *(stream[at : at + step] for at in range(first, len(stream), step))]:
        found += framer.feed(piece)
    assert len(found) == 3
    large = found[1]
    if isinstance(large, mqtt5.PublishPacket):  # it came whole in one piece: nothing was to be saved
        assert step > size
        assert large.payload == payload
        return
    assert isinstance(large, LargePublish)
    assert (large.topic, large.packet_id) == (TOPIC, packet_id or 0)
    assert large.beginning == payload[:4096]
    assert large.cut == (size, sha256(payload).digest())


def test_a_large_payload_takes_no_memory() -> None:
    size = 50_000_000
    head = publish(b"x" * 10)[: -len(b"x" * 10)]
    body = len(head) - 3 + size  # a fixed header of 3 bytes stands before it
    header = bytes([head[0]]) + _variable(body)
    framer = Framer()
    tracemalloc.start()
    framer.feed(header + head[3:])
    piece = b"x" * 250_000
    found = [packet for _ in range(size // len(piece)) for packet in framer.feed(piece)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found[0], LargePublish)
    assert found[0].cut.length == size
    assert peak < 2_000_000


def _variable(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


@pytest.mark.parametrize(
    "stream",
    [
        b"\x00\x00",
        b"\x32\xff\xff\xff\xff\x01",
        b"\xf0\x05aaaaa",
        b"\x30\x02\x00\x09",
        b"\x30\xff\xff\x7f\x00\x01\xff" + b"\x00" * 5,
    ],
)
def test_what_is_no_mqtt_is_an_error(stream: bytes) -> None:
    with pytest.raises(MalformedError):
        byte_by_byte(stream)


def byte_by_byte(stream: bytes) -> None:
    framer = Framer()
    for at in range(len(stream)):
        framer.feed(stream[at : at + 1])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_packets_or_an_error(stream: bytes) -> None:
    try:
        Framer().feed(stream)
    except MalformedError:
        return
