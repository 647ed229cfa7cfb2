"""The load, as a process of its own: `python -m tests.benchmarks.generator`, told by lines on stdin.

The first line is a `Load`; `ready` is the answer. Each further line is how many messages may be sent in all.
With a rate it sends at that rate instead, from the first further line on, each reading with the time it is
sent. It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import uvloop

from tests.benchmarks.publisher import Frames, Login, Publisher, connect, frame
from tests.benchmarks.traffic import Fleet, instant, reading

_TICK_S = 0.01


@dataclass(frozen=True, slots=True)
class Load:
    """What is published, and how."""

    url: str
    devices: int
    sites: int
    messages: int
    """In all; with a rate, as long as nobody says stop."""
    start_s: int
    """Time of each device's first reading, seconds since 1970."""
    array: int = 0
    """Readings in an array; 0: the message is one reading."""
    rate_per_s: float = 0.0
    connections: int = 4
    window: int = 5_000

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @property
    def fleet(self) -> Fleet:
        """Who publishes; message `n` is of device `n % devices`."""
        return Fleet(self.devices, self.sites)


def payload(load: Load, number: int) -> bytes:
    """The payload of message `number`."""
    device, turn = number % load.devices, number // load.devices
    kind = load.fleet.kind(device)
    if not load.array:
        return reading(kind, device, turn, instant(load.start_s, turn)).encode()
    turns = range(turn * load.array, (turn + 1) * load.array)
    elements = (reading(kind, device, each, instant(load.start_s, each)) for each in turns)
    return f"[{','.join(elements)}]".encode()


def frames_of(load: Load, connection: int) -> Frames:
    """All frames of one connection: the messages whose number leaves it over."""
    topics = [load.fleet.topic(device) for device in range(load.devices)]
    numbers = range(connection, load.messages, load.connections)
    return Frames(
        [
            frame(topics[number % load.devices], payload(load, number), position)
            for position, number in enumerate(numbers)
        ]
    )


def share(limit: int, connection: int, connections: int) -> int:
    """How many of the first `limit` messages are of that connection."""
    return (limit - connection + connections - 1) // connections


async def run(load: Load) -> None:
    """Publish until stdin ends."""
    assert load.devices % load.connections == 0, "each device keeps its connection, and so its order"
    login = Login.parse(load.url)
    publishers = [
        await connect(login, f"bench-generator-{number}", load.window) for number in range(load.connections)
    ]
    if not load.rate_per_s:
        for number, publisher in enumerate(publishers):
            publisher.load(frames_of(load, number))
    commands = await _stdin()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as tasks:
        pace: asyncio.Task[None] | None = None
        async for line in commands:
            if load.rate_per_s:
                pace = pace or tasks.create_task(_keep_pace(load, publishers))
                continue
            for number, publisher in enumerate(publishers):
                publisher.allow(share(int(line), number, load.connections))
        if pace is not None:
            pace.cancel()
    for publisher in publishers:
        publisher.close()


async def _keep_pace(load: Load, publishers: list[Publisher]) -> None:
    """Send at the rate, in small portions."""
    fleet = load.fleet
    topics = [fleet.topic(device) for device in range(load.devices)]
    kinds = [fleet.kind(device) for device in range(load.devices)]
    started = time.monotonic()
    number = 0
    while number < load.messages:
        await asyncio.sleep(_TICK_S)
        ts = datetime.now(UTC).isoformat(timespec="microseconds")
        due = min(int((time.monotonic() - started) * load.rate_per_s), load.messages)
        for each in range(number, due):
            device, turn = each % load.devices, each // load.devices
            publishers[each % load.connections].publish(
                topics[device], reading(kinds[device], device, turn, ts).encode()
            )
        number = due


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


if __name__ == "__main__":
    uvloop.run(run(Load(**json.loads(sys.stdin.readline()))))
