"""The window: batches of whole messages, bounded, handed out at the right time."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import cast

import pytest

from services.ingest.batch import MESSAGE_BYTES, Batch, Inbox, Window
from services.ingest.connection import Connection
from services.ingest.decode import Decoder
from services.ingest.message import Limits, Message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# The inbox only hands it back: any two objects do.
ONE = cast(Connection, object())
OTHER = cast(Connection, object())


def inbox(batch: int = 10, age_s: float = 60.0, readings: int = 100, size_bytes: int = 10**9) -> Inbox:
    decoder = Decoder(Limits(too_old_s=86_400, future_s=300))
    return Inbox(decoder, Window(batch, age_s, readings, size_bytes))


def messages(*lengths: int, packet_id: int = 1) -> list[Message]:
    """Messages with so many readings each; 0 is a message that holds none and is not rejected."""
    made = []
    for number, length in enumerate(lengths):
        topic = "telemetry/v1/site/meter/m1" + ("/result" if length == 0 else "")
        text = json.dumps([{"ts": NOW.isoformat(), "power_kw": 1}] * length).encode()
        made.append(Message(topic, text, packet_id + number if packet_id else 0, NOW))
    return made


async def take(box: Inbox, count: int) -> list[Batch]:
    async with asyncio.timeout(5):
        return [await box.next_batch() for _ in range(count)]


def test_batches_hold_whole_messages() -> None:
    async def steps() -> None:
        box = inbox(batch=10, age_s=0)
        assert box.receive(ONE, messages(4, 6, 3, 25, 0, 1))
        batches = await take(box, 3)
        assert [batch.units for batch in batches] == [10, 28, 1]
        assert [batch.packet_ids for batch in batches] == [[1, 2], [3, 4], [5, 6]]
        assert {batch.source for batch in batches} == {ONE}
        assert (box.readings, box.messages) == (39, 6)
        for batch in batches:
            box.done(batch)
        assert (box.readings, box.messages, box.size_bytes) == (0, 0, 0)

    asyncio.run(steps())


def test_a_batch_is_of_one_connection() -> None:
    async def steps() -> None:
        box = inbox(age_s=0)
        box.receive(ONE, messages(1))
        box.receive(OTHER, messages(2))
        first, second = await take(box, 2)
        assert (first.source, second.source) == (ONE, OTHER)

    asyncio.run(steps())


def test_qos_0_is_not_acknowledged() -> None:
    async def steps() -> None:
        box = inbox()
        box.receive(ONE, messages(1, 2, packet_id=0))
        (batch,) = await take(box, 1)
        assert batch.packet_ids == []
        assert batch.units == 3

    asyncio.run(steps())


def test_the_first_goes_at_once_and_the_next_when_full_or_old() -> None:
    async def steps() -> None:
        box = inbox(batch=10, age_s=60)
        box.receive(ONE, messages(1))
        await take(box, 1)
        box.receive(ONE, messages(1))
        waiting = asyncio.create_task(box.next_batch())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done  # the last one was handed out less than a minute ago
        box.receive(ONE, messages(9, 1))
        async with asyncio.timeout(5):
            assert (await waiting).units == 10
        again = asyncio.create_task(box.next_batch())
        done, _ = await asyncio.wait([again], timeout=0.05)
        assert not done
        box.drain()
        async with asyncio.timeout(5):
            assert (await again).units == 1

    asyncio.run(steps())


@pytest.mark.parametrize(("readings", "size_bytes"), [(20, 10**9), (10**9, 20 * MESSAGE_BYTES)])
def test_a_full_window_says_so_until_half_of_it_is_free(readings: int, size_bytes: int) -> None:
    async def steps() -> None:
        rooms = 0

        def on_room() -> None:
            nonlocal rooms
            rooms += 1

        box = inbox(batch=1, age_s=0, readings=readings, size_bytes=size_bytes)
        box.on_room = on_room
        received = 0
        while box.receive(ONE, messages(1)):
            received += 1
            assert received < 25
        held = received + 1
        for freed, batch in enumerate(await take(box, held), 1):
            box.done(batch)
            assert rooms == (1 if freed >= held / 2 else 0)
        await box.wait_for_room()
        await box.wait_until_empty()

    asyncio.run(steps())
