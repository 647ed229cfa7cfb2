"""A fleet of simulated devices that publishes over MQTT: first what is due since it last ran, then in real
time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from simulators.clock import Clock, Pace, WallClock
from simulators.device import Device
from simulators.errors import ConfigError, SimulatorError
from simulators.faults import FaultLine, FaultPlan, swap_instants
from simulators.journal import Journal, MemoryJournal, Tally
from simulators.mqtt import BrokerUrl, Connection
from simulators.payload import Message, Unit, pack
from simulators.report import Report
from simulators.sites.catalogue import demo_sites, generated
from simulators.spec import DeviceId, DeviceSpec, Plan
from simulators.state import StateStore

_CHUNK_S: Final = 3600
"""Simulated time published between two checks for the end, while catching up."""
_SWAPS_AHEAD_S: Final = 30 * 86_400
_SMALL_FLEET: Final = 32
_REFRESH_S: Final = 0.25
"""Between two looks at the progress."""
_SAVE_S: Final = 2.0
"""Between two savings of the state: what a crash makes a later run publish again."""


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """What to simulate.

    `seed` None: the kept state's, or 1. `speed` is how fast the past is caught up with: None for as fast as
    the broker acknowledges. `generated` devices come beside the `sites`. `per_connection` None: a connection
    for each device of a small fleet, 500 devices on one of a large.
    """

    mqtt_url: str
    seed: int | None = None
    sites: Sequence[str] = ("campus", "plant")
    generated: int = 0
    site_prefix: str = ""
    faults: FaultPlan = field(default_factory=FaultPlan)
    speed: float | None = None
    backfill_s: float = 86_400.0
    state_dir: Path | None = None
    qos: int = 1
    per_connection: int | None = None
    ca_file: Path | None = None
    grace_s: float = 15.0
    """How long to wait at the end for the broker's acknowledgements."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. `position` and `now` in seconds since the epoch."""

    live: bool
    published: int
    injected_bad: int
    position: float
    now: float


OnProgress = Callable[[Progress], None]


