"""What tests share: real servers, and a fresh migrated database for each test that asks for one.

The servers are those of CARBONFLOW_DATABASE_URL and CARBONFLOW_MQTT_URL, or private ones inside the clone.
The migrated template is named after the SQL it was made from: later runs find it and clone it at once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors, sql

from deploy.local.progress import LineProgress
from deploy.local.servers import Servers, ensure_up
from services.store import migrate

ROOT = Path(__file__).resolve().parents[1]

_TEMPLATE = "carbonflow_test_"
_CLONE = "carbonflow_clone_"
# Any number: all test runs on one server make and remove databases one after another.
_LOCK_KEY = 0x7465_7374
# Older ones are left over from killed runs or former versions of the SQL.
_STALE_S = 3 * 3600


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def servers() -> Servers:
    """A running TimescaleDB and MQTT broker."""
    return ensure_up(ROOT, LineProgress())


@pytest.fixture(scope="session")
def template_db(servers: Servers) -> str:
    """The name of a migrated database to clone."""
    name = _TEMPLATE + _fingerprint()
    with _maintenance(servers.database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        _drop_stale(connection, keep=name)
        _make_template(connection, servers.database_url, name)
    return name


@pytest.fixture
def database_url(servers: Servers, template_db: str) -> Iterator[str]:
    """A migrated database of the test's own, as its owner."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with _own_database(servers.database_url, statement, sql.Identifier(template_db)) as url:
        yield url


@pytest.fixture
def role_url(servers: Servers, database_url: str) -> Callable[[str], str]:
    """The test's own database as a role such as `carbonflow_ops`. Skips where its password is not known."""

    def url_of(role: str) -> str:
        url = servers.role_url(role)
        if url == servers.database_url:
            pytest.skip("the database came from outside: only its owner's password is known")
        return with_database(url, urlsplit(database_url).path.lstrip("/"))

    return url_of


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """A database of the test's own in which nothing was migrated, as its owner."""
    with _own_database(servers.database_url, sql.SQL("CREATE DATABASE {}")) as url:
        yield url


@pytest.fixture(scope="session")
def mqtt_url(servers: Servers) -> str:
    """The broker, as the ingest service. Tests share it: use `site_id` in topics and your own client ids."""
    return servers.mqtt_url


@pytest.fixture
def site_id() -> str:
    """A site no other test uses."""
    return f"t-{secrets.token_hex(6)}"


def with_database(url: str, name: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextmanager
def _own_database(url: str, create: sql.SQL, *arguments: sql.Identifier) -> Iterator[str]:
    """A database under a name of its own, dropped in the end."""
    name = f"{_CLONE}{time.time():.0f}_{secrets.token_hex(4)}"
    with _maintenance(url) as connection:
        _until_unused(connection, create.format(sql.Identifier(name), *arguments))
    yield with_database(url, name)
    with _maintenance(url) as connection:
        _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    try:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    except errors.InsufficientPrivilege:
        # A worker of the server's is in it, such as autovacuum, which only its superuser may end. Without
        # FORCE the server itself asks it to leave.
        _end_sessions(connection, name)
        _until_unused(connection, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _end_sessions(connection: psycopg.Connection, name: str) -> None:
    """End those of our own role; others we may not end."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = %s AND usename = current_user",
        [name],
    )


def _until_unused(connection: psycopg.Connection, statement: sql.Composed) -> None:
    """Run a statement that wants a database for itself; the server waits 5 s for others to leave."""
    deadline = time.monotonic() + 60
    while True:
        try:
            connection.execute(statement)
        except errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
        else:
            return


def _maintenance(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, application_name="carbonflow-tests")


def _fingerprint() -> str:
    """What the template is made from: the SQL, the quantities, and the factors."""
    files = (*migrate.read_files(migrate.MIGRATIONS), *migrate.read_files(migrate.VIEWS))
    others = [
        ROOT / "services" / name for name in ("domain/quantities.py", "store/factors.csv", "store/factors.py")
    ]
    digest = sha256("".join(file.checksum for file in files).encode())
    for path in (*others, Path(migrate.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _make_template(connection: psycopg.Connection, url: str, name: str) -> None:
    found = connection.execute("SELECT datallowconn FROM pg_database WHERE datname = %s", [name]).fetchone()
    if found == (True,):  # a killed run left it half made: closing it is the last step
        _drop(connection, name)
        found = None
    if found is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        asyncio.run(migrate.migrate(with_database(url, name)))
        _close(connection, name)
    stamp = sql.SQL("COMMENT ON DATABASE {} IS {}")
    connection.execute(stamp.format(sql.Identifier(name), sql.Literal(f"{time.time():.0f}")))


def _close(connection: psycopg.Connection, name: str) -> None:
    """Let nobody connect any more, such as TimescaleDB's workers: a database in use cannot be cloned."""
    connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    _end_sessions(connection, name)


def _drop_stale(connection: psycopg.Connection, keep: str) -> None:
    for name, used_at in _left_over(connection):
        if name == keep or time.time() - used_at < _STALE_S:
            continue
        try:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        except (errors.ObjectInUse, errors.InvalidCatalogName):
            continue  # somebody looks at it, or another run was faster


def _left_over(connection: psycopg.Connection) -> list[tuple[str, float]]:
    """Databases of tests, and when they were last used."""
    rows = connection.execute(
        """
        SELECT d.datname, coalesce(shobj_description(d.oid, 'pg_database'), split_part(d.datname, '_', 3))
        FROM pg_database d
        WHERE pg_get_userbyid(d.datdba) = current_user
            AND (starts_with(d.datname, %s) OR starts_with(d.datname, %s))
        """,
        [_TEMPLATE, _CLONE],
    ).fetchall()
    return [(name, float(stamp)) for name, stamp in rows if stamp.isdecimal()]
