"""A private PostgreSQL 17 with TimescaleDB: made, started, provisioned, stopped."""

import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local import ports, process
from deploy.local.account import Account
from deploy.local.errors import SetupError
from deploy.local.files import write_atomic
from deploy.local.process import ProcessId
from deploy.local.state import LOGIN_ROLES, OWNER, SUPERUSER

DATABASE = "carbonflow"
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
_READY_S = 120.0  # a crash recovery may take as long as the write-ahead log is long
# SIGINT is PostgreSQL's fast shutdown; SIGQUIT leaves the rest to recovery.
STOP_SIGNALS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))

_SETTINGS = """\
# Written at each start; changes are lost.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
max_locks_per_transaction = 256
password_encryption = 'scram-sha-256'

# As in production: what is committed is on disk.
fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = replica
max_wal_size = '2GB'
shared_buffers = '256MB'
jit = off

shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
# The Apache edition has no jobs to run, and a background worker in a database would block cloning it.
timescaledb.max_background_workers = 0

timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
lc_messages = 'C'
log_line_prefix = '%m [%p] %u@%d '
"""
_HBA = """\
# Written at each start. Passwords always, loopback only.
host all all 127.0.0.1/32 scram-sha-256
"""


class PortTaken(Exception):
    """Another program took the port between choosing it and listening on it."""


def url(role: str, password: str, port: int, database: str = DATABASE) -> str:
    """The address of a database for psycopg and others that speak libpq URLs."""
    return f"postgresql://{role}:{password}@{ports.LOOPBACK}:{port}/{database}"


def create(folder: Path, programs: Path, password: str, account: Account, log: Path) -> None:
    """Make the data folder unless there is one. A half-made one of a killed run is thrown away."""
    data = folder / "data"
    if data.exists():
        return
    account.folder(folder)
    unfinished = folder / "data.new"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    password_file = folder / "superuser"
    write_atomic(password_file, password, mode=0o600)
    account.own(password_file, 0o600)
    command = [
        str(programs / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        # Built in, so that it needs no locale of the machine's.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
    ]
    done = subprocess.run(
        account.command(command), env=_ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False
    )
    password_file.unlink()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ initdb\n{done.stdout}{done.stderr}\n")
    if done.returncode != 0:
        raise SetupError(_initdb_sentence(done.stderr, log))
    unfinished.rename(data)


def _initdb_sentence(output: str, log: Path) -> str:
    if "No space left" in output:
        return "Cannot make the database: the disk is full, free 1 GB and run the same command again."
    if "could not look up effective user" in output:
        return "Cannot make the database: this user has no entry in /etc/passwd, which PostgreSQL needs."
    return f"Cannot make the database: initdb failed, and {log} says why."


def start(folder: Path, programs: Path, port: int, account: Account, log: Path) -> ProcessId:
    """Start the server on `port`; PortTaken where something else listens there."""
    data = folder / "data"
    for name, text in (("postgresql.conf", _SETTINGS.format(port=port)), ("pg_hba.conf", _HBA)):
        write_atomic(data / name, text, mode=0o600)
        account.own(data / name, 0o600)
    _remove_stale_lock(data)
    command = account.command([str(programs / "postgres"), "-D", str(data)])
    size = log.stat().st_size if log.exists() else 0
    server = process.spawn(command, log, _ENVIRONMENT)
    if server is None:
        raise _start_error(log, size)
    return server


def _remove_stale_lock(data: Path) -> None:
    """Remove the lock file of a server that is gone, lest its process id, now another program's, blocks the start."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="ascii").splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    if not serves(pid, data):
        lock.unlink(missing_ok=True)


def serves(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL that works in `data` (PostgreSQL makes it its working folder)."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except OSError:
        return False


def wait_ready(server: ProcessId, port: int, password: str, log: Path) -> None:
    """Wait until the server takes connections with this password."""
    size = 0

    def ready() -> bool:
        if not server.alive():
            raise _start_error(log, size)
        return accepts(port, password)

    if not process.wait_until(ready, _READY_S):
        raise SetupError(f"PostgreSQL did not get ready within {_READY_S:.0f} s: {log} says why.")


def accepts(port: int, password: str) -> bool:
    """Whether our own server answers on this port (nobody else's takes this password)."""
    try:
        psycopg.connect(url(SUPERUSER, password, port, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _start_error(log: Path, size_before: int) -> Exception:
    with log.open("rb") as file:
        file.seek(max(size_before, log.stat().st_size - 4096))
        tail = file.read().decode("utf-8", errors="replace")
    if "could not bind" in tail or "Address already in use" in tail:
        return PortTaken()
    if "No space left" in tail:
        return SetupError("PostgreSQL cannot start: the disk is full, free 1 GB and run the same command again.")
    return SetupError(f"PostgreSQL cannot start: {log} says why.")


def provision(port: int, passwords: dict[str, str]) -> None:
    """Make the roles, the extension and the database; what exists already stays."""
    with psycopg.connect(url(SUPERUSER, passwords[SUPERUSER], port, "postgres"), autocommit=True) as connection:
        for role in LOGIN_ROLES:
            _make_role(connection, role, passwords[role])
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
    # In template1, so that every new database has it without a superuser.
    with psycopg.connect(url(SUPERUSER, passwords[SUPERUSER], port, "template1"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    with psycopg.connect(url(SUPERUSER, passwords[SUPERUSER], port, "postgres"), autocommit=True) as connection:
        exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if exists is None:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(statement.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))


def _make_role(connection: psycopg.Connection, role: str, password: str) -> None:
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    # The owner's migrations make group roles, and tests clone databases.
    rights = "LOGIN CREATEDB CREATEROLE" if role == OWNER else "LOGIN"
    statement = sql.SQL("{} ROLE {} WITH {} PASSWORD {}").format(
        sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(role), sql.SQL(rights), sql.Literal(password)
    )
    connection.execute(statement)
