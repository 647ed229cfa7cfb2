"""One run: poison and clean readings in turn, through the real broker, process and database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import psycopg

from deploy.local.progress import Progress
from tests.benchmarks.child import BenchError, Child, cpu_s
from tests.benchmarks.generator import Load
from tests.benchmarks.peers.count import CLIENT_ID
from tests.benchmarks.stack import Database, Stack, prepare, running
from tests.benchmarks.through import Ingest, ingest, yesterday_s
from tests.benchmarks.traffic import Fleet
from tests.poison.payloads import REFUSED_BY_DATABASE
from tests.poison.sender import CLEAN, LARGE, REFUSED, SMALL
from tests.torture import probe

Say = Callable[[str], None]

_POLL_S: Final = 0.01
_STALLED_S: Final = 90.0
FLOOR: Final = 0.5
"""Of the rate of clean readings, in the same run."""
_FLAT: Final = 1.15
_FLAT_MB: Final = 25.0
"""So much more memory in the last third than in the first is flat: routes and devices are remembered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what. A slice is published at once, and measured until the last unit is committed."""

    count: int
    """Poisoned messages in all, beside the clean ones."""
    seed: str
    slice: int = 20_000
    clean_slice: int = 20_000
    large_slice: int = 100
    large_every: int = 5
    """So many slices of small ones for each of large ones, and of one that the database refuses in part."""
    refused_slice: int = 10_000
    devices: int = 1_000
    sites: int = 100
    category: str = SMALL
    """What the small slices consist of."""


class Slice(NamedTuple):
    """A slice that was measured."""

    name: str
    messages: int
    units: int
    seconds: float
    ingest_cpu_s: float
    database_cpu_s: float

    @property
    def per_s(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds


@dataclass(slots=True)
class Result:
    """What was seen."""

    slices: list[Slice] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[Slice]:
        """The slices of a name."""
        return [each for each in self.slices if each.name == name]

    def ratios(self, name: str) -> list[float]:
        """The rate of each slice beside the mean of the clean ones before and after it."""
        found = []
        for number, each in enumerate(self.slices):
            if each.name == name:
                before = next(s for s in reversed(self.slices[:number]) if s.name == CLEAN)
                after = next(s for s in self.slices[number:] if s.name == CLEAN)
                found.append(each.per_s / ((before.per_s + after.per_s) / 2))
        return found

    def line(self, plan: Plan) -> dict[str, Any]:
        """What `make poison` prints."""
        poison = [each for each in self.slices if each.name != CLEAN]
        ratios = self.ratios(plan.category)
        third = len(self.rss_mb) // 3 or 1
        return {
            "seed": plan.seed,
            "poisoned": sum(each.messages for each in poison),
            "clean": sum(each.messages for each in self.slices if each.name == CLEAN),
            "published_units": sum(each.units for each in self.slices),
            **self.totals,
            "reasons": self.reasons,
            "small_per_s": round(median(each.per_s for each in self.of(plan.category))),
            "clean_per_s": round(median(each.per_s for each in self.of(CLEAN))),
            "worst_ratio": round(min(ratios), 2),
            "median_ratio": round(median(ratios), 2),
            "ingest_cpu_us": _beside(plan, self, lambda each: each.ingest_cpu_s),
            "database_cpu_us": _beside(plan, self, lambda each: each.database_cpu_s),
            "rss_first_third_mb": round(median(self.rss_mb[:third]), 1),
            "rss_last_third_mb": round(median(self.rss_mb[-third:]), 1),
            "rss_max_mb": round(max(self.rss_mb), 1),
            "wrong": self.wrong,
        }


def _beside(plan: Plan, result: Result, of: Callable[[Slice], float]) -> dict[str, float]:
    """CPU time per message [us] of the small slices and of the clean ones."""
    return {
        name: round(sum(map(of, result.of(name))) / sum(each.messages for each in result.of(name)) * 1e6, 1)
        for name in (plan.category, CLEAN)
    }


async def run(plan: Plan, progress: Progress, say: Say) -> Result:
    """Do it. Raises BenchError where units are missing or a process ended, and SetupError."""
    with running(progress) as stack:
        await prepare(stack, Fleet(plan.devices, plan.sites))
        async with stack.database() as database:
            _refuse(database)
            async with ingest(stack, database) as consumer, _sender(plan, stack) as publishers:
                result = Result()
                course = _Course(stack, consumer, publishers, result, say)
                for name, count in slices_of(plan):
                    await course.go(name, count)
                await _leave(stack, consumer)
                _account(database, result)
                return result


def slices_of(plan: Plan) -> list[tuple[str, int]]:
    """Names and sizes of the slices, so that each of small ones lies between two clean ones."""
    found = [(CLEAN, plan.clean_slice)] * 2
    left, turn = plan.count, 0
    while left > 0:
        turn += 1
        size = min(plan.slice, left)
        found += [(plan.category, size), (CLEAN, plan.clean_slice)]
        left -= size
        if turn % plan.large_every == 0:
            found += [(LARGE, plan.large_slice), (REFUSED, plan.refused_slice)]
            left -= plan.large_slice + 1
            found.append((CLEAN, plan.clean_slice))
    return found


def _refuse(database: Database) -> None:
    """The wire model lets nothing through that the schema refuses: this is refused by the database alone."""
    constraint = psycopg.sql.SQL("ALTER TABLE core.reading_meter ADD CHECK (power_kw <> {})")
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(constraint.format(psycopg.sql.Literal(REFUSED_BY_DATABASE)))


@asynccontextmanager
async def _sender(plan: Plan, stack: Stack) -> AsyncIterator[Child]:
    child = await Child.start("sender", ["-m", "tests.poison.sender"], {}, stack.logs)
    load = Load(stack.servers.device_mqtt_url, plan.devices, plan.sites, 0, yesterday_s())
    child.tell(json.dumps({"seed": plan.seed, "load": asdict(load)}))
    try:
        await child.first_line()
        yield child
    finally:
        await child.stop()


class _Course:
    """Slice after slice."""

    def __init__(self, stack: Stack, consumer: Ingest, publishers: Child, result: Result, say: Say) -> None:
        self._stack, self._consumer, self._publishers = stack, consumer, publishers
        self._result, self._say = result, say
        self._number = 0
        self._expected = 0

    async def go(self, name: str, count: int) -> None:
        """Have a slice made, published and committed; measured from its first byte to its last commit."""
        self._number += 1
        self._publishers.tell(json.dumps([name, count]))
        units = await self._made()
        self._expected += units
        before, started = self._cpu_s(), time.monotonic()
        self._publishers.tell("go")
        await self._committed()
        seconds = time.monotonic() - started
        spent = (after - start for start, after in zip(before, self._cpu_s(), strict=True))
        measured = Slice(name, count, units, seconds, *spent)
        self._result.slices.append(measured)
        self._result.rss_mb.append(rss_mb(self._consumer.child.pid))
        self._say(f"{self._number:4} {name:24} {count:6} messages {units:7} units {measured.per_s:8.0f}/s")

    def _cpu_s(self) -> tuple[float, float]:
        return cpu_s(self._consumer.child.pid), cpu_s(self._stack.database_pid)

    async def _made(self) -> int:
        """How many units the next slice has, once it is made."""
        while True:
            self._publishers.check()
            if self._publishers.last:
                number, units = json.loads(self._publishers.last)
                if number == self._number:
                    return int(units)
            await asyncio.sleep(_POLL_S)

    async def _committed(self) -> None:
        """Wait until every unit that was ever published is in the account. Raises BenchError."""
        done, moved_at = -1, time.monotonic()
        while done < self._expected:
            count = await self._consumer.count()  # which also sees that the process lives
            if count != done:
                done, moved_at = count, time.monotonic()
            elif time.monotonic() - moved_at > _STALLED_S:
                raise BenchError(
                    f"{done} of {self._expected} units are accounted for: {self._publishers.tail()}"
                )
            self._publishers.check()
            await asyncio.sleep(_POLL_S)


def rss_mb(pid: int) -> float:
    """The resident size of a process [MB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"process {pid} has no memory: it has ended")


