"""The spool: what is kept comes back once and in order, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ingest.arrival import Endurance, Rate, messages_of, minutes_left
from services.ingest.batch import Batch
from services.ingest.decode import Decoder
from services.ingest.journal_thread import CHUNK_BYTES
from services.ingest.message import Cut, Limits, Message
from services.ingest.packed import PackedError, pack, unpack
from services.ingest.spool import Spool
from services.store.journal import MIN_BYTES, Journal
from services.store.journal_file import JournalError

NOW = datetime(2026, 3, 1, 12, 0, 0, 7, UTC)
PATIENCE_S = 20


def message(number: int, device: int = 0, size: int = 0) -> Message:
    return Message(f"telemetry/v1/s/meter/m{device}", str(number).encode().ljust(size), 0, NOW)


def numbers(messages: Sequence[Message]) -> list[int]:
    return [int(each.payload) for each in messages]


class Database:
    """Somebody who writes when it is there."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.written: list[Message] = []
        self.begun = 0
        self.more = asyncio.Event()

    async def write(self, messages: Sequence[Message]) -> None:
        self.begun += 1
        await self.there.wait()
        self.written += messages
        self.more.set()


@asynccontextmanager
async def spooling(
    path: Path, write: Callable[[Sequence[Message]], Awaitable[None]], most: int = MIN_BYTES
) -> AsyncIterator[Spool]:
    """A spool at work."""
    spool = Spool(lambda: Journal(path, most), lambda: NOW + timedelta(seconds=9), 10_000)
    await spool.open()
    running = asyncio.create_task(spool.run(write))
    try:
        yield spool
    finally:
        running.cancel()
        await asyncio.wait([running])
        await spool.close()
        if not running.cancelled():
            running.result()


