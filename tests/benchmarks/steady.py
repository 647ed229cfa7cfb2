"""Publishers at a steady rate that time every acknowledgement: `python -m tests.benchmarks.steady`.

The first line on stdin is a `Load` with a rate; `ready` is the answer, and any further line lets them begin.
From then on there is a line of JSON for each half second: how many messages were sent and acknowledged, and
the longest wait for an acknowledgement so far, that of the oldest one still missing included [s]. When stdin
ends they send nothing more, wait for what is missing, and say a last line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import Final

import uvloop

from tests.benchmarks.generator import Load
from tests.benchmarks.publisher import Login, Publisher, connect
from tests.benchmarks.traffic import reading

_TICK_S: Final = 0.01
_TELL_EVERY_S: Final = 0.5
_LAST_S: Final = 30.0


class Waits:
    """When each message of one connection that is not acknowledged was sent."""

    def __init__(self) -> None:
        self.publisher: Publisher | None = None
        self.worst_s = 0.0
        self._sent: deque[float] = deque()
        self._done = 0

    def sent(self) -> None:
        """A message is sent now."""
        self._sent.append(time.monotonic())

    def look(self) -> None:
        """See what was acknowledged; and how long the oldest of the others has waited."""
        assert self.publisher is not None
        now = time.monotonic()
        for _ in range(self.publisher.acknowledged - self._done):
            self.worst_s = max(self.worst_s, now - self._sent.popleft())
        self._done = self.publisher.acknowledged
        if self._sent:
            self.worst_s = max(self.worst_s, now - self._sent[0])


async def run(load: Load) -> None:
    """Publish at the rate until stdin ends."""
    login = Login.parse(load.url)
    connections = []
    for number in range(load.connections):
        waits = Waits()
        waits.publisher = await connect(login, f"bench-steady-{number}", on_progress=waits.look)
        connections.append(waits)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    _say("ready")
    await commands.readline()
    ended = asyncio.create_task(commands.read())
    await _publish(load, connections, ended)
    deadline = time.monotonic() + _LAST_S
    while True:
        if not _missing(connections) or time.monotonic() > deadline:
            break
        await asyncio.sleep(_TICK_S)
    _tell(connections)


async def _publish(load: Load, connections: list[Waits], ended: asyncio.Task[bytes]) -> None:
    fleet = load.fleet
    topics = [fleet.topic(device) for device in range(load.devices)]
    kinds = [fleet.kind(device) for device in range(load.devices)]
    started = told = time.monotonic()
    number = 0
    while not ended.done():
        await asyncio.sleep(_TICK_S)
        now = time.monotonic()
        ts = datetime.now(UTC).isoformat(timespec="microseconds")
        for each in range(number, int((now - started) * load.rate_per_s)):
            waits = connections[each % load.connections]
            assert waits.publisher is not None
            device, turn = each % load.devices, each // load.devices
            waits.sent()
            waits.publisher.publish(topics[device], reading(kinds[device], device, turn, ts).encode())
            number = each + 1
        if now - told >= _TELL_EVERY_S:
            told = now
            _tell(connections)


def _missing(connections: list[Waits]) -> int:
    return sum(
        each.publisher.sent - each.publisher.acknowledged
        for each in connections
        if each.publisher is not None
    )


def _tell(connections: list[Waits]) -> None:
    for each in connections:
        each.look()
    publishers = [each.publisher for each in connections if each.publisher is not None]
    _say(
        json.dumps(
            {
                "sent": sum(each.sent for each in publishers),
                "acknowledged": sum(each.acknowledged for each in publishers),
                "worst_s": max(each.worst_s for each in connections),
            }
        )
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(run(Load(**json.loads(sys.stdin.readline()))))