async def _leave(stack: Stack, consumer: Ingest) -> None:
    """Ingest ends in order, and nothing waits in its session. Raises BenchError."""
    await consumer.child.stop()
    await consumer.child.wait()
    left = await asyncio.to_thread(
        probe.waiting, stack.ingest_mqtt_url, CLIENT_ID, stack.servers.device_mqtt_url
    )
    if left:
        raise BenchError(f"{left} messages were not acknowledged")


_TOTALS: Final = """
SELECT sum(received)::bigint, sum(stored)::bigint, sum(duplicate)::bigint, sum(rejected)::bigint
FROM api.ingest_totals
"""
_KEPT: Final = """
SELECT (SELECT count(*) FROM core.reading_meter) + (SELECT count(*) FROM core.reading_flowmeter)
        + (SELECT count(*) FROM core.reading_cems) + (SELECT count(*) FROM core.reading_beltscale),
    (SELECT count(*) FROM core.dead_letter)
"""
_REASONS: Final = "SELECT reason, count(*) FROM api.dead_letters GROUP BY reason ORDER BY reason"
_REFUSED: Final = "SELECT count(*) FROM api.dead_letters WHERE detail LIKE 'The database does not take this%'"


def _account(database: Database, result: Result) -> None:
    """The account, and whether it is that of what is kept and of what was published."""
    with psycopg.connect(database.owner_url) as connection:
        totals, kept, refused = (
            connection.execute(statement).fetchone() or () for statement in (_TOTALS, _KEPT, _REFUSED)
        )
        result.reasons = dict(connection.execute(_REASONS).fetchall())
    result.totals = dict(zip(("received", "stored", "duplicate", "rejected"), totals, strict=True))
    published = sum(each.units for each in result.slices)
    received, stored, duplicate, rejected = totals
    wrong = {
        f"{published} units published, {received} received": received != published,
        f"received {received} is not the sum of {totals[1:]}": received != stored + duplicate + rejected,
        f"{stored} counted as stored, {kept[0]} readings": stored != kept[0],
        f"{rejected} counted as rejected, {kept[1]} dead letters": rejected != kept[1],
        f"{refused[0]} rows were refused by the database": refused[0] != len(result.of(REFUSED)),
    }
    result.wrong += [sentence for sentence, is_so in wrong.items() if is_so]


def judge(plan: Plan, result: Result) -> list[str]:
    """What is not as it must be, in sentences."""
    wrong = list(result.wrong)
    worst = min(result.ratios(plan.category))
    if worst < FLOOR:
        wrong.append(f"a slice came at {worst:.2f} of the rate of clean readings, less than {FLOOR}")
    third = len(result.rss_mb) // 3 or 1
    first, last = median(result.rss_mb[:third]), median(result.rss_mb[-third:])
    if last > _FLAT * first + _FLAT_MB:
        wrong.append(f"memory grew from {first:.0f} to {last:.0f} MB")
    return wrong