def run(steps: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await steps

    asyncio.run(limited())


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


def test_nothing_is_kept_while_the_database_is_there(tmp_path: Path) -> None:
    async def steps() -> None:
        database = Database()
        async with spooling(tmp_path / "j", database.write) as spool:
            assert not await spool.keep([message(1)])
            assert not spool.active

    run(steps())


def test_what_was_kept_comes_back_first_and_in_order(tmp_path: Path) -> None:
    async def steps() -> None:
        database = Database()
        async with spooling(tmp_path / "j", database.write) as spool:
            spool.begin("away")
            for number in range(5):
                assert await spool.keep([message(10 * number + each) for each in range(10)])
            assert spool.stats.messages == 50
            assert spool.oldest_age_s == 9
            database.there.set()
            await until(lambda: not spool.active)
            assert numbers(database.written) == list(range(50))
            assert spool.stats.messages == 0
            assert not await spool.keep([message(99)])

    run(steps())


def test_what_comes_while_it_empties_goes_behind(tmp_path: Path) -> None:
    """Two lanes that never rest, each in order; it ends all the same, and every message is somewhere once."""

    async def steps() -> None:
        database = Database()
        database.there.set()
        direct: list[Message] = []

        async def lane(spool: Spool, device: int) -> None:
            for turn in range(40):
                batch = [message(turn * 5 + each, device) for each in range(5)]
                if not await spool.keep(batch):
                    direct.extend(batch)
                await asyncio.sleep(0.001)

        async with spooling(tmp_path / "j", database.write) as spool:
            spool.begin("away")
            await asyncio.gather(lane(spool, 1), lane(spool, 2))
            await until(lambda: not spool.active)
        both = database.written + direct
        for device in (1, 2):
            topic = message(0, device).topic
            assert numbers([each for each in both if each.topic == topic]) == list(range(200))

    run(steps())


def test_a_new_process_hands_out_what_the_last_one_kept(tmp_path: Path) -> None:
    async def steps() -> None:
        database = Database()
        async with spooling(tmp_path / "j", database.write) as spool:
            spool.begin("away")
            assert await spool.keep([message(each) for each in range(700)])
        database.there.set()
        async with spooling(tmp_path / "j", database.write) as spool:
            assert spool.active
            # Behind the others: in the journal, or after it was empty.
            assert await spool.keep([message(700)]) or len(database.written) == 700
            await until(lambda: not spool.active)
        assert numbers(database.written)[:700] == list(range(700))

    run(steps())


def test_large_messages_are_cut_into_chunks(tmp_path: Path) -> None:
    async def steps() -> None:
        database = Database()
        async with spooling(tmp_path / "j", database.write) as spool:
            spool.begin("away")
            batch = [message(each, size=CHUNK_BYTES // 3) for each in range(20)]
            assert await spool.keep(batch)
            assert 5 <= spool.stats.chunks <= 20
            database.there.set()
            await until(lambda: not spool.active)
        assert database.written == batch

    run(steps())


def noise(number: int) -> Message:
    """A message of 200 kB that cannot be packed."""
    return replace(message(number), payload=Random(number).randbytes(200_000))


def test_a_full_journal_takes_more_as_it_empties(tmp_path: Path) -> None:
    async def steps() -> None:
        database = Database()
        sent = [noise(each) for each in range(80)]
        async with spooling(tmp_path / "j", database.write) as spool:
            spool.begin("away")

            async def lane() -> list[Message]:
                parts = [sent[first : first + 8] for first in range(0, len(sent), 8)]
                return [each for part in parts if not await spool.keep(part) for each in part]

            feeding = asyncio.create_task(lane())
            await until(lambda: spool.problem is not None)
            assert spool.problem is not None
            assert "takes no more" in spool.problem
            assert spool.room_bytes == 0
            assert not feeding.done()
            kept = spool.stats.messages
            await asyncio.sleep(0.3)
            assert spool.stats.messages == kept  # it holds
            database.there.set()
            direct = await feeding
            await until(lambda: not spool.active)
            assert spool.problem is None
        # What was partly in the journal when it was empty at last is written whole.
        assert list(dict.fromkeys(database.written + direct)) == sent
        assert len(database.written) >= kept > 10

    run(steps())


def test_what_was_written_and_not_removed_comes_again_after_a_kill(tmp_path: Path) -> None:
    async def steps() -> None:
        database = Database()

        async def write(messages: Sequence[Message]) -> None:
            database.written += messages
            await asyncio.Event().wait()  # killed here: committed, and not removed

        async with spooling(tmp_path / "j", write) as spool:
            spool.begin("away")
            assert await spool.keep([message(each) for each in range(10)])
            await until(lambda: bool(database.written))
        database.there.set()
        async with spooling(tmp_path / "j", database.write) as spool:
            await until(lambda: not spool.active)
        assert numbers(database.written) == [*range(10), *range(10)]

    run(steps())


def test_a_journal_in_use_is_said(tmp_path: Path) -> None:
    async def steps() -> None:
        (tmp_path / "j").mkdir()
        spool = Spool(lambda: Journal(tmp_path / "j", MIN_BYTES), lambda: NOW, 10)
        with pytest.raises((JournalError, OSError)):
            await spool.open()
        await spool.close()

    run(steps())


MESSAGES = st.lists(
    st.builds(
        Message,
        st.text(max_size=30).filter(lambda text: text.isascii()),
        st.binary(max_size=50),
        st.just(0),
        st.datetimes(timezones=st.just(UTC)),
        st.none() | st.builds(Cut, st.integers(0, 10**9), st.binary(min_size=32, max_size=32)),
    )
)


@given(messages=MESSAGES)
def test_packed_and_back(messages: list[Message]) -> None:
    assert unpack(pack(messages)) == messages


@pytest.mark.parametrize("body", [b"", b"x", pack([message(1)])[:-1], pack([message(1)])[::-1]])
def test_what_is_no_packed_messages_is_said(body: bytes) -> None:
    with pytest.raises(PackedError):
        unpack(body)


def test_messages_of_units() -> None:
    decoder = Decoder(Limits(too_old_s=86_400, future_s=300))
    text = f'{{"ts":"{NOW.isoformat()}","power_kw":1}}'
    sent = [replace(message(0), payload=each.encode()) for each in (f"[{text},7,{text}]", text, "{")]
    assert messages_of([unit for each in sent for unit in decoder.decode(each)]) == sent


def test_the_rate_is_that_of_the_last_minute() -> None:
    now = [0.0]
    rate = Rate(lambda: now[0])
    for _ in range(100):
        now[0] += 1
        rate.add(50)
    assert rate.per_s == pytest.approx(50, rel=0.05)
    for _ in range(120):
        now[0] += 0.5
        rate.add(500)
    assert rate.per_s == pytest.approx(1000, rel=0.05)
    now[0] += 59
    assert 0 < rate.per_s < 600
    now[0] += 100
    assert rate.per_s == 0
    now[0] += 1000
    rate.add(60)
    assert rate.per_s == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("room", "per_s", "minutes"), [(6000, 10, 10), (6000, 0, float("inf")), (0, 0, 0), (0, 5, 0), (-1, 5, 0)]
)
def test_minutes_left(room: float, per_s: float, minutes: float) -> None:
    assert minutes_left(room, per_s) == minutes


def test_what_arrives_is_reckoned_by_what_it_takes_when_packed() -> None:
    async def steps() -> None:
        now = [0.0]

        async def packed_size(messages: Sequence[Message]) -> int:
            return 40 * len(messages)

        endurance = Endurance(lambda: now[0], packed_size, sample_s=0.01)
        sampling = asyncio.create_task(endurance.run(every_s=60))
        await asyncio.sleep(0)
        decoder = Decoder(Limits(too_old_s=86_400, future_s=300))
        sent = [message(each) for each in range(100)]
        units = [unit for each in sent for unit in decoder.decode(each)]
        size = sum(512 + len(each.payload) for each in sent)
        endurance.arrived(Batch(None, [units, []], messages=100, size_bytes=size))
        now[0] = 2.0
        await asyncio.sleep(0.05)
        assert endurance.bytes_per_s == pytest.approx(40 * 100 / 2)
        sampling.cancel()

    run(steps())
