"""The live conversion alone, as a process: `python -m tests.benchmarks.converting`.

One line on stdin is a `Job`; the answer on stdout is its CPU time [us] for each reading: from the columns of
a batch, as they go into their tables, to the rows of live emissions and what is remembered.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

import numpy as np

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.ingest.convert import LiveConverter, keep
from services.ingest.decode import Decoder
from services.ingest.link import Link
from services.ingest.message import Limits, Message, Received
from services.ingest.plan import part
from services.ingest.reference import Reference
from services.store.reading_columns import ReadingColumns, joined
from services.store.registry import device_ids
from services.store.unboxed import times_us
from tests.benchmarks.traffic import Fleet, instant, reading

_LIMITS: Final = Limits(too_old_s=400 * 86_400, future_s=300)
_BATCHES: Final = 12
_US: Final = 1e6


@dataclass(frozen=True, slots=True)
class Job:
    """Whose readings, from a database in which they are registered."""

    database_url: str
    devices: int
    sites: int
    start_s: int

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


async def run(job: Job) -> float:
    """Convert half of the fleet at a time, as a lane's batch; the first readings of devices do not count."""
    link = Link(job.database_url, "bench reference")
    reference = Reference(link, lambda: datetime.now(UTC))
    try:
        await reference.refresh()
        async with link.transaction() as connection:
            ids = await device_ids(connection)
    finally:
        await link.close()
    gc.collect()
    gc.freeze()  # as the service does
    spent = []
    for number in range(_BATCHES):
        batch = [columns for kind in Kind if (columns := _columns(job, number, kind, ids)) is not None]
        started = time.thread_time()
        for columns in batch:
            _convert(reference.live, columns)
        spent.append((time.thread_time() - started) / sum(len(each.readings) for each in batch) * _US)
    return median(spent[2:])


def _convert(live: LiveConverter, columns: ReadingColumns) -> None:
    selection = live.select(columns)
    assert selection is not None, "every device of the fleet feeds a source"
    keep(live.convert(selection))


def _columns(job: Job, batch: int, kind: Kind, ids: Mapping[DeviceKey, int]) -> ReadingColumns | None:
    """The readings of one kind in a batch: of every second device, each its next."""
    fleet, decoder = Fleet(job.devices, job.sites), Decoder(_LIMITS)
    units: list[Received] = []
    for device in range(batch % 2, job.devices, 2):
        if fleet.kind(device) == kind:
            text = reading(kind, device, batch // 2, instant(job.start_s, batch // 2))
            message = Message(fleet.topic(device), text.encode(), 1, datetime.now(UTC))
            units += [unit for unit in decoder.decode(message) if isinstance(unit, Received)]
    if not units:
        return None
    rows = np.array([ids[unit.device] for unit in units], np.int64)
    times = times_us([unit.time for unit in units])
    return joined(list(part(kind, units, rows, times, np.zeros(len(units), np.int64)).pieces()))


if __name__ == "__main__":
    answer = asyncio.run(run(Job(**json.loads(sys.stdin.readline()))))
    sys.stdout.write(json.dumps(answer) + "\n")
