"""The doctor looks at the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import psycopg

from services.cli.doctor.finding import Finding, failure, ok, warning
from services.store import board, condition, migrate
from services.store.condition import ServerCondition, Waiting
from services.store.errors import explain
from services.store.pool import Connection, connect

_CLOCK_S: Final = 2.0
_LAG_S: Final = 60.0
_NAMED: Final = 5
"""So many of a list are named."""


async def look(url: str) -> list[Finding]:
    """What is to be said of the database at this address. Raises nothing of the database's."""
    try:
        async with await connect(url, name="carbonflow doctor", autocommit=True) as connection:
            found = of_server(await condition.server_condition(connection), datetime.now(UTC))
            return found + await _schema(connection)
    except psycopg.Error as error:
        todo = "start it, or correct CARBONFLOW_DATABASE_URL; ingest keeps what comes meanwhile"
        return [failure("database", explain(error), todo)]


def of_server(server: ServerCondition, now: datetime) -> list[Finding]:
    """What is to be said of the server; `now` is by our own clock."""
    size = f"{server.database_bytes / 1024**2:,.0f} MiB"
    found = [ok("database", f"PostgreSQL {server.version}, {size}")]
    if server.timescaledb is None:
        found.append(failure("timescaledb", "the database has no TimescaleDB", "run `carbonflow migrate`"))
    else:
        edition = "Community" if server.edition == "timescale" else "Apache"
        found.append(ok("timescaledb", f"{server.timescaledb}, {edition} edition"))
    if server.unsafe:
        unsafe = ", ".join(server.unsafe)
        todo = "switch it on: a crash of the server loses what was acknowledged to devices"
        found.append(failure("durability", unsafe, todo))
    else:
        found.append(ok("durability", "what is committed is on disk"))
    if server.read_only:
        todo = "it is a standby, or the disk was full: nothing can be stored until it takes writes again"
        found.append(failure("writable", "the database takes no writes", todo))
    skew_s = abs((server.now - now).total_seconds())
    if skew_s > _CLOCK_S:
        todo = "synchronise both clocks (NTP): readings are judged by the clock of ingest"
        found.append(warning("clock", f"{skew_s:.1f} s apart from the database's", todo))
    else:
        found.append(ok("clock", f"within {_CLOCK_S:g} s of the database's"))
    return found


async def _schema(connection: Connection) -> list[Finding]:
    try:
        applied = await board.applied_migrations(connection)
        if missing := sorted({file.name for file in migrate.read_files(migrate.MIGRATIONS)} - applied):
            return [failure("schema", f"{missing[0]} has not run", "run `carbonflow migrate`")]
        backlog = await board.ledger_backlog(connection)
        return [
            ok("schema", f"{len(applied)} migrations, none missing"),
            of_ledger(backlog.live_lag_s, backlog.lag_s),
            *of_waiting(await condition.waiting(connection)),
        ]
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return [failure("schema", "there is none", "run `carbonflow migrate`")]
    except psycopg.errors.InsufficientPrivilege as error:
        todo = "use a role that may read the views, such as carbonflow_ops"
        return [warning("schema", explain(error), todo)]


def of_ledger(live_lag_s: float, lag_s: float) -> Finding:
    """What is to be said of a ledger whose running hours, and whose oldest work, are so far behind."""
    if live_lag_s > _LAG_S:
        todo = "see whether `carbonflow analytics` runs, and docs/runbooks, CarbonflowLedgerLiveBehind"
        return warning("ledger", f"the running hour is {live_lag_s:.0f} s behind", todo)
    late = f"; late or re-opened hours wait for {lag_s:.0f} s" if lag_s > _LAG_S else ""
    return ok("ledger", f"the running hour is {live_lag_s:.0f} s behind{late}")


def of_waiting(waits: Waiting) -> list[Finding]:
    """What is to be said of what waits for somebody."""
    found = [ok("dead letters", "none is open")]
    if waits.open_letters:
        since = waits.oldest_letter_at
        said = f"{waits.open_letters:,} open, the oldest of {since:%Y-%m-%d}"
        todo = "`carbonflow deadletters list`, then correct and replay, or accept"
        found = [warning("dead letters", said, todo)]
    if waits.unowned_sites:
        todo = "have an ingest process take them (docs/partitions.md): what they send is lost"
        found.append(failure("sites", f"nobody takes {_some(waits.unowned_sites)}", todo))
    if waits.silent_clients:
        todo = "start them, or `carbonflow partitions retire`: the broker holds what their sites send"
        found.append(warning("partitions", f"silent: {_some(waits.silent_clients)}", todo))
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
