"""The migrator against a real server, with small folders of SQL and with the shipped one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.domain.quantities import BY_CODE
from services.store import migrate as m
from services.store.factors import shipped_factors
from services.store.migrate import MigrationError, SqlFile, migrate, pending_migrations

pytestmark = pytest.mark.anyio


class Folders:
    """A copy of the shipped SQL that a test may change."""

    def __init__(self, path: Path) -> None:
        self.migrations = Path(shutil.copytree(m.MIGRATIONS, path / "migrations"))
        self.views = Path(shutil.copytree(m.VIEWS, path / "views"))

    async def migrate(self, url: str) -> m.Report:
        return await migrate(url, migrations=self.migrations, views=self.views)

    def add(self, name: str, text: str) -> None:
        (self.migrations / name).write_text(text, encoding="utf-8")

    @property
    def next(self) -> str:
        return f"{len(list(self.migrations.glob('*.sql'))) + 1:04d}"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


async def test_an_empty_database_is_migrated_and_then_left_alone(empty_database_url: str) -> None:
    steps: list[str] = []
    first = await migrate(empty_database_url, steps.append)
    assert first.migrations[0] == "0001_core"
    assert first.views
    assert first.quantities == len(BY_CODE)
    assert first.factors == len(shipped_factors())
    assert steps[0] == "migration 0001_core"
    steps.clear()
    second = await migrate(empty_database_url, steps.append)
    assert not second.changed
    assert steps == []


async def test_what_is_made_belongs_to_the_connecting_role(database_url: str) -> None:
    owners = rows(
        database_url,
        """
        SELECT DISTINCT pg_get_userbyid(owner) FROM (
            SELECT relowner FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname IN ('core', 'api', 'carbonflow_migrations')
            UNION ALL
            SELECT nspowner FROM pg_namespace WHERE nspname IN ('core', 'api', 'carbonflow_migrations')
        ) AS owned (owner)
        """,
    )
    assert owners == rows(database_url, "SELECT current_user::name")


async def test_two_at_once_are_one(empty_database_url: str) -> None:
    reports = await asyncio.gather(*(migrate(empty_database_url) for _ in range(3)))
    assert sorted(report.changed for report in reports) == [False, False, True]


async def test_an_edited_migration_is_refused(database_url: str, folders: Folders) -> None:
    with (folders.migrations / "0001_core.sql").open("a", encoding="utf-8") as file:
        file.write("-- edited\n")
    with pytest.raises(MigrationError, match="0001_core was edited after it ran"):
        await folders.migrate(database_url)


async def test_a_database_of_a_newer_version_is_refused(database_url: str, folders: Folders) -> None:
    name = f"{folders.next}_newer.sql"
    folders.add(name, "SELECT 1")
    await folders.migrate(database_url)
    (folders.migrations / name).unlink()
    with pytest.raises(MigrationError, match="a newer Carbonflow has migrated it"):
        await folders.migrate(database_url)


def test_a_migration_before_one_that_ran_is_refused() -> None:
    one, two = SqlFile("0001_a", b"1"), SqlFile("0002_b", b"2")
    assert pending_migrations((one, two), {"0001_a": one.checksum}) == (two,)
    with pytest.raises(MigrationError, match="comes before 0002_b"):
        pending_migrations((one, two), {"0002_b": two.checksum})


async def test_numbers_have_no_gap(empty_database_url: str, folders: Folders) -> None:
    folders.add("9999_late.sql", "SELECT 1")
    with pytest.raises(MigrationError, match="9999_late should be number"):
        await folders.migrate(empty_database_url)


async def test_a_migration_that_fails_leaves_nothing_and_names_the_line(
    database_url: str, folders: Folders
) -> None:
    folders.add(f"{folders.next}_bad.sql", "CREATE TABLE core.half (x int);\n\nSELECT nothing_such;\n")
    with pytest.raises(MigrationError, match=r"bad\.sql, line 3 failed .*nothing_such"):
        await folders.migrate(database_url)
    assert rows(database_url, "SELECT to_regclass('core.half')") == [(None,)]
    assert not (await migrate(database_url)).changed


async def test_changed_views_are_made_anew_and_gone_ones_dropped(database_url: str, folders: Folders) -> None:
    added = folders.views / "60_more.sql"
    added.write_text("CREATE VIEW api.more AS SELECT 1 AS one;", encoding="utf-8")
    report = await folders.migrate(database_url)
    assert report.views
    assert report.migrations == ()
    assert rows(database_url, "SELECT one FROM api.more") == [(1,)]
    assert rows(database_url, "SELECT has_table_privilege('carbonflow_ops', 'api.more', 'SELECT')") == [
        (True,)
    ]
    added.unlink()
    await folders.migrate(database_url)
    assert rows(database_url, "SELECT to_regclass('api.more')") == [(None,)]


async def test_views_somebody_built_on_ours_are_not_lost(database_url: str, folders: Folders) -> None:
    execute(database_url, "CREATE VIEW public.mine AS SELECT count(*) AS n FROM api.devices")
    with (folders.views / "20_devices.sql").open("a", encoding="utf-8") as file:
        file.write("-- changed\n")
    with pytest.raises(MigrationError, match=r"depends on a view of schema api .*mine"):
        await folders.migrate(database_url)
    assert rows(database_url, "SELECT n FROM public.mine") == [(0,)]


async def test_a_view_that_fails_leaves_the_old_ones(database_url: str, folders: Folders) -> None:
    (folders.views / "60_bad.sql").write_text("CREATE VIEW api.bad AS SELECT nope;", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"60_bad\.sql, line 1 failed"):
        await folders.migrate(database_url)
    assert rows(database_url, "SELECT count(*) FROM api.devices") == [(0,)]


async def test_quantities_follow_their_definition(database_url: str) -> None:
    execute(database_url, "UPDATE core.quantity SET unit = 'furlong' WHERE code = 1")
    assert (await migrate(database_url)).quantities == 1
    stored = rows(database_url, "SELECT code, quantity, unit, is_register FROM core.quantity")
    assert {row[0]: row[1:] for row in stored} == {
        code: (q.name, q.unit, q.register) for code, q in BY_CODE.items()
    }


async def test_factors_are_recorded_once_and_never_changed(database_url: str) -> None:
    execute(database_url, "DELETE FROM core.factor WHERE fuel = 'diesel'")
    report = await migrate(database_url)
    assert report.factors == sum(factor.fuel == "diesel" for factor in shipped_factors())
    assert rows(database_url, "SELECT count(*) FROM core.factor") == [(len(shipped_factors()),)]


async def test_a_database_that_cannot_be_reached_is_an_operational_error() -> None:
    with pytest.raises(psycopg.OperationalError):
        await migrate("postgresql://nobody:x@127.0.0.1:1/none")
