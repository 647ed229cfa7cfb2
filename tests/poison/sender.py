"""Publishes slices of poison and of clean readings: `python -m tests.poison.sender`, told by lines on stdin.

The first line says where and from which seed. Each further one asks for a slice; the answer, once it is made,
is how many units it has. The next line sends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Final
from zlib import crc32

import uvloop

from tests.benchmarks.generator import Load, payload
from tests.benchmarks.publisher import Frames, Login, Publisher, frame
from tests.poison.payloads import Maker, Poison, utc_start

CLEAN: Final = "clean"
SMALL: Final = "small"
LARGE: Final = "large"
REFUSED: Final = "refused"
"""Clean readings, and one among them that the database refuses."""
CONNECTIONS: Final = 4
_WINDOW: Final = 5_000


class Slices:
    """What is published, slice after slice."""

    def __init__(self, seed: str, load: Load) -> None:
        self._load = load
        self._maker = Maker(Random(seed), utc_start())
        self._clean = 0
        self._running: dict[str, Iterator[Poison]] = {}

    def make(self, name: str, count: int) -> list[Poison]:
        """The next messages of a slice: clean, small, large, or of one category."""
        if name == CLEAN:
            return self._readings(count)
        if name == REFUSED:
            return [*self._readings(count - 1), self._maker.refused_by_database()]
        if name not in self._running:
            every = {SMALL: self._maker.small, LARGE: self._maker.large}
            both = {**self._maker.small, **self._maker.large}
            self._running[name] = self._maker.make(every[name] if name in every else {name: both[name]})
        return list(islice(self._running[name], count))

    def _readings(self, count: int) -> list[Poison]:
        load, first = self._load, self._clean
        self._clean += count
        return [
            Poison(load.fleet.topic(number % load.devices), payload(load, number), 1)
            for number in range(first, first + count)
        ]


def frames_of(messages: list[Poison]) -> list[Frames]:
    """The frames of each connection: all of a topic go through one, in order."""
    dealt: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for topic, text, _ in messages:
        of = dealt[crc32(topic.encode()) % CONNECTIONS]
        of.append(frame(topic, text, len(of)))
    return [Frames(each) for each in dealt]


class _Publisher(Publisher):
    """A publisher that says so where the broker ends the connection, as it does for some topics."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell on stderr, and end."""
        super().connection_lost(exc)
        if self.acknowledged < self.sent:
            sys.exit(f"the broker ended a connection behind message {self.acknowledged}")


async def _connect(login: Login, client_id: str, on_progress: Callable[[], None]) -> Publisher:
    packet = login.connect_packet(client_id)
    _, publisher = await asyncio.get_running_loop().create_connection(
        lambda: _Publisher(packet, _WINDOW, on_progress), login.host, login.port
    )
    await publisher.connected
    return publisher


async def send(publishers: list[Publisher], frames: list[Frames], acknowledged: asyncio.Event) -> None:
    """Publish a slice, and wait until the broker has acknowledged all of it."""
    for publisher, its in zip(publishers, frames, strict=True):
        publisher.sent = publisher.acknowledged = 0
        publisher.load(its)
        publisher.allow(len(its))
    while any(p.acknowledged < len(its) for p, its in zip(publishers, frames, strict=True)):
        acknowledged.clear()
        await acknowledged.wait()


async def run(seed: str, load: Load) -> None:
    """Publish what is asked for, until stdin ends."""
    login = Login.parse(load.url)
    acknowledged = asyncio.Event()
    publishers = [
        await _connect(login, f"poison-{number}", acknowledged.set) for number in range(CONNECTIONS)
    ]
    slices = Slices(seed, load)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    number = 0
    _tell(number, 0)  # only now: what was read with the first line would be lost
    while line := await commands.readline():
        name, count = json.loads(line)
        messages = slices.make(name, count)
        frames = frames_of(messages)
        number += 1
        _tell(number, sum(message.units for message in messages))
        if await commands.readline():
            await send(publishers, frames, acknowledged)
    for publisher in publishers:
        publisher.close()


def _tell(number: int, units: int) -> None:
    sys.stdout.write(json.dumps([number, units]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    uvloop.run(run(given["seed"], Load(**given["load"])))
