"""What a new server gets: roles, the extension, the database. And whether it answers."""

from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local import process
from deploy.local.errors import SetupError
from deploy.local.postgres import DATABASE, start_error, url
from deploy.local.process import ProcessId
from deploy.local.state import LOGIN_ROLES, OWNER, READER_ROLES, SUPERUSER

_READY_S = 120.0  # a crash recovery may take as long as the write-ahead log is long


def wait_ready(server: ProcessId | None, port: int, password: str, log: Path, log_start: int) -> None:
    """Wait until the server takes connections with this password.

    `log_start` is the size of the log before the start, in bytes. Raises PortTakenError or SetupError.
    """

    def ready() -> bool:
        if server is None or not server.alive():
            raise start_error(log, log_start)
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


def provision(port: int, passwords: dict[str, str]) -> None:
    """Make the roles, the extension and the database; what exists already stays."""
    with psycopg.connect(
        url(SUPERUSER, passwords[SUPERUSER], port, "postgres"), autocommit=True
    ) as connection:
        for role in LOGIN_ROLES:
            _make_role(connection, role, passwords[role])
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
    # In template1, so that every new database has it without a superuser.
    with psycopg.connect(
        url(SUPERUSER, passwords[SUPERUSER], port, "template1"), autocommit=True
    ) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    with psycopg.connect(
        url(SUPERUSER, passwords[SUPERUSER], port, "postgres"), autocommit=True
    ) as connection:
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
    if role in READER_ROLES:
        for limit in ("statement_timeout = '60s'", "idle_in_transaction_session_timeout = '5min'"):
            connection.execute(sql.SQL("ALTER ROLE {} SET " + limit).format(sql.Identifier(role)))
