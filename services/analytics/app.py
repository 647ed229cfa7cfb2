"""The analytics service: the ledger worker, and the board, API, health and metrics over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from services.analytics.areas import AreaKeeper
from services.analytics.errors import AnalyticsError
from services.analytics.finality import tell_final_after
from services.analytics.letters import LetterBounds, LetterKeeper, LetterMetrics
from services.analytics.recompute import Recomputer
from services.analytics.retention import Limits, keep_limits
from services.analytics.web.app import create_app
from services.analytics.worker import Metrics, Worker
from services.http_server import ListenError, Server
from services.settings import Settings
from services.store.access import check_access
from services.store.pool import open_pool

# One each for the worker, the bounds of dead letters and the sums of areas, the others for board and API.
_CONNECTIONS: Final = 6
_MIB: Final = 1024 * 1024
DRAIN_S: Final = 8.0
"""How long a stop waits for the round that runs: less than the ten seconds after which container engines
kill. A round that is cut off is rolled back and done again."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop`. Raises AnalyticsError, and AccessRefusedError at the start."""
    log = structlog.get_logger("analytics")
    registry = CollectorRegistry()
    database = settings.database_url.get_secret_value()
    await check_access(database, name="carbonflow-analytics", writes="core.emission_hour")
    async with open_pool(database, max_size=_CONNECTIONS, name="carbonflow-analytics") as pool:
        app = create_app(pool, settings, registry=registry)
        server = Server(
            app,
            settings.analytics_http_host,
            settings.analytics_http_port,
            "CARBONFLOW_ANALYTICS_HTTP_PORT",
        )
        worker = Worker(pool, Recomputer(), Metrics(registry), Random())
        bounds = _letter_bounds(settings)
        final_after = timedelta(days=settings.final_after_days)
        keeper = LetterKeeper(pool, bounds, LetterMetrics(registry, bounds), Random(), _utc_now)
        try:
            async with asyncio.TaskGroup() as tasks:
                web = tasks.create_task(server.listen_and_serve(), name="http")
                computing = tasks.create_task(worker.run(stop), name="ledger")
                keeping = tasks.create_task(keeper.run(stop), name="dead letters")
                telling = tasks.create_task(
                    tell_final_after(pool, final_after, Random(), stop), name="finality"
                )
                limits = Limits(_days(settings.retention_raw_days), _days(settings.retention_live_days))
                dropping = tasks.create_task(
                    keep_limits(pool, limits, Random(), _utc_now, stop), name="retention"
                )
                summing = tasks.create_task(AreaKeeper(pool, Random()).run(stop), name="areas")
                await stop.wait()
                log.info("stopping")
                server.should_exit = True
                _, late = await asyncio.wait(
                    [web, computing, keeping, telling, summing, dropping], timeout=DRAIN_S
                )
                for task in late:
                    task.cancel()
        except* (AnalyticsError, ListenError) as errors:
            raise AnalyticsError(" ".join(str(error) for error in errors.exceptions)) from None
    log.info("stopped")


def _letter_bounds(settings: Settings) -> LetterBounds:
    return LetterBounds(
        size_bytes=settings.dead_letters_max_mib * _MIB,
        settled=timedelta(days=settings.dead_letters_settled_days),
        open=timedelta(days=settings.dead_letters_open_days),
    )


def _days(days: float | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Run analytics until SIGTERM or SIGINT; a second one ends it at once. Raises as `run` does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await run(settings, stop)
