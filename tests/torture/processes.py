"""What is killed and started again: private servers, ingest, publishers. Only our own, by their ids."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.local import ports
from deploy.local import state as states
from deploy.local.errors import SetupError
from deploy.local.layout import Layout
from deploy.local.postgres import url as database_address
from deploy.local.process import wait_until
from deploy.local.progress import Progress
from deploy.local.servers import Servers, down, ensure_packages, ensure_up
from deploy.local.state import Server, State

ROOT = Path(__file__).resolve().parents[2]
INGEST_CLIENT = "carbonflow-ingest"
_END_S = 60.0


def through(url: str, port: int) -> str:
    """The same address by way of a local port."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


def environment(**changes: str) -> dict[str, str]:
    """Ours without settings of Carbonflow's, the clone's packages, and the changes."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CARBONFLOW_")}
    return {**plain, "PYTHONPATH": str(ROOT), **changes}


class Machines:
    """A private database and broker of our own."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.layout = Layout(folder.resolve(), Layout(ROOT).packages)
        self._progress = progress
        self._lock = asyncio.Lock()

    async def up(self) -> Servers:
        """Start what does not run. Raises SetupError."""
        async with self._lock:
            return await asyncio.to_thread(
                ensure_up,
                self.layout.root,
                self._progress,
                environment={},
                shared_packages=self.layout.shared_packages,
            )

    async def packages(self) -> None:
        """Have the programs in the clone. Raises SetupError."""
        await asyncio.to_thread(ensure_packages, ROOT, self._progress)

    async def down(self) -> None:
        """Stop both."""
        async with self._lock:
            await asyncio.to_thread(down, self.layout.root)

    @property
    def state(self) -> State:
        """Ports, passwords and process ids."""
        found = states.load(self.layout.state)
        if found is None:
            raise SetupError(f"{self.layout.state} is gone.")
        return found

    def database_port(self) -> tuple[str, int]:
        """Where the database listens."""
        return ports.LOOPBACK, self.state.database.port or 0

    def broker_port(self) -> tuple[str, int]:
        """Where the broker listens."""
        return ports.LOOPBACK, self.state.mqtt.port or 0

    def superuser_url(self) -> str:
        """The database as its superuser, who may end sessions."""
        state = self.state
        return database_address(
            states.SUPERUSER, state.database_passwords[states.SUPERUSER], state.database.port or 0
        )

    async def signal_database(self, number: signal.Signals) -> bool:
        """Signal the postmaster and wait until it has ended; whether it ran."""
        return await self._signal_surely(lambda: self.state.database, number)

    async def signal_broker(self, number: signal.Signals) -> bool:
        """Signal the broker and wait until it has ended; whether it ran."""
        return await self._signal_surely(lambda: self.state.mqtt, number)

    async def _signal_surely(self, server: Callable[[], Server], number: signal.Signals) -> bool:
        """Wait also where whoever asked is cancelled: as a connection, it ends with the server, and nobody
        may start that one anew before it has ended.
        """
        return await asyncio.shield(asyncio.create_task(self._signal(server, number)))

    async def _signal(self, server: Callable[[], Server], number: signal.Signals) -> bool:
        async with self._lock:  # not while somebody waits for it to get ready
            return await self._end(server(), number)

    async def _end(self, server: Server, number: signal.Signals) -> bool:
        process = server.process
        if process is None or not process.alive():
            return False
        os.kill(process.pid, number)
        if not await asyncio.to_thread(wait_until, lambda: not process.alive(), _END_S):
            raise SetupError(f"Process {process.pid} does not end on {number.name}.")
        return True


class Child:
    """A process of ours."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, arguments: Sequence[str], settings: Mapping[str, str], log: Path, folder: Path
    ) -> Child:
        """Start `python ARGUMENTS` in `folder`."""
        with log.open("ab") as output:
            return cls(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    *arguments,
                    env=settings,
                    cwd=folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit status, once it has ended; negative for a signal."""
        return await self._process.wait()

    async def end(self, number: signal.Signals, patience_s: float = _END_S) -> int:
        """Signal it and wait; the exit status. Killed where it does not end. Raises TimeoutError then."""
        if self.running:
            self._process.send_signal(number)
        try:
            async with asyncio.timeout(patience_s):
                return await self.wait()
        except TimeoutError:
            await self.kill()
            raise

    async def kill(self) -> None:
        """SIGKILL, where it still runs."""
        if self.running:
            self._process.kill()
        await self.wait()


class Ingest(Child):
    """`carbonflow ingest`."""

    port: int
    log: Path

    @classmethod
    async def launch(cls, settings: Mapping[str, str], log: Path, folder: Path) -> Ingest:
        """Start it on an HTTP port of its own."""
        port = ports.choose(None)
        settings = {**settings, "CARBONFLOW_INGEST_HTTP_PORT": str(port)}
        child = await cls.start(("-m", "services.cli.main", "ingest"), settings, log, folder)
        assert isinstance(child, cls)
        child.port, child.log = port, log
        return child

    async def ready(self) -> bool:
        """Whether /readyz says so."""
        status, _ = await asyncio.to_thread(self._get, "/readyz")
        return status == 200

    async def in_flight(self) -> float | None:
        """Messages received and not yet acknowledged; None where it does not answer."""
        return await self.metric("in_flight")

    async def metric(self, name: str) -> float | None:
        """A metric without labels; None where it does not answer."""
        status, body = await asyncio.to_thread(self._get, "/metrics")
        for line in body.splitlines():
            if status == 200 and line.startswith(f"carbonflow_ingest_{name} "):
                return float(line.split()[1])
        return None

    def _get(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection(ports.LOOPBACK, self.port, timeout=5.0)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()


async def carbonflow(database_url: str, folder: Path, *arguments: str) -> None:
    """Run one subcommand as the database's owner. Raises SetupError with what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli.main",
        *arguments,
        env=environment(CARBONFLOW_DATABASE_URL=database_url),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SetupError(f"`carbonflow {arguments[0]}` failed: {output.decode(errors='replace')}")


def logged(log: Path) -> tuple[int, list[str]]:
    """How often an ingest log has a traceback, and its plain sentences (what is no JSON)."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    plain = [line for line in lines if line and not _is_json(line)]
    return sum("Traceback" in line for line in lines), plain


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
