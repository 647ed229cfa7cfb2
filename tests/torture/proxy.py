"""A way to a server that can be cut, refused, paused, slowed and listened to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import Final

_CHUNK: Final = 65_536
_COMMIT: Final = b"COMMIT\x00"
_WRITER: Final = re.compile(rb" write \d+\x00")


class CutError(Exception):
    """This connection ends now."""


class Direction(Enum):
    """Which way bytes go."""

    UP = "to the server"
    DOWN = "to the client"


class Pipe:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._client = client
        self._server = server
        self.writes_readings = False
        """Whether it is the connection on which ingest writes."""
        self.muted = False
        """Whether what the server says is thrown away."""
        self.replied = asyncio.Event()
        """Set when a muted server has said something."""

    def sink(self, direction: Direction) -> asyncio.StreamWriter:
        """Where bytes of that direction go."""
        return self._server if direction is Direction.UP else self._client

    def abort(self) -> None:
        """End both halves at once; what was not sent yet is gone."""
        for half in (self._client, self._server):
            half.transport.abort()


Trap = Callable[[Pipe, bytes], Awaitable[bytes]]
"""Called with the bytes that hold a COMMIT, before they go on; returns what goes on, or raises CutError."""


class Path:
    """A way to one server."""

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        self._pipes: set[Pipe] = set()
        self._flowing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.accepted = 0
        self.heal()

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def heal(self) -> None:
        """Let everything through again."""
        self._flowing.set()
        self.refusing = False
        self.bytes_per_s: float | None = None
        self.left: dict[Direction, int | None] = {Direction.UP: None, Direction.DOWN: None}
        """How many bytes still go through before all connections are cut."""
        self.trap: Trap | None = None
        """What happens at the next COMMIT of readings. Once."""

    def pause(self) -> None:
        """Nothing goes through, and nobody is told."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let through what has waited."""
        self._flowing.set()

    def cut(self) -> None:
        """End all connections."""
        for pipe in self._pipes:
            pipe.abort()

    async def _accept(self, client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            server, server_writer = await asyncio.open_connection(*self._target())
        except OSError:
            writer.transport.abort()
            return
        self.accepted += 1
        pipe = Pipe(writer, server_writer)
        self._pipes.add(pipe)
        ways = [
            asyncio.create_task(self._carry(pipe, client, Direction.UP)),
            asyncio.create_task(self._carry(pipe, server, Direction.DOWN)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pipe.abort()
            self._pipes.discard(pipe)
            for way in ways:
                way.cancel()

    async def _carry(self, pipe: Pipe, source: asyncio.StreamReader, direction: Direction) -> None:
        sink = pipe.sink(direction)
        with suppress(OSError, CutError):
            while data := await source.read(_CHUNK):
                await self._flowing.wait()
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                if direction is Direction.UP:
                    data = await self._listen(pipe, data)
                elif pipe.muted:
                    pipe.replied.set()
                    continue
                sink.write(self._spend(direction, data))
                await sink.drain()
                if self.left[direction] == 0:
                    self.left[direction] = None
                    self.cut()

    async def _listen(self, pipe: Pipe, data: bytes) -> bytes:
        """Look for the connection of the writer, and for its COMMIT."""
        # The startup message names the application: `{client id} write {lane}`.
        pipe.writes_readings = pipe.writes_readings or _WRITER.search(data) is not None
        if self.trap is None or not pipe.writes_readings or _COMMIT not in data:
            return data
        trap, self.trap = self.trap, None
        return await trap(pipe, data)

    def _spend(self, direction: Direction, data: bytes) -> bytes:
        left = self.left[direction]
        if left is None:
            return data
        self.left[direction] = max(0, left - len(data))
        return data[:left]
