"""Servers of the benchmark's own, as shipped, and for each run a fresh database with the registry."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local import ports, relocate, servers, state
from deploy.local.layout import Layout
from deploy.local.progress import Progress
from services.domain.registry.parse import parse
from services.store.factors import factor_names, load_factors
from services.store.migrate import migrate
from services.store.pool import connect
from services.store.registry import apply_registry, plan_registry
from tests.benchmarks.child import ROOT, BenchError
from tests.benchmarks.publisher import Login
from tests.benchmarks.traffic import Fleet, registry_document

_TEMPLATE: Final = "bench_template"
_RUN: Final = "bench_run"
_BARE: Final = "bench_bare"
_OURS: Final = ["carbonflow_owner"]
_DROP_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Stack:
    """The running servers."""

    servers: servers.Servers
    layout: Layout

    @property
    def database_pid(self) -> int:
        """The postmaster, which a benchmark may have started again."""
        return _pids(self.layout)[0]

    @property
    def broker_pid(self) -> int:
        """The broker."""
        return _pids(self.layout)[1]

    @property
    def logs(self) -> Path:
        """Where logs go."""
        return self.layout.local / "bench.log"

    @property
    def devices(self) -> Login:
        """The broker, as a device."""
        return Login.parse(self.servers.device_mqtt_url)

    @property
    def operator(self) -> Login:
        """The broker, as an operator."""
        return Login.parse(self.servers.operator_mqtt_url)

    @property
    def ingest_mqtt_url(self) -> str:
        """The broker, as ingest."""
        return self.servers.mqtt_url

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A fresh database. The copy begins with a checkpoint, so that every run does."""
        owner = self.servers.database_url
        with psycopg.connect(owner, autocommit=True) as connection:
            _drop(connection, _RUN)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(_RUN), sql.Identifier(_TEMPLATE)
                )
            )
        yield Database(named(owner, _RUN), named(self.servers.role_url("ingest"), _RUN))
        with psycopg.connect(owner, autocommit=True) as connection:
            _drop(connection, _RUN)

    @asynccontextmanager
    async def unregistered(self) -> AsyncIterator[str]:
        """A migrated database in which nothing is registered: its owner's address."""
        owner = self.servers.database_url
        with psycopg.connect(owner, autocommit=True) as connection:
            _drop(connection, _BARE)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_BARE)))
        await migrate(named(owner, _BARE))
        yield named(owner, _BARE)
        with psycopg.connect(owner, autocommit=True) as connection:
            _drop(connection, _BARE)

    def versions(self) -> dict[str, str]:
        """Versions of the servers."""
        with psycopg.connect(self.servers.database_url) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), "
                "(SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
            ).fetchone()
        program = relocate.Programs.under(self.layout.packages).mosquitto
        said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
        assert row is not None
        return {
            "postgresql": row[0].split()[0],
            "timescaledb": row[1],
            "mosquitto": said.partition("\n")[0].removeprefix("mosquitto version "),
        }

    def settings(self) -> dict[str, str]:
        """The database's settings that durability and speed hang on."""
        names = ["fsync", "full_page_writes", "synchronous_commit", "shared_buffers", "max_wal_size"]
        with psycopg.connect(self.servers.database_url) as connection:
            rows = connection.execute(
                "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS t (name)", [names]
            ).fetchall()
        return dict(rows)


@dataclass(frozen=True, slots=True)
class Database:
    """The addresses of one run's database."""

    owner_url: str
    ingest_url: str


@contextmanager
def running(progress: Progress) -> Iterator[Stack]:
    """Servers in a temporary folder of the clone's disk while the context lasts. Raises SetupError."""
    shared = servers.ensure_packages(ROOT, progress)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / ".local"))
    folder.chmod(0o755)  # as root, the servers run under another account
    try:
        started = servers.ensure_up(folder, progress, environment={}, shared_packages=shared)
        yield Stack(started, Layout(folder, shared))
    finally:
        servers.down(folder)
        shutil.rmtree(folder)


def _pids(layout: Layout) -> tuple[int, int]:
    saved = state.load(layout.state)
    if saved is None or saved.database.process is None or saved.mqtt.process is None:
        raise BenchError("the servers are not running")
    return saved.database.process.pid, saved.mqtt.process.pid


async def prepare(stack: Stack, fleet: Fleet) -> None:
    """Make the database that every run starts from."""
    owner = stack.servers.database_url
    with psycopg.connect(owner, autocommit=True) as connection:
        _drop(connection, _TEMPLATE)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    url = named(owner, _TEMPLATE)
    await migrate(url)
    async with await connect(url, name="bench", autocommit=True) as database:
        names = factor_names(await load_factors(database))
        parsed = parse(json.dumps(registry_document(fleet)), factors=names)
        await apply_registry(database, await plan_registry(database, parsed.registry))
        await database.execute("VACUUM ANALYZE")


def http_port() -> int:
    """A free port for a service."""
    return ports.choose(None)


def named(url: str, name: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _drop(connection: psycopg.Connection, name: str) -> None:
    """Drop a database, whoever is in it. Raises BenchError.

    With FORCE it would fail where autovacuum is at work there, which only a superuser may end; without it the
    server itself asks autovacuum to leave, and waits 5 s.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    for _ in range(_DROP_TRIES):
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = %s AND usename = ANY (%s)",
            [name, _OURS],
        )
        try:
            connection.execute(statement)
        except psycopg.errors.ObjectInUse:
            continue
        return
    raise BenchError(f"the database {name} is in use and cannot be dropped")
