"""The pump: takes batches, has them written in lanes, and acknowledges them in the order they came.

All readings of a device go through one lane, one after the other; while one lane waits for the database the
other makes its rows ready. A lane may be ahead of the others by a few batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.ingest.batch import Batch, Inbox
from services.ingest.message import Decoded
from services.ingest.metrics import Metrics
from services.ingest.results import Publish
from services.ingest.write import Writer

# One in work and one ready for each lane; batches that wait longer had better grow.
_READY: Final = 1


class _Part(NamedTuple):
    """What one lane has to write of a batch."""

    units: Sequence[Decoded]
    written: asyncio.Future[None]


class Pump:
    """Between the inbox and the writers, one for each lane of the inbox."""

    def __init__(self, inbox: Inbox, writers: Sequence[Writer], metrics: Metrics, publish: Publish) -> None:
        self._inbox = inbox
        self._writers = writers
        self._metrics = metrics
        self._publish = publish
        self._ready = [asyncio.Queue[_Part](_READY) for _ in writers]
        self._in_work = asyncio.Queue[tuple[Batch, list[_Part]]](_READY + 1)

    @property
    def problem(self) -> str | None:
        """Why nothing can be written now, in a sentence."""
        return next((writer.problem for writer in self._writers if writer.problem), None)

    async def run(self) -> None:
        """Serve for ever."""
        async with asyncio.TaskGroup() as tasks:
            for writer, ready in zip(self._writers, self._ready, strict=True):
                tasks.create_task(self._serve_lane(writer, ready))
            tasks.create_task(self._finish())
            tasks.create_task(self._deal())

    async def _deal(self) -> None:
        """Hand out the parts of each batch."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._inbox.next_batch()
            parts = []
            for ready, units in zip(self._ready, batch.lanes, strict=True):
                if units:
                    part = _Part(units, loop.create_future())
                    parts.append(part)
                    await ready.put(part)
            await self._in_work.put((batch, parts))

    async def _serve_lane(self, writer: Writer, ready: asyncio.Queue[_Part]) -> None:
        while True:
            part = await ready.get()
            await writer.write(part.units)
            part.written.set_result(None)

    async def _finish(self) -> None:
        """Acknowledge what is written, and only that, in the order it came."""
        while True:
            batch, parts = await self._in_work.get()
            for part in parts:
                await part.written
            if batch.source is not None:
                batch.source.acknowledge(batch.packet_ids)
            self._inbox.done(batch)
            self._tell()

    def _tell(self) -> None:
        """Tell devices what became of their readings. What the broker does not take now is dropped."""
        for writer in self._writers:
            for topic, payload in writer.results.take():
                published = self._publish(topic, payload)
                (self._metrics.results if published else self._metrics.results_dropped).inc()
