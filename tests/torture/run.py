"""One run: servers up, publishers and ingest on, faults, quiet, comparison."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from deploy.local.errors import SetupError
from deploy.local.progress import LineProgress
from deploy.local.servers import Servers
from tests.torture import probe
from tests.torture.check import Verdict, compare
from tests.torture.faults import World, actors
from tests.torture.journal import STORED, Journal, Sent, read
from tests.torture.observe import Key, Observed, has_reading, observe, outcomes
from tests.torture.processes import (
    INGEST_CLIENT,
    Child,
    Ingest,
    Machines,
    carbonflow,
    environment,
    logged,
    through,
)
from tests.torture.proxy import Path as Way
from tests.torture.stream import registry, utc_now

_READY_S: Final = 90.0
_POLL_S: Final = 0.1
_SHOW_S: Final = 5.0
_MOST_S_PER_KILL: Final = 60.0
_MARKER_SITE: Final = "marker"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted."""

    folder: Path
    seconds: float = 60.0
    kills: int = 0
    """At least so many; the run lasts longer where it must."""
    seed: str = "1"
    publishers: int = 3
    rate_per_s: float = 100.0
    """Messages of each publisher."""
    drain_s: float = 180.0
    """How long what waits may take to be stored, once nothing goes wrong any more."""


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    world: World
    verdict: Verdict = field(default_factory=Verdict)
    observed: Observed = field(default_factory=Observed)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    """What else is to be told."""

    @property
    def line(self) -> dict[str, int]:
        """The line of the contract."""
        return {
            "kills": self.world.kills,
            "published": self.verdict.published,
            "stored": self.observed.stored,
            "duplicate": self.observed.duplicate,
            "rejected": self.observed.rejected,
            "lost": len(self.verdict.lost),
            "doubled": len(self.verdict.doubled),
        }


