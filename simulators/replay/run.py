"""Replaying: check the whole file, then publish it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from simulators.clock import Clock, WallClock
from simulators.errors import ConfigError, SimulatorError
from simulators.mqtt import BrokerUrl, Connection
from simulators.payload import ARRAY_MAX, Message, Role, Unit, encode, pack, rfc3339
from simulators.replay.table import Row, Survey, Table
from simulators.spec import DeviceId

_BATCH: Final = 10 * ARRAY_MAX


class ReplayError(SimulatorError):
    """Rows of the file cannot be read; nothing was published."""


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """What to publish and how.

    `shift_to` moves all stamps by the same amount, so that the last is at this instant. `opening`: publish
    the counted registers' start one row's distance before the first row, so that its amount counts too.
    `speed`: so many times as fast as it was measured; None: as fast as the broker acknowledges.
    """

    mqtt_url: str
    device: DeviceId
    shift_to: datetime | None = None
    opening: bool = False
    skip_bad: bool = False
    qos: int = 1
    speed: float | None = None
    dry_run: bool = False
    ca_file: Path | None = None


@dataclass(slots=True)
class ReplayReport:
    """What was found, and what the broker has acknowledged."""

    survey: Survey
    shift: timedelta
    first: datetime
    last: datetime
    readings: int
    """To be published, the opening one included."""
    published: int = 0

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        survey = self.survey
        return {
            "rows": survey.rows,
            "readings": self.readings,
            "published": self.published,
            "empty_rows": survey.empty_rows,
            "missing_values": survey.missing_values,
            "bad_rows": survey.bad_rows,
            "ambiguous_times": survey.ambiguous,
            "first": rfc3339(self.first),
            "last": rfc3339(self.last),
            "shifted_by_s": self.shift.total_seconds(),
            "registers": survey.registers,
        }


class Replay:
    """One file, to one device."""

    def __init__(self, table: Table, config: ReplayConfig, clock: Clock | None = None) -> None:
        self._table, self._config = table, config
        self._url = BrokerUrl.parse(config.mqtt_url, config.ca_file)
        self._clock: Clock = WallClock() if clock is None else clock

    def prepare(self) -> ReplayReport:
        """Read the whole file. Raises ReplayError with file and line of what is wrong with it, ConfigError
        where the readings would lie in the future."""
        survey = self._table.survey()
        if survey.bad and not self._config.skip_bad:
            raise ReplayError(self._complaint(survey))
        if survey.first is None or survey.last is None:
            raise ReplayError(f"{self._table.path} holds no readings.")
        target = self._config.shift_to
        shift = timedelta() if target is None else target.astimezone(UTC) - survey.last
        first = survey.first - self._opening_distance(survey)
        report = ReplayReport(survey, shift, first + shift, survey.last + shift, survey.readings)
        report.readings += self._config.opening
        if report.last.timestamp() > self._clock.now():
            raise ConfigError(
                f"The last reading would be of {rfc3339(report.last)}, which is to come; shift it to now."
            )
        return report

    async def run(self, on_progress: Callable[[ReplayReport], None] | None = None) -> ReplayReport:
        """Check, publish and wait for the acknowledgements. Raises SimulatorError."""
        report = self.prepare()
        if self._config.dry_run:
            return report

        def acknowledged(message: Message) -> None:
            report.published += len(message.units)
            if on_progress is not None:
                on_progress(report)

        async with Connection(self._url, (), acknowledged, qos=self._config.qos) as connection:
            await self._publish(connection, report)
            await connection.settled()
        return report

    async def _publish(self, connection: Connection, report: ReplayReport) -> None:
        started, waiting = self._clock.now(), list[Unit]()
        never = asyncio.Event()
        for time, unit in self._units(report):
            if self._config.speed is not None:
                due = started + (time - report.first).total_seconds() / self._config.speed
                await self._clock.wait_until(due, never)
            waiting.append(unit)
            if self._config.speed is not None or len(waiting) == _BATCH:
                await _send(connection, waiting)
                waiting.clear()
        await _send(connection, waiting)

    def _units(self, report: ReplayReport) -> Iterator[tuple[datetime, Unit]]:
        """The readings, in order."""
        topic = self._config.device.topic
        if self._config.opening:
            form = self._table.form
            start = {c.quantity: form.register_start for c in form.columns if c.accumulate}
            yield report.first, Unit(topic, encode(rfc3339(report.first), None, start), Role.READING)
        for row in self._table.rows():
            if isinstance(row, Row) and row.values:
                time = row.time + report.shift
                yield time, Unit(topic, encode(rfc3339(time), None, row.values), Role.READING)

    def _opening_distance(self, survey: Survey) -> timedelta:
        if not self._config.opening:
            return timedelta()
        if not any(column.accumulate for column in self._table.form.columns):
            raise ConfigError("An opening reading needs a quantity that is accumulated.")
        if survey.first is None or survey.second is None:
            raise ConfigError("An opening reading needs at least two rows, to know their distance.")
        return survey.second - survey.first

    def _complaint(self, survey: Survey) -> str:
        lines = [f"{self._table.path}:{bad.line}: {bad.why}" for bad in survey.bad]
        if survey.bad_rows > len(survey.bad):
            lines.append(f"and {survey.bad_rows - len(survey.bad):,} more")
        return "\n".join(lines)


async def _send(connection: Connection, units: list[Unit]) -> None:
    for message in pack(units):
        await connection.publish(message)
