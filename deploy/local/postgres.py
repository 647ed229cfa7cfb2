"""A private PostgreSQL 17 with TimescaleDB: its data folder made, the server started.

Only the standard library is used here, because `make clean` stops servers without `.venv`.
"""

import shutil
import signal
import subprocess
from pathlib import Path

from deploy.local import ports, process
from deploy.local.account import Account
from deploy.local.errors import SetupError
from deploy.local.files import write_atomic
from deploy.local.process import ProcessId
from deploy.local.state import SUPERUSER

DATABASE = "carbonflow"
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
# SIGINT is PostgreSQL's fast shutdown; SIGQUIT leaves the rest to recovery.
STOP_SIGNALS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
_ORPHAN_SIGNALS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
_LOCK = "postmaster.pid"

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


class PortTakenError(Exception):
    """Another program took the port between choosing it and listening on it."""


def url(role: str, password: str, port: int, database: str = DATABASE) -> str:
    """The address of a database for psycopg and others that speak libpq URLs."""
    return f"postgresql://{role}:{password}@{ports.LOOPBACK}:{port}/{database}"


def create(folder: Path, programs: Path, password: str, account: Account, log: Path) -> None:
    """Make the data folder. A half-made one of a killed run is thrown away."""
    data = folder / "data"
    account.folder(folder)
    unfinished = folder / "data.new"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    password_file = folder / "superuser"
    write_atomic(password_file, password, mode=0o600)
    account.own(password_file, 0o600)
    initdb = [
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
        account.command(initdb), env=_ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False
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


def start(folder: Path, programs: Path, port: int, account: Account, log: Path) -> ProcessId | None:
    """Start the server on `port`; None where it ended at once."""
    data = folder / "data"
    for name, text in (("postgresql.conf", _SETTINGS.format(port=port)), ("pg_hba.conf", _HBA)):
        write_atomic(data / name, text, mode=0o600)
        account.own(data / name, 0o600)
    return process.spawn(account.command(command(programs, folder)), log, _ENVIRONMENT)


def command(programs: Path, folder: Path) -> list[str]:
    """The server's command line."""
    return [str(programs / "postgres"), "-D", str(folder / "data")]


def release(folder: Path) -> None:
    """End what a killed run left working in the data folder: a server without record, or orphans of one."""
    data = folder / "data"
    lock = data / _LOCK
    lock_pid = _pid_in(lock)
    for server in process.working_in(data, "postgres"):
        if server.pid == lock_pid:
            process.stop(server, STOP_SIGNALS)
    for orphan in process.working_in(data, "postgres"):
        process.stop(orphan, _ORPHAN_SIGNALS)
    if lock_pid is not None and process.exists(lock_pid):
        # A program that has got the dead server's id, or its zombie, would block the start for ever. A lock
        # that names no process is PostgreSQL's own to judge.
        lock.unlink(missing_ok=True)


def _pid_in(lock: Path) -> int | None:
    """The process id in the server's lock file."""
    try:
        return int(lock.read_text(encoding="ascii").splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def start_error(log: Path, log_start: int) -> Exception:
    """Why the server ended, from what it has logged since the log had `log_start` bytes."""
    with log.open("rb") as file:
        file.seek(log_start)
        tail = file.read().decode("utf-8", errors="replace")
    if "could not bind" in tail or "Address already in use" in tail:
        return PortTakenError()
    if "No space left" in tail:
        return SetupError(
            "PostgreSQL cannot start: the disk is full, free 1 GB and run the same command again."
        )
    return SetupError(f"PostgreSQL cannot start: {log} says why.")
