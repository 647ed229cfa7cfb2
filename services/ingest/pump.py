"""The pump: takes batches, has them written in lanes, and acknowledges them in the order they came.

All readings of a device go through one lane, one after the other; while one lane waits for the database the
other makes its rows ready. A lane may be ahead of the others by a few batches.

While the database is away the lanes hand what they have to the spool, which keeps it in the journal; it is
written later, through the same lanes, before anything that came after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from services.ingest.arrival import Endurance, messages_of
from services.ingest.batch import Batch, Inbox
from services.ingest.message import Decoded, Message
from services.ingest.metrics import Metrics
from services.ingest.results import Publish
from services.ingest.spool import Spool
from services.ingest.write import DatabaseAwayError, Patience, Writer

# One in work and one ready for each lane; batches that wait longer had better grow.
_READY: Final = 1


Deal: TypeAlias = Callable[[Message, Sequence[list[Decoded]]], int]
"""Decodes a message into its lane."""


class _Part(NamedTuple):
    """What one lane has to write of a batch."""

    units: Sequence[Decoded]
    written: asyncio.Future[None]


class Pump:
    """Between the inbox and the writers, one for each lane of the inbox."""

    def __init__(
        self,
        inbox: Inbox,
        writers: Sequence[Writer],
        spool: Spool,
        endurance: Endurance,
        deal: Deal,
        patience: Patience,
        loaded: asyncio.Event,
        metrics: Metrics,
        publish: Publish,
    ) -> None:
        self._inbox = inbox
        self._writers = writers
        self._spool = spool
        self._endurance = endurance
        self._deal_message = deal
        self._patience = patience
        self._loaded = loaded
        self._metrics = metrics
        self._publish = publish
        # A lane's writer is used by the lane itself, or by what comes back from the journal.
        self._locks = [asyncio.Lock() for _ in writers]
        self._ready = [asyncio.Queue[_Part](_READY) for _ in writers]
        self._in_work = asyncio.Queue[tuple[Batch, list[_Part]]](_READY + 1)

    @property
    def problem(self) -> str | None:
        """Why nothing can be written now, in a sentence."""
        return next((writer.problem for writer in self._writers if writer.problem), None)

    async def run(self) -> None:
        """Serve for ever."""
        async with asyncio.TaskGroup() as tasks:
            for lane, ready in enumerate(self._ready):
                tasks.create_task(self._serve_lane(lane, ready))
            tasks.create_task(self._finish())
            tasks.create_task(self._deal())
            tasks.create_task(self._spool.run(self._write_again))
            tasks.create_task(self._endurance.run())

    async def _deal(self) -> None:
        """Hand out the parts of each batch."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._inbox.next_batch()
            self._endurance.arrived(batch)
            parts = []
            for ready, units in zip(self._ready, batch.lanes, strict=True):
                if units:
                    part = _Part(units, loop.create_future())
                    parts.append(part)
                    await ready.put(part)
            await self._in_work.put((batch, parts))

    async def _serve_lane(self, lane: int, ready: asyncio.Queue[_Part]) -> None:
        while True:
            part = await ready.get()
            await self._write_or_keep(lane, part.units)
            part.written.set_result(None)

    async def _write_or_keep(self, lane: int, units: Sequence[Decoded]) -> None:
        """Into the database, or where that is away onto the disk."""
        while not (self._spool.active and await self._spool.keep(messages_of(units))):
            try:
                async with self._locks[lane]:
                    await self._writers[lane].write(units, self._patience)
            except DatabaseAwayError as error:
                self._spool.begin(str(error))
                units = error.units
            else:
                return

    async def _write_again(self, messages: Sequence[Message]) -> None:
        """Write what comes back from the journal, however long the database is away."""
        # Readings have live emissions: what these follow from must be there.
        await self._loaded.wait()
        lanes: list[list[Decoded]] = [[] for _ in self._writers]
        for message in messages:
            self._deal_message(message, lanes)
        async with asyncio.TaskGroup() as tasks:
            for lane, units in enumerate(lanes):
                tasks.create_task(self._write_lane_again(lane, units))
        self._tell()

    async def _write_lane_again(self, lane: int, units: Sequence[Decoded]) -> None:
        async with self._locks[lane]:
            await self._writers[lane].write(units)

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
