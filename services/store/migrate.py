"""Bringing a database to this version's schema: numbered migrations, then the views, then the data they need.

Migrations are forward only; each runs in its own transaction with the row that records it. Views are dropped
and made anew, all together, whenever any of their files changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import psycopg
from psycopg import errors, sql

from services.domain.quantities import QUANTITIES
from services.store.compression import compress_old_readings
from services.store.errors import StoreError
from services.store.factor_loading import load_table
from services.store.factors import shipped_factors
from services.store.pool import Connection, connect
from services.store.registry import rewrite_relations

HERE: Final = Path(__file__).parent
MIGRATIONS: Final = HERE / "migrations"
VIEWS: Final = HERE / "views"

Progress = Callable[[str], None]
"""Told each step in a few words before it begins."""

# Any number, the same in every version: two migrations of one database wait for each other on it.
_LOCK_KEY: Final = 0x6361_7262_6F6E
_LOCK_TIMEOUT: Final = "30s"
# Making an index or rewriting a table may take as long as the table is large.
_NO_STATEMENT_TIMEOUT: Final = 0


class MigrationError(StoreError):
    """The database cannot be migrated."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file of SQL, known by its name and content."""

    name: str
    text: bytes

    @property
    def checksum(self) -> str:
        """SHA-256 of the content."""
        return sha256(self.text).hexdigest()


@dataclass(frozen=True, slots=True)
class Report:
    """What a migration did; nothing where the database was up to date."""

    migrations: tuple[str, ...]
    views: bool
    quantities: int
    factors: int

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.migrations or self.views or self.quantities or self.factors)


async def migrate(
    url: str,
    progress: Progress | None = None,
    *,
    migrations: Path = MIGRATIONS,
    views: Path = VIEWS,
) -> Report:
    """Bring the database to the schema of this version; doing it twice, or two at once, is the same as once.

    The connecting role owns what is made. Raises MigrationError, psycopg.Error.
    """
    tell = progress or (lambda _: None)
    migration_files, view_files = read_files(migrations), read_files(views)
    _check_numbers(migration_files)
    connection = await connect(
        url, name="carbonflow-migrate", statement_timeout_s=_NO_STATEMENT_TIMEOUT, autocommit=True
    )
    async with connection, _lock(connection, tell):
        await connection.execute(_BOOKKEEPING)
        pending = pending_migrations(migration_files, await _applied_migrations(connection))
        if pending:
            await _need_timescaledb(connection)
        for file in pending:
            tell(f"migration {file.name}")
            await _apply(connection, file)
        views_changed = bool(pending) or _checksums(view_files) != await _applied_views(connection)
        if views_changed:
            tell("views and rights")
            await _remake_views(connection, view_files)
        if pending:
            await rewrite_relations(connection)
        await compress_old_readings(connection)
        quantities = await _sync_quantities(connection)
        factors = await _import_shipped(connection)
    return Report(tuple(file.name for file in pending), views_changed, quantities, factors)


def read_files(folder: Path) -> tuple[SqlFile, ...]:
    """The .sql files of a folder, in the order of their names."""
    return tuple(SqlFile(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.sql")))


def pending_migrations(files: tuple[SqlFile, ...], applied: Mapping[str, str]) -> tuple[SqlFile, ...]:
    """The migrations still to run. Raises MigrationError where those that ran are not the first files."""
    names = {file.name for file in files}
    unknown = sorted(set(applied) - names)
    if unknown:
        raise MigrationError(
            f"The database has migration {unknown[-1]}, which this version does not know: "
            "a newer Carbonflow has migrated it; use that version or a later one."
        )
    for file in files:
        if file.name in applied and applied[file.name] != file.checksum:
            raise MigrationError(
                f"Migration {file.name} was edited after it ran: restore the file as it was, "
                "and put the change into a new migration."
            )
    pending = tuple(file for file in files if file.name not in applied)
    if pending and applied and pending[0].name < max(applied):
        raise MigrationError(
            f"Migration {pending[0].name} is new but comes before {max(applied)}, which already ran: "
            "give it the next free number."
        )
    return pending


def _check_numbers(files: tuple[SqlFile, ...]) -> None:
    for number, file in enumerate(files, start=1):
        if not file.name.startswith(f"{number:04d}_"):
            raise MigrationError(
                f"Migration {file.name} should be number {number:04d}: numbers run from 0001 on without gap."
            )


def _checksums(files: tuple[SqlFile, ...]) -> dict[str, str]:
    return {file.name: file.checksum for file in files}


@asynccontextmanager
async def _lock(connection: Connection, tell: Progress) -> AsyncIterator[None]:
    """Hold the session's advisory lock of migrations. The end of the session would give it back, too."""
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_KEY])
    if await cursor.fetchone() != (True,):
        tell("waiting for another migration of this database")
        await connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
    yield