class Fleet:
    """A fleet, for one run."""

    def __init__(
        self, config: FleetConfig, *, clock: Clock | None = None, journal: Journal | None = None
    ) -> None:
        self._config = config
        self._url = BrokerUrl.parse(config.mqtt_url, config.ca_file)
        self._clock: Clock = WallClock() if clock is None else clock
        self._journal: Journal = MemoryJournal() if journal is None else journal
        self._store = StateStore(config.state_dir)
        self._connections: list[Connection] = []
        self._lines: dict[DeviceId, FaultLine] = {}
        self._devices: dict[DeviceId, Device] = {}
        self._report: Report | None = None

    @property
    def report(self) -> Report | None:
        """The report, from the moment the devices are made; it grows while the run goes on."""
        return self._report

    async def run(self, stop: asyncio.Event, on_progress: OnProgress | None = None) -> Report:
        """Publish until `stop` is set and everything is acknowledged, or the grace is over. Raises
        SimulatorError."""
        try:
            with self._store:
                return await self._run(stop, on_progress)
        finally:
            self._journal.close()

    async def _run(self, stop: asyncio.Event, on_progress: OnProgress | None) -> Report:
        now = self._clock.now()
        plan = self._make_devices(now)
        report = Report(
            Tally(), self._journal, self._devices, plan.sources, self._missing, self._unacknowledged
        )
        self._report = report
        begin = min(device.state.due for device in self._devices.values())
        pace = Pace(self._clock, begin, now, self._config.speed)
        groups = [_Group(self, members, pace, stop) for members in self._grouped()]
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(group.run(), name="devices") for group in groups]
                tasks.create_task(self._watch(running, stop, groups, on_progress), name="watch")
        except* SimulatorError as failures:
            raise _first(failures) from None
        finally:
            self._store.save()
        return report

    def acknowledged(self, message: Message) -> None:
        """Account for a message that the broker has."""
        report = self._report
        assert report is not None
        for unit in message.units:
            report.tally.count(unit)
            if unit.completes is not None:
                report.published_reading(unit.completes)
                self._journal.reading(unit.completes)
            if unit.reason is not None:
                self._journal.bad(unit.topic, unit.reason)

    def connect(self, members: Sequence[Device]) -> Connection:
        """A connection for these devices."""
        topics = [device.spec.id.topic for device in members]
        connection = Connection(self._url, topics, self.acknowledged, qos=self._config.qos)
        self._connections.append(connection)
        return connection

    def units(self, device: Device, until: float) -> Iterable[Unit]:
        """What the device sends for the readings due up to `until`."""
        return self._lines[device.spec.id].feed(device.advance(until))

    def held(self, device: Device) -> Iterable[Unit]:
        """What the device still holds back."""
        return self._lines[device.spec.id].flush()

    def checkpoint(self, members: Sequence[Device]) -> None:
        """Everything sent by these devices is acknowledged: they may be resumed from here."""
        self._store.put({str(device.spec.id): device.state for device in members})

    def _make_devices(self, now: float) -> Plan:
        config = self._config
        seed = self._store.seed(config.seed)
        plan = (demo_sites(config.sites, seed) + generated(config.generated, seed)).with_site_prefix(
            config.site_prefix
        )
        if not plan.devices:
            raise ConfigError("There is nothing to simulate: no sites and no devices.")
        for spec in plan.devices:
            self._devices[spec.id] = self._make_device(spec, seed, now)
            self._lines[spec.id] = FaultLine(config.faults, seed, spec)
        return plan

    def _make_device(self, spec: DeviceSpec, seed: int, now: float) -> Device:
        config, begin = self._config, now - self._config.backfill_s
        kept = self._store.get(str(spec.id))
        if kept is None:
            soon = config.faults.of("rollover") > 0.0
            device = Device.new(spec, seed, begin, rollover_soon=soon)
        else:
            device = Device(spec, seed, kept.copy())
            device.resume(begin)
        device.swap_at = swap_instants(config.faults, seed, spec, device.state.at + 1, now + _SWAPS_AHEAD_S)
        return device

    def _grouped(self) -> list[Sequence[Device]]:
        devices = list(self._devices.values())
        size = self._config.per_connection or (1 if len(devices) <= _SMALL_FLEET else 500)
        return [devices[i : i + size] for i in range(0, len(devices), size)]

    async def _watch(
        self,
        running: Sequence[asyncio.Task[None]],
        stop: asyncio.Event,
        groups: Sequence[_Group],
        on_progress: OnProgress | None,
    ) -> None:
        """Tell progress and keep the state until the end; then let go of those who wait for a broker that
        does not answer."""
        loop = asyncio.get_running_loop()
        save_at = loop.time() + _SAVE_S
        while not stop.is_set():
            if on_progress is not None:
                on_progress(self._progress(groups))
            if loop.time() >= save_at:
                self._store.save()
                save_at = loop.time() + _SAVE_S
            await _pause(stop)
        _, waiting = await asyncio.wait(running, timeout=self._config.grace_s)
        for task in waiting:
            task.cancel()
        if on_progress is not None:
            on_progress(self._progress(groups))

    def _progress(self, groups: Sequence[_Group]) -> Progress:
        assert self._report is not None
        return Progress(
            live=all(group.live for group in groups),
            published=self._report.published,
            injected_bad=self._report.injected_bad,
            position=min(group.position for group in groups),
            now=self._clock.now(),
        )

    def _missing(self) -> int:
        return sum(line.missing for line in self._lines.values())

    def _unacknowledged(self) -> int:
        return sum(connection.unacknowledged for connection in self._connections)


class _Group:
    """Devices that share a connection."""

    def __init__(self, fleet: Fleet, members: Sequence[Device], pace: Pace, stop: asyncio.Event) -> None:
        self._fleet, self._members, self._pace, self._stop = fleet, members, pace, stop
        self.position: float = min(device.state.due for device in members)
        self.live = False

    async def run(self) -> None:
        """Publish until the stop; then what is held back, and the devices' end."""
        async with self._fleet.connect(self._members) as connection:
            while not self._stop.is_set():
                if await self._round(connection):
                    due = min(device.state.due for device in self._members)
                    await self._pace.clock.wait_until(self._pace.wall_at(due), self._stop)
            for device in self._members:
                await self._publish(connection, self._fleet.held(device))
            await connection.say_offline()
            self._fleet.checkpoint(self._members)

    async def _round(self, connection: Connection) -> bool:
        """Publish the next stretch of time that has passed, and wait until the broker has it. Gives whether
        that was all there is to send for now."""
        now = self._pace.clock.now()
        goal = self._pace.position()
        until = min(goal, self.position + _CHUNK_S)
        for device in self._members:
            await self._publish(connection, self._fleet.units(device, until))
        await connection.settled()
        self._fleet.checkpoint(self._members)
        self.position, self.live = until, until >= now
        return until >= goal

    async def _publish(self, connection: Connection, units: Iterable[Unit]) -> None:
        for message in pack(units):
            await connection.publish(message)


async def _pause(stop: asyncio.Event) -> None:
    """Let some time pass, less where the stop comes."""
    try:
        async with asyncio.timeout(_REFRESH_S):
            await stop.wait()
    except TimeoutError:
        return


def _first(failures: BaseExceptionGroup[SimulatorError]) -> SimulatorError:
    """The first of the errors, out of however many groups."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, SimulatorError)
    return first
