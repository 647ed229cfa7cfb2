"""The write path alone against COPY, as a process: `python -m tests.benchmarks.writing`.

One line on stdin is a `Job`; the answer on stdout is how many readings a second were written, and how many
rows COPY wrote meanwhile: batch by batch in turns, into the same table, other devices, so that both meet the
same machine. Ours is the service's writer, from decoded units to the commit, without live emissions unless
told so: what is compared is the way of a reading into its table.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

import psycopg
import uvloop

from services.ingest.decode import Decoder
from services.ingest.known import Known
from services.ingest.link import Link
from services.ingest.message import Decoded, Limits, Message
from services.ingest.metrics import Metrics
from services.ingest.reference import Reference
from services.ingest.write import Writer
from services.store.backoff import Backoff
from tests.benchmarks.copying import Copier
from tests.benchmarks.traffic import Fleet, reading

CASES: Final = ("clean", "duplicates", "partials", "only_duplicates", "live", "copy_bytes")
"""`live` is clean with live emissions; `copy_bytes` is no writer of ours but COPY of data made beforehand:
what the server alone can take."""
_LIMITS: Final = Limits(too_old_s=400 * 86_400, future_s=300)
_METERS: Final = 1_000
_ONE_DUPLICATE_IN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Job:
    """What to write where."""

    case: str
    database_url: str
    devices: int
    sites: int
    readings: int
    batch: int
    start_s: int

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


class Rates(NamedTuple):
    """Readings a second."""

    ours: float
    copy: float


Batch = list[Decoded]
Write = Callable[[Batch], Awaitable[None]]


class Meters:
    """Makes batches of decoded readings of some of the fleet's meters, each device's in order."""

    def __init__(self, job: Job, part: int) -> None:
        fleet = Fleet(job.devices, job.sites)
        numbers = [each for each in range(job.devices) if fleet.kind(each) == "meter"]
        most = min(_METERS, len(numbers) // 2)
        self._topics = [fleet.topic(each) for each in numbers[part * most : (part + 1) * most]]
        self._decoder = Decoder(_LIMITS)
        self._start = datetime.fromtimestamp(job.start_s, UTC)
        self._next = 0

    def batches(self, count: int, size: int, *, parts: bool = False) -> list[Batch]:
        """The next readings; as two parts of half as many each where told so."""
        make = self._parts if parts else self._whole
        return [[unit for _ in range(size // (1 + parts)) for unit in make()] for _ in range(count)]

    def _whole(self) -> Sequence[Decoded]:
        return self._decode(self._text())

    def _parts(self) -> list[Decoded]:
        """The register alone, then all else."""
        fields = json.loads(self._text())
        first = {name: fields[name] for name in ("ts", "energy_import_kwh")}
        rest = {name: value for name, value in fields.items() if name != "energy_import_kwh"}
        return [*self._decode(json.dumps(first), move=False), *self._decode(json.dumps(rest))]

    def _text(self) -> str:
        turn = self._next // len(self._topics)
        ts = self._start + timedelta(seconds=turn)
        return reading("meter", self._next % len(self._topics), turn, ts.isoformat())

    def _decode(self, text: str, *, move: bool = True) -> Sequence[Decoded]:
        topic = self._topics[self._next % len(self._topics)]
        self._next += move
        return self._decoder.decode(Message(topic, text.encode(), 1, datetime.now(UTC)))


def batches_of(job: Job) -> tuple[list[Batch], list[Batch]]:
    """What our writer writes before, and what is measured."""
    meters, count = Meters(job, 0), job.readings // job.batch
    before = meters.batches(1, job.batch)
    batches = meters.batches(count, job.batch, parts=job.case == "partials")
    if job.case == "only_duplicates":
        return [*before, *batches], batches
    if job.case == "duplicates":
        few = job.batch // _ONE_DUPLICATE_IN
        earlier = [*before, *batches]
        batches = [[*batch[few:], *earlier[number][-few:]] for number, batch in enumerate(batches)]
    return before, batches


async def run(job: Job) -> Rates:
    """Write the job's batches, in turns with COPY of as many rows."""
    before, batches = batches_of(job)
    reference = Meters(job, 1).batches(len(batches) + 1, job.batch)
    async with await psycopg.AsyncConnection.connect(job.database_url) as connection:
        copier = Copier(connection, as_bytes=False)
        await copier.prepare(reference)
        await copier.write(reference[0])
        links = [Link(job.database_url, f"bench {name}") for name in ("write", "reference")]
        try:
            write = await _ours(job, links, connection, [*before, *batches])
            for batch in before:
                await write(batch)
            return await _in_turns(write, batches, copier.write, reference[1:])
        finally:
            await asyncio.gather(*(link.close() for link in links))


async def _ours(
    job: Job, links: list[Link], connection: psycopg.AsyncConnection, batches: list[Batch]
) -> Write:
    """What is measured."""
    if job.case == "copy_bytes":
        copier = Copier(connection, as_bytes=True)
        await copier.prepare(batches)
        return copier.write
    reference = Reference(links[1], lambda: datetime.now(UTC))
    if job.case == "live":
        await reference.refresh()
    return Writer(links[0], "bench", Known(), reference, Metrics(), Backoff(Random())).write


async def _in_turns(ours: Write, batches: list[Batch], copy: Write, others: list[Batch]) -> Rates:
    gc.collect()
    gc.freeze()  # as the service does
    spent = [0.0, 0.0]
    for pair in zip(batches, others, strict=True):
        for number, (write, batch) in enumerate(zip((ours, copy), pair, strict=True)):
            started = time.perf_counter()
            await write(batch)
            spent[number] += time.perf_counter() - started
    return Rates(sum(map(len, batches)) / spent[0], sum(map(len, others)) / spent[1])


if __name__ == "__main__":
    answer = uvloop.run(run(Job(**json.loads(sys.stdin.readline()))))
    sys.stdout.write(json.dumps(answer) + "\n")
