"""One run of the demo: the product up, a fleet publishing into it, and the comparison at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from services.cli.demo.screen import Picture
from services.cli.demo.stack import Stack, fleet_state
from services.cli.demo.verdict import VALUES, Published, Stored, Verdict, judge
from services.store import audit
from services.store.pool import Connection
from simulators.faults import FaultPlan
from simulators.fleet import Fleet, FleetConfig, Progress
from simulators.journal import MemoryJournal
from simulators.report import Report
from simulators.spec import DeviceId, SourceSpec

_SETTLED_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.1
_HOLD_INTERVALS: Final = 3
"""How long the ledger holds a gauge's last value, in expected intervals (the contract's rule)."""

Show = Callable[[Picture], None]


@dataclass
class Phase:
    """What the fleet does at the moment, for people."""

    text: str = "starting the fleet"

    def note(self, progress: Progress) -> None:
        """Follow the fleet."""
        if progress.live:
            self.text = "the fleet publishes in real time, with faults"
        else:
            behind = timedelta(seconds=int(max(0.0, progress.now - progress.position)))
            self.text = f"the fleet publishes its past: {behind} to go, {progress.published:,} sent"


class Demo:
    """A fleet against a running stack.

    `connection` is the database owner's, in autocommit: each statement sees what is committed."""

    def __init__(self, stack: Stack, connection: Connection, seed: int | None) -> None:
        self._stack = stack
        self._connection = connection
        self._journal = MemoryJournal()
        self._fleet = Fleet(
            FleetConfig(
                stack.servers.device_mqtt_url,
                seed=seed,
                faults=FaultPlan(),
                state_dir=fleet_state(stack.layout),
            ),
            journal=self._journal,
        )
        self._phase = Phase()

    async def run(self, seconds: float | None, stop: asyncio.Event, show: Show) -> Verdict:
        """Publish for `seconds` (None: until `stop`), then judge."""
        await self._settled()
        before, began = await audit.totals(self._connection), await audit.now(self._connection)
        async with asyncio.TaskGroup() as tasks:
            fleet = tasks.create_task(self._fleet.run(stop, self._phase.note), name="fleet")
            timer = tasks.create_task(_stop_after(seconds, stop), name="timer")
            screen = tasks.create_task(self._follow(before, show, stop), name="screen")
            report = await fleet
            timer.cancel()
            screen.cancel()
        await self._settled(before.received + report.published)
        return await self._judge(report, before, began)

    async def _follow(self, before: audit.Totals, show: Show, stop: asyncio.Event) -> None:
        """Show what the views say, once a second."""
        earlier = before
        while True:
            totals = await audit.totals(self._connection)
            show(
                Picture(
                    await audit.sources_now(self._connection),
                    await audit.electricity_today_kwh(self._connection),
                    totals,
                    readings_per_s=float(totals.since(earlier).received),
                    phase="stopping" if stop.is_set() else self._phase.text,
                    board_url=self._stack.board_url,
                )
            )
            earlier = totals
            await asyncio.sleep(1.0)

    async def _settled(self, received: int | None = None) -> None:
        """Wait until ingest has counted `received` units (None: what is left over) and the ledger is idle.

        Where that takes too long, the verdict says what is missing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN_S):
                before = -1
                while True:
                    counted = (await audit.totals(self._connection)).received
                    backlog = await audit.ledger_backlog(self._connection)
                    if backlog == 0 and (counted >= received if received is not None else counted == before):
                        return
                    before = counted
                    await asyncio.sleep(_POLL_S if received is not None else 5 * _POLL_S)

    async def _judge(self, report: Report, before: audit.Totals, began: datetime) -> Verdict:
        connection = self._connection
        stored = Stored(
            counted=(await audit.totals(connection)).since(before),
            values=pl.DataFrame(await audit.stored_values(connection, began), VALUES, orient="row"),
            by_kind=await audit.stored_by_kind(connection, began),
            dead_letters=await audit.dead_letters(connection, began),
            ledger=await audit.ledger_sums(connection),
        )
        return judge(self._published(report, await audit.stored_spans(connection)), stored)

    def _published(self, report: Report, spans: list[audit.StoredSpan]) -> Published:
        by_device = {DeviceId(span.site, span.kind, span.device): span for span in spans}
        return Published(
            units=report.published,
            injected_bad=report.injected_bad,
            values=_values(report),
            bad=Counter(self._journal.rejects),
            truth_co2_kg={
                (source.site, source.source): _truth(report, source, by_device)
                for source in report.sources()
                if source.device in by_device
            },
            linear=frozenset((each.site, each.source) for each in report.sources() if each.linear),
        )


def _values(report: Report) -> pl.DataFrame:
    """The published readings as `api.readings` shows them, a row a value: booleans are 1 or 0."""
    rows = [
        (*reading.device, datetime.fromtimestamp(reading.ts, UTC), quantity, float(value))
        for reading in report.readings()
        for quantity, value in reading.values.items()
    ]
    return pl.DataFrame(rows, VALUES, orient="row")


def _truth(report: Report, source: SourceSpec, spans: Mapping[DeviceId, audit.StoredSpan]) -> float:
    """True CO2 [kg] over the time the ledger accounts for: from the source's first to its last stored
    register, for a stack to the end of the time its last reading holds. All kept runs together: an hour of
    the ledger may belong to two."""
    span = spans[source.device]
    held_s = _HOLD_INTERVALS * (span.interval_s or 0.0) if source.device.kind == "cems" else 0.0
    return report.truth_co2_kg(source.site, source.source, span.first, span.last + timedelta(seconds=held_s))


async def _stop_after(seconds: float | None, stop: asyncio.Event) -> None:
    if seconds is None:
        await stop.wait()
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    stop.set()
