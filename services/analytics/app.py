"""The analytics service: the ledger worker, and the board, API, health and metrics over HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.analytics.errors import AnalyticsError
from services.analytics.recompute import Recomputer
from services.analytics.web.app import create_app
from services.analytics.worker import Metrics, Worker
from services.settings import Settings
from services.store.access import check_access
from services.store.pool import open_pool

# One for the worker, the others for the board and the API.
_CONNECTIONS: Final = 4
DRAIN_S: Final = 8.0
"""How long a stop waits for the round that runs: less than the ten seconds after which container engines
kill. A round that is cut off is rolled back and done again."""


class _Server(uvicorn.Server):
    """A server inside a service: signals are the service's business."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off")
        )

    async def listen_and_serve(self) -> None:
        """Serve until told to exit. Raises AnalyticsError where the port cannot be had."""
        # Opened here: uvicorn would log a port that is taken, and end the process.
        host, port = self.config.host, self.config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=self.config.backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sentence = f"The HTTP port {host}:{port} is taken: set CARBONFLOW_ANALYTICS_HTTP_PORT."
            else:
                sentence = f"Cannot listen on {host}:{port}: {error.strerror}."
            raise AnalyticsError(sentence) from None
        with listening:
            await self.serve(sockets=[listening])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop`. Raises AnalyticsError, and AccessRefusedError at the start."""
    log = structlog.get_logger("analytics")
    registry = CollectorRegistry()
    database = settings.database_url.get_secret_value()
    await check_access(database, name="carbonflow-analytics", writes="core.emission_hour")
    async with open_pool(database, max_size=_CONNECTIONS, name="carbonflow-analytics") as pool:
        app = create_app(pool, settings, registry=registry)
        server = _Server(app, settings.analytics_http_host, settings.analytics_http_port)
        worker = Worker(pool, Recomputer(), Metrics(registry), Random())
        try:
            async with asyncio.TaskGroup() as tasks:
                web = tasks.create_task(server.listen_and_serve(), name="http")
                computing = tasks.create_task(worker.run(stop), name="ledger")
                await stop.wait()
                log.info("stopping")
                server.should_exit = True
                _, late = await asyncio.wait([web, computing], timeout=DRAIN_S)
                for task in late:
                    task.cancel()
        except* AnalyticsError as errors:
            raise AnalyticsError(" ".join(str(error) for error in errors.exceptions)) from None
    log.info("stopped")


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