def say(text: str) -> None:
    """Progress, for a person."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Torture:
    """The stage of one run."""

    def __init__(self, plan: Plan, machines: Machines, servers: Servers, ways: tuple[Way, Way, Way]) -> None:
        self.plan = plan
        self.machines = machines
        self.servers = servers
        self.logs = plan.folder / "log"
        self.logs.mkdir(exist_ok=True)
        self.sites = [f"torture-{number}" for number in range(plan.publishers)]
        self.settings: dict[str, str] = {}
        self.device_url = ""
        self._launched = 0
        self._read = dict.fromkeys(self.journals, 0)
        self.acknowledged = 0
        self.world = World(machines, *ways, self.launch_ingest, self.launch_publisher)

    @property
    def journals(self) -> list[Path]:
        """One for each publisher."""
        return [self.plan.folder / f"{site}.journal" for site in self.sites]

    async def open_ways(self) -> None:
        """The proxies listen; ingest and publishers are told their ports."""
        world = self.world
        database, broker, devices = [
            await way.start() for way in (world.database, world.broker, world.devices)
        ]
        self.settings = environment(
            CARBONFLOW_DATABASE_URL=through(self.servers.role_url("ingest"), database),
            CARBONFLOW_MQTT_URL=through(self.servers.mqtt_url, broker),
            CARBONFLOW_INGEST_CLIENT_ID=INGEST_CLIENT,
            CARBONFLOW_JOURNAL_DIR=str(self.plan.folder / "journal"),
            # So that short outages, too, go through the journal.
            CARBONFLOW_JOURNAL_AFTER_S="1",
        )
        self.device_url = through(self.servers.device_mqtt_url, devices)

    async def launch_ingest(self) -> Ingest:
        """Start an ingest process with a log of its own."""
        self._launched += 1
        log = self.logs / f"ingest-{self._launched:04}.log"
        return await Ingest.launch(self.settings, log, self.plan.folder)

    async def launch_publisher(self, number: int) -> Child:
        """Start a publisher."""
        arguments = (
            *("-m", "tests.torture.publisher", "--journal", str(self.journals[number])),
            *("--site", self.sites[number], "--rate", str(self.plan.rate_per_s)),
            *("--seed", f"{self.plan.seed} {number}"),
        )
        log = self.logs / f"publisher-{number}.log"
        settings = environment(TORTURE_MQTT_URL=self.device_url)
        return await Child.start(arguments, settings, log, self.plan.folder)

    async def begin(self) -> None:
        """Schema, registry, ingest, publishers. The session is there before the first publisher."""
        file = self.plan.folder / "registry.json"
        file.write_text(json.dumps(registry(self.sites), indent=1))
        url = self.servers.database_url
        await carbonflow(url, self.plan.folder, "migrate")
        await carbonflow(url, self.plan.folder, "registry", "apply", str(file), "--yes")
        ingest = await self.world.running_ingest()
        await until(ingest.ready, _READY_S, "ingest is ready")
        for number in range(self.plan.publishers):
            self.world.publishers.append(await self.launch_publisher(number))

    async def show(self) -> None:
        """Say how it goes, until cancelled."""
        started = time.monotonic()
        while True:
            await asyncio.sleep(_SHOW_S)
            say(f"{time.monotonic() - started:4.0f} s  {await self.progress()}")

    async def progress(self) -> str:
        """How far it is, in a line."""
        await asyncio.to_thread(self._follow)
        try:
            found = await asyncio.to_thread(outcomes, self.servers.database_url)
        except psycopg.OperationalError:
            database = "database away"
        else:
            database = "stored {}, duplicate {}, rejected {}".format(*found)
        return f"{self.world.kills} kills, {self.acknowledged} messages acknowledged, {database}"

    def _follow(self) -> None:
        """Count acknowledgements that were added to the journals."""
        for path, position in self._read.items():
            if not path.exists():
                continue
            with path.open("rb") as file:
                file.seek(position)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self.acknowledged += whole.count(b'["a", ')
            self._read[path] += len(whole)

    async def quiet(self) -> None:
        """Nothing goes wrong any more: servers up, ways open, publishers done."""
        world = self.world
        for way in (world.database, world.broker, world.devices):
            way.heal()
        await self.machines.up()
        await world.running_ingest()
        for publisher in world.publishers:
            try:
                status = await publisher.end(signal.SIGTERM, 150.0)
            except TimeoutError:
                status = -1
            if status != 0:
                world.wrong.append(f"a publisher got no acknowledgements in the end: {self.logs} says more")

    async def drain(self) -> None:
        """Wait until a reading published now is stored: it comes behind all others. Then ingest leaves."""
        world = self.world
        marker, key = self._marker()
        await asyncio.to_thread(_publish, self.device_url, self._marker_journal, marker)

        async def arrived() -> bool:
            await world.running_ingest()
            return await asyncio.to_thread(has_reading, self.servers.database_url, key)

        await until(arrived, self.plan.drain_s, "everything is stored")
        ingest = await world.running_ingest()

        async def empty() -> bool:
            return await ingest.in_flight() == 0 and await ingest.metric("journal_messages") == 0

        await until(empty, self.plan.drain_s, "nothing is in flight, and the journal is empty")
        try:
            status = await ingest.end(signal.SIGTERM)
        except TimeoutError:
            status = -1
        world.ingest = None
        if status != 0:
            world.wrong.append(f"ingest ended on SIGTERM with {status}: {logged(ingest.log)[1][-3:]}")
        left = await asyncio.to_thread(
            probe.waiting, self.servers.mqtt_url, INGEST_CLIENT, self.servers.device_mqtt_url
        )
        if left:
            world.wrong.append(f"{left} messages still waited at the broker")

    @property
    def _marker_journal(self) -> Path:
        return self.plan.folder / "marker.journal"

    def _marker(self) -> tuple[Sent, Key]:
        now = utc_now()
        text = json.dumps({"ts": now.isoformat(), "power_kw": 1.5})
        sent = Sent(0, f"telemetry/v1/{_MARKER_SITE}/meter/last", (text,), (STORED,))
        return sent, Key(_MARKER_SITE, "meter", "last", now)

    def newest_acknowledged(self) -> list[int]:
        """The highest number of an acknowledged message in each journal."""
        return [max(read(path).acknowledged, default=-1) for path in self.journals]

    async def compare(self, *, loss_expected: bool) -> tuple[Verdict, Observed]:
        """What the journals say against what the database has."""
        records = [read(path) for path in (*self.journals, self._marker_journal)]
        records = [record for record in records if record.sent]
        observed = await asyncio.to_thread(observe, self.servers.database_url, INGEST_CLIENT)
        verdict = compare(records, observed, loss_expected=loss_expected)
        verdict.wrong += self.world.wrong
        for log in sorted(self.logs.glob("ingest-*.log")):
            if logged(log)[0]:
                verdict.wrong.append(f"a traceback in {log.name}")
        return verdict, observed

    async def end(self) -> None:
        """Nothing of ours goes on running."""
        world = self.world
        world.over.set()
        for child in (*world.publishers, *([world.ingest] if world.ingest else [])):
            await child.kill()
        for way in (world.database, world.broker, world.devices):
            await way.close()


def _publish(url: str, journal: Path, sent: Sent) -> None:
    """Publish one message, noted in a journal like all others."""
    book = Journal(journal)
    book.write([], [sent])
    probe.publish(url, sent.topic, sent.payload)
    book.write([(sent.number, 0)], [])
    book.close()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Wait for a condition. Raises TimeoutError, which says what did not come."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def stage(plan: Plan) -> AsyncIterator[Torture]:
    """Servers of our own and everything in place, ended in any case. Raises SetupError."""
    machines = Machines(plan.folder, LineProgress())
    await machines.packages()
    try:
        servers = await machines.up()
        ways = (Way(machines.database_port), Way(machines.broker_port), Way(machines.broker_port))
        torture = Torture(plan, machines, servers, ways)
        try:
            await torture.open_ways()
            await torture.begin()
            yield torture
        finally:
            await torture.end()
    finally:
        await machines.down()


async def run(plan: Plan) -> Outcome:
    """Torture. Raises SetupError."""
    async with stage(plan) as torture:
        started = time.monotonic()
        try:
            await _faults(torture)
        except* (SetupError, TimeoutError) as errors:
            raise SetupError(" ".join(str(error) for error in errors.exceptions)) from None
        say(f"quiet after {time.monotonic() - started:.0f} s: {await torture.progress()}")
        return await finish(torture, time.monotonic() - started)


async def _faults(torture: Torture) -> None:
    """Everything goes wrong for as long as is wanted."""
    plan, world = torture.plan, torture.world

    async def enough() -> bool:
        return world.kills >= plan.kills

    async with asyncio.TaskGroup() as tasks:
        shown = tasks.create_task(torture.show())
        busy = [tasks.create_task(actor) for actor in actors(world, plan.seed)]
        await asyncio.sleep(plan.seconds)
        await until(enough, plan.kills * _MOST_S_PER_KILL, f"{plan.kills} kills")
        world.over.set()
        await asyncio.gather(*busy)
        shown.cancel()


async def finish(torture: Torture, seconds: float, *, loss_expected: bool = False) -> Outcome:
    """Let all end and compare."""
    try:
        await torture.quiet()
        await torture.drain()
    except (TimeoutError, probe.ProbeError) as error:
        torture.world.wrong.append(str(error))
    say(f"drained: {await torture.progress()}")
    verdict, observed = await torture.compare(loss_expected=loss_expected)
    return Outcome(torture.world, verdict, observed, seconds)
