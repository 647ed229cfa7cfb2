"""The ingest service: its tasks, how it starts and how it stops."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from services.http_server import ListenError, Server
from services.ingest.batch import Inbox, Window
from services.ingest.connection import BrokerRefusedError, SessionTakenError
from services.ingest.decode import Decoder
from services.ingest.errors import IngestError
from services.ingest.extras import ExtraBudget
from services.ingest.http import create_app
from services.ingest.known import Known
from services.ingest.link import HUNG_S, Link
from services.ingest.message import Limits
from services.ingest.metrics import Metrics
from services.ingest.mqtt import Subscriber, broker_at
from services.ingest.outage import Outage
from services.ingest.partition import Membership, show
from services.ingest.pump import Pump
from services.ingest.reference import Reference
from services.ingest.session import SessionOptions, topic_filters
from services.ingest.watch import Sightings, Watch, watch_options
from services.ingest.write import Writer
from services.settings import Settings
from services.store.access import check_access
from services.store.backoff import Backoff

DRAIN_S: Final = 8.0
"""How long a stop waits for what was received to be written: less than the ten seconds after which container
engines kill. What is not written by then is not acknowledged, and comes again."""

LANES: Final = 2
"""Connections that write at once: while one waits for the database the other makes its rows ready. More would
gain nothing, as they share one processor."""

TRY_AGAIN_S: Final = 5.0
"""The longest pause between two tries to write: what is in the journal waits for the next one."""

_MIB: Final = 1024 * 1024

# Readings live for one batch: with the collector's own thresholds it would search all of them for cycles, of
# which there are none, several times for each batch.
_GC_THRESHOLD: Final = 100_000


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class Ingest:
    """One ingest process."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._random = Random()
        self._database = settings.database_url.get_secret_value()
        self._client = settings.ingest_client_id
        self._metrics = Metrics(clock)
        self._links: list[Link] = []
        self._window = Window(
            batch_readings=settings.batch_max_readings,
            batch_age_s=settings.batch_max_age_ms / 1000,
            messages=settings.receive_maximum,
        )
        limits = Limits(too_old_s=settings.too_old_days * 86_400, future_s=settings.future_s)
        self._decoder = Decoder(limits, LANES)
        self._inbox = Inbox(self._decoder, self._window)
        self._reference = Reference(self._link("reference"), clock)
        self._broker = broker_at(settings.mqtt_url.get_secret_value(), settings.mqtt_ca_file)
        self._subscriber = self._make_subscriber()
        self._inbox.on_room = self._subscriber.resume
        self._outage = Outage(settings, clock)
        self._pump = self._make_pump()
        self._membership = self._make_membership()
        self._server = Server(
            create_app(self._metrics.registry, self.problems, self.remarks),
            settings.ingest_http_host,
            settings.ingest_http_port,
            "CARBONFLOW_INGEST_HTTP_PORT",
        )
        self._show()
        self._stop = asyncio.Event()
        self._log = structlog.get_logger("ingest")

    def _make_subscriber(self) -> Subscriber:
        options = SessionOptions(
            client_id=self._client,
            username=self._broker.username,
            password=self._broker.password,
            topic_filters=topic_filters(self._settings.sites),
            receive_maximum=self._settings.receive_maximum,
        )
        subscriber = Subscriber(self._broker, options, self._inbox, Backoff(self._random), self._clock)
        subscriber.on_subscribed = self._metrics.connections.inc
        return subscriber

    def _make_pump(self) -> Pump:
        known = Known()
        extras = ExtraBudget(self._settings.unknown_fields_mib * _MIB)
        writers = [
            Writer(
                self._link(f"write {lane}", HUNG_S),
                self._client,
                known,
                self._reference,
                self._metrics,
                Backoff(self._random, most_s=TRY_AGAIN_S),
                extras,
            )
            for lane in range(LANES)
        ]
        return Pump(
            self._inbox,
            writers,
            self._outage.spool,
            self._outage.endurance,
            self._decoder.deal,
            self._is_patient,
            self._reference.loaded,
            self._metrics,
            self._subscriber.publish,
        )

    def _make_membership(self) -> Membership:
        sightings = Sightings()
        options = watch_options(self._client, self._broker)
        watcher = Subscriber(self._broker, options, sightings, Backoff(self._random), self._clock)
        return Membership(
            self._link("partition"),
            self._client,
            self._settings.sites,
            self._subscriber,
            Watch(watcher, sightings),
            self._messages,
        )

    def _show(self) -> None:
        """What /metrics shows of the parts."""
        gauge, window = self._metrics.gauge, self._window
        gauge("in_flight", "Messages received and not yet acknowledged", self._messages)
        gauge("window_readings", "Readings in the window", lambda: self._inbox.readings)
        gauge("window_bytes", "Bytes in the window, about", lambda: self._inbox.size_bytes)
        gauge("window_limit_messages", "Messages the window holds", lambda: window.messages)
        gauge("window_limit_readings", "Readings the window holds", lambda: window.readings)
        gauge("window_limit_bytes", "Bytes the window holds", lambda: window.size_bytes)
        gauge("connected", "1 while subscribed at the broker", lambda: self._subscriber.subscribed)
        self._outage.show(self._metrics)
        show(self._metrics, self._membership)

    def _is_patient(self, failing_s: float) -> bool:
        """The broker's window must not fill up meanwhile."""
        return failing_s < self._outage.after_s and not self._inbox.is_half_full

    def _link(self, what: str, hung_s: float | None = None) -> Link:
        link = Link(self._database, f"{self._client} {what}", hung_s)
        self._links.append(link)
        return link

    def _messages(self) -> int:
        return self._inbox.messages

    @property
    def registry(self) -> CollectorRegistry:
        """What /metrics shows."""
        return self._metrics.registry

    def problems(self) -> dict[str, str | None]:
        """What is missing, in a sentence each."""
        return {
            "broker": None if self._subscriber.subscribed else self._subscriber.problem,
            "database": self._pump.problem or self._reference.problem,
            "journal": self._outage.spool.problem,
        }

    def remarks(self) -> dict[str, str | None]:
        """What is wrong and keeps nobody from working, in a sentence each."""
        return {
            "sites": self._membership.problem,
            "journal": self._outage.spool.problem or self._outage.damage,
        }

    async def run(self) -> None:
        """Serve until `stop`. Raises IngestError, and AccessRefusedError at the start."""
        await check_access(self._database, name=self._client, writes="core.ingest_total")
        await self._outage.open()
        # What the session may have at the broker is noted before it gets more.
        await self._membership.beat()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._server.listen_and_serve(), name="http"),
                    tasks.create_task(self._reference.run(), name="reference"),
                    tasks.create_task(self._membership.run(), name="partition"),
                    tasks.create_task(self._subscriber.run(), name="mqtt"),
                    tasks.create_task(self._write(), name="write"),
                ]
                await self._stop.wait()
                await self._drain()
                for task in running:
                    task.cancel()
        except* (BrokerRefusedError, SessionTakenError, IngestError, ListenError) as errors:
            raise IngestError(" ".join(str(error) for error in errors.exceptions)) from None
        finally:
            for link in self._links:
                await link.close()
            await self._outage.spool.close()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Take nothing more, write what there is, acknowledge it, leave."""
        self._stop.set()

    async def _write(self) -> None:
        if not self._outage.spool.active:
            # The first reading too has a live emission.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._outage.after_s):
                    await self._reference.loaded.wait()
        if not self._reference.loaded.is_set():
            self._outage.spool.begin(self._reference.problem or "not reached yet")
        await self._pump.run()

    async def _drain(self) -> None:
        self._log.info("stopping", in_flight=self._inbox.messages)
        self._subscriber.stop_reading()
        self._inbox.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._inbox.wait_until_empty()
        self._subscriber.disconnect()
        self._log.info("stopped", not_acknowledged=self._inbox.messages)


async def serve(settings: Settings) -> None:
    """Run ingest until SIGTERM or SIGINT; a second one ends it at once. Raises as `Ingest.run` does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 100)
    ingest = Ingest(settings)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if ingest.stopping:
            os._exit(128 + number)
        ingest.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await ingest.run()