_BOOKKEEPING: Final = """
DO $$
BEGIN
    IF to_regclass('carbonflow_migrations.view_file') IS NULL THEN
        CREATE SCHEMA carbonflow_migrations;
        COMMENT ON SCHEMA carbonflow_migrations IS 'Which SQL files of which content made this database.';
        CREATE TABLE carbonflow_migrations.migration (
            name text PRIMARY KEY,
            sha256 text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now(),
            applied_by text NOT NULL DEFAULT session_user
        );
        CREATE TABLE carbonflow_migrations.view_file (
            name text PRIMARY KEY,
            sha256 text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        );
    END IF;
END
$$
"""


async def _applied_migrations(connection: Connection) -> dict[str, str]:
    cursor = await connection.execute("SELECT name, sha256 FROM carbonflow_migrations.migration")
    return dict(await cursor.fetchall())


async def _applied_views(connection: Connection) -> dict[str, str]:
    cursor = await connection.execute("SELECT name, sha256 FROM carbonflow_migrations.view_file")
    return dict(await cursor.fetchall())


async def _need_timescaledb(connection: Connection) -> None:
    """Make the extension unless it is there. Raises MigrationError where the server or the role cannot."""
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except (errors.FeatureNotSupported, errors.UndefinedFile) as error:
        raise MigrationError(
            "The server has no TimescaleDB: install it there, or use `carbonflow up` or `docker compose up`."
        ) from error
    except errors.InsufficientPrivilege as error:
        raise MigrationError(
            "This role may not create the extension timescaledb: run `CREATE EXTENSION timescaledb` "
            "in this database as a superuser, then migrate again."
        ) from error
    except psycopg.Error as error:
        # The server ends the session with an error of no class of its own, which says so.
        if "preload" not in str(error):
            raise
        raise MigrationError(
            "TimescaleDB is not loaded: add it to shared_preload_libraries in postgresql.conf and restart."
        ) from error


async def _apply(connection: Connection, file: SqlFile) -> None:
    try:
        async with connection.transaction():
            await connection.execute(file.text)
            await connection.execute(
                "INSERT INTO carbonflow_migrations.migration (name, sha256) VALUES (%s, %s)",
                [file.name, file.checksum],
            )
    except psycopg.Error as error:
        raise _failed(file, error) from error


async def _remake_views(connection: Connection, files: tuple[SqlFile, ...]) -> None:
    async with connection.transaction():
        await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT))
        await _drop_views(connection)
        for file in files:
            try:
                await connection.execute(file.text)
            except psycopg.Error as error:
                raise _failed(file, error) from error
        await connection.execute("DELETE FROM carbonflow_migrations.view_file")
        async with connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO carbonflow_migrations.view_file (name, sha256) VALUES (%s, %s)",
                list(_checksums(files).items()),
            )


async def _drop_views(connection: Connection) -> None:
    cursor = await connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'api'")
    views = [sql.Identifier("api", name) for (name,) in await cursor.fetchall()]
    if not views:
        return
    try:
        await connection.execute(sql.SQL("DROP VIEW {}").format(sql.SQL(", ").join(views)))
    except errors.DependentObjectsStillExist as error:
        raise MigrationError(
            "Something of your own depends on a view of schema api and would be lost with it: "
            f"drop it, migrate, and make it again ({error.diag.message_detail})."
        ) from error
    except errors.LockNotAvailable as error:
        raise MigrationError(
            f"A query has read a view of schema api for over {_LOCK_TIMEOUT}: end it and migrate again."
        ) from error


def _failed(file: SqlFile, error: psycopg.Error) -> MigrationError:
    where = ""
    if error.diag.statement_position:
        before = file.text.decode()[: int(error.diag.statement_position)]
        where = f", line {before.count(chr(10)) + 1}"
    what = ": ".join(filter(None, (error.diag.message_primary, error.diag.message_detail))) or str(error)
    return MigrationError(f"{file.name}.sql{where} failed and was rolled back: {what}.")


async def _sync_quantities(connection: Connection) -> int:
    """Write the names and units of the quantity codes; how many were new or different."""
    rows = [(q.code, kind, q.name, q.unit, q.register) for kind, qs in QUANTITIES.items() for q in qs]
    codes, kinds, names, units, registers = (list(column) for column in zip(*rows, strict=True))
    cursor = await connection.execute(
        """
        INSERT INTO core.quantity AS old (code, kind, quantity, unit, is_register)
        SELECT * FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], %s::boolean[])
        ON CONFLICT (code) DO UPDATE
        SET kind = excluded.kind, quantity = excluded.quantity, unit = excluded.unit,
            is_register = excluded.is_register
        WHERE (old.kind, old.quantity, old.unit, old.is_register)
            IS DISTINCT FROM (excluded.kind, excluded.quantity, excluded.unit, excluded.is_register)
        """,
        [codes, kinds, names, units, registers],
    )
    return cursor.rowcount


async def _import_shipped(connection: Connection) -> int:
    return (await load_table(connection, shipped_factors())).new
