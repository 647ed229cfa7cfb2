"""The whole product on this machine: servers, schema, registry, ingest, analytics."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from deploy.local import ports, services
from deploy.local.errors import SetupError
from deploy.local.layout import Layout
from deploy.local.process import ProcessId
from deploy.local.progress import Progress
from deploy.local.servers import Servers, down, ensure_up
from services.ingest.connection import BrokerRefusedError, ConnectionLostError
from services.ingest.mqtt import broker_at
from services.ingest.retire import end_session

ROOT = Path(__file__).resolve().parents[3]
REGISTRY = ROOT / "deploy" / "demo" / "registry.yaml"
INGEST_CLIENT = "carbonflow-demo"
_READY_WITHIN_S = 60.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Stack:
    """Where the running product is reached."""

    servers: Servers
    board_url: str
    ingest_url: str
    layout: Layout


@dataclass(frozen=True)
class Where:
    """Where and how to run: in the clone's own servers or separate ones in `folder`; `fresh` forgets what
    earlier runs stored."""

    folder: Path | None = None
    fresh: bool = False
    board_port: int | None = None

    @property
    def layout(self) -> Layout:
        """The folders of the servers; unpacked packages are the clone's in any case."""
        if self.folder is None:
            return Layout(ROOT)
        return Layout(self.folder.resolve(), Layout(ROOT).packages)


@asynccontextmanager
async def running(progress: Progress, where: Where) -> AsyncIterator[Stack]:
    """Everything up and ready while the context lasts, stopped in order after it. Raises SetupError."""
    layout = where.layout
    with _stopped_afterwards(layout, progress):
        services.stop_all(layout)  # what a killed run left
        if where.fresh:
            _forget(layout)
        elif _under_way(layout).exists():
            with progress.step("The last run was killed: removing what it stored, to begin anew"):
                _forget(layout)
        servers = ensure_up(layout.root, progress, shared_packages=layout.shared_packages)
        await _drop_what_waits(servers)
        with progress.step("Migrating the database"):
            await _carbonflow(servers, "migrate")
        with progress.step("Applying the demo registry"):
            await _carbonflow(servers, "registry", "apply", str(REGISTRY), "--yes")
        stack = Stack(
            servers,
            board_url=f"http://{ports.LOOPBACK}:{ports.choose(where.board_port or 8080)}",
            ingest_url=f"http://{ports.LOOPBACK}:{ports.choose(None)}",
            layout=layout,
        )
        with progress.step("Starting ingest and analytics"):
            await _start_services(stack)
        _under_way(layout).touch()
        yield stack
        _under_way(layout).unlink()


async def _drop_what_waits(servers: Servers) -> None:
    """Others publish on these servers too, such as tests: what waits there for ingest is not of the demo."""
    try:
        await end_session(broker_at(servers.mqtt_url), INGEST_CLIENT, lambda: datetime.now(UTC))
    except (ConnectionLostError, BrokerRefusedError, OSError, TimeoutError) as error:
        raise SetupError(f"The broker does not answer: {error}") from error


def _forget(layout: Layout) -> None:
    """Remove what was stored and the fleet's state; packages and passwords stay."""
    down(layout.root)
    for folder in (layout.postgres, layout.broker, fleet_state(layout)):
        if folder.exists():
            shutil.rmtree(folder)
    _under_way(layout).unlink(missing_ok=True)


def _under_way(layout: Layout) -> Path:
    """Present while a run publishes. Where one was killed, the fleet's memory may be older than what it
    published, and a comparison over both runs would find differences that are nobody's fault."""
    return layout.local / "demo.running"


def fleet_state(layout: Layout) -> Path:
    """Where the fleet keeps its state between runs."""
    return layout.local / "demo"


@contextmanager
def _stopped_afterwards(layout: Layout, progress: Progress) -> Iterator[None]:
    try:
        yield
    finally:
        with progress.step("Stopping"):
            services.stop_all(layout)
            down(layout.root)


async def _start_services(stack: Stack) -> None:
    for name, url, environment in (
        ("ingest", stack.ingest_url, _ingest_environment(stack)),
        ("analytics", stack.board_url, _analytics_environment(stack)),
    ):
        process = services.start(stack.layout, name, (name,), environment)
        await _until_ready(name, url, process, stack.layout)


def _ingest_environment(stack: Stack) -> Mapping[str, str]:
    return {
        "CARBONFLOW_INGEST_CLIENT_ID": INGEST_CLIENT,
        "CARBONFLOW_DATABASE_URL": stack.servers.role_url("ingest"),
        "CARBONFLOW_MQTT_URL": stack.servers.mqtt_url,
        "CARBONFLOW_INGEST_HTTP_PORT": stack.ingest_url.rpartition(":")[2],
        "CARBONFLOW_JOURNAL_DIR": str(stack.layout.local / "journal"),
    }


def _analytics_environment(stack: Stack) -> Mapping[str, str]:
    return {
        "CARBONFLOW_DATABASE_URL": stack.servers.role_url("analytics"),
        "CARBONFLOW_MQTT_URL": stack.servers.mqtt_url,
        "CARBONFLOW_ANALYTICS_HTTP_PORT": stack.board_url.rpartition(":")[2],
    }


async def _carbonflow(servers: Servers, *arguments: str) -> None:
    """Run one subcommand as the database's owner; its own message is the error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli.main", *arguments,
        env=_with_owner(servers), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    if process.returncode:
        raise SetupError(errors.decode(errors="replace").strip() or f"`carbonflow {arguments[0]}` failed.")


def _with_owner(servers: Servers) -> dict[str, str]:
    return {
        **os.environ,
        "CARBONFLOW_DATABASE_URL": servers.database_url,
        "CARBONFLOW_MQTT_URL": servers.mqtt_url,
    }


async def _until_ready(name: str, url: str, process: ProcessId, layout: Layout) -> None:
    """Ask /readyz until it says yes. Raises SetupError where the service ends or takes too long."""
    deadline = asyncio.get_running_loop().time() + _READY_WITHIN_S
    while not await asyncio.to_thread(_ready, url):
        if not process.alive():
            raise SetupError(f"The service {name} ended: {services.log_file(layout, name)} says why.")
        if asyncio.get_running_loop().time() > deadline:
            raise SetupError(
                f"The service {name} is not ready after {_READY_WITHIN_S:.0f} s: "
                f"{services.log_file(layout, name)} says why."
            )
        await asyncio.sleep(_POLL_S)


def _ready(url: str) -> bool:
    host = url.removeprefix("http://")
    connection = HTTPConnection(host, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
