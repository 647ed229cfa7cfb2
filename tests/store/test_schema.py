"""The migrated schema is the contract's: tables, views, comments and rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors, sql

from services.domain.quantities import QUANTITIES, Kind
from services.store.schema import reading_columns

CONTRACT = {
    "readings": "time received_at site device kind quantity unit value status",
    "readings_hourly": "hour site device kind quantity unit readings min max mean first last consumption "
    "coverage estimated",
    "energy_hourly": "hour site area device carrier amount unit energy_kwh in_total coverage estimated",
    "emissions_live": "time site source scope basis method carrier co2_kg_per_h co2e_kg_per_h factor "
    "in_total age_s",
    "emissions_hourly": "hour site area source scope basis method carrier activity activity_unit co2_kg "
    "ch4_kg n2o_kg co2e_kg biogenic_co2_kg gwp_set factor in_total uncertainty_pct coverage estimated "
    "status missing_reason revision computed_at",
    "emissions_daily": "day site area source scope basis method carrier co2_kg co2e_kg in_total "
    "coverage status",
    "factors": "factor set carrier region value unit gas basis valid_from valid_to recorded_at source "
    "confirmed",
    "devices": "site area device kind assigned state last_time last_received_at interval_s stale",
    "dead_letters": "id received_at topic reason detail payload replayed_at",
    "ingest_totals": "client received stored duplicate rejected",
}
"""The columns of each view, in order; others may trail."""
READERS = ("carbonflow_ops", "carbonflow_grafana")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection


def columns(connection: psycopg.Connection, schema: str, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s "
        "AND table_name = %s ORDER BY ordinal_position",
        [schema, table],
    ).fetchall()


@pytest.mark.parametrize("kind", Kind)
def test_a_kinds_table_has_its_quantities(connection: psycopg.Connection, kind: Kind) -> None:
    found = columns(connection, "core", f"reading_{kind}")
    assert tuple(name for name, _ in found) == reading_columns(kind)
    types = dict(found)
    for quantity in QUANTITIES[kind]:
        assert types[quantity.name] == ("boolean" if quantity.boolean else "double precision")
    hypertables = "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_name = %s"
    assert connection.execute(hypertables, [f"reading_{kind}"]).fetchone() == (1,)


def test_the_views_have_the_contracts_columns_in_order(connection: psycopg.Connection) -> None:
    for view, contract in CONTRACT.items():
        wanted = contract.split()
        assert [name for name, _ in columns(connection, "api", view)][: len(wanted)] == wanted, view


def test_every_view_and_column_is_described(connection: psycopg.Connection) -> None:
    bare = connection.execute(
        """
        SELECT c.relname, NULL FROM pg_class c
        WHERE c.relnamespace = 'api'::regnamespace AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'api'::regnamespace AND col_description(c.oid, a.attnum) IS NULL
        """
    ).fetchall()
    assert bare == []


PLAIN = {
    "bigint",
    "boolean",
    "bytea",
    "date",
    "double precision",
    "integer",
    "smallint",
    "text",
    "timestamp with time zone",
}
"""What psql, DBeaver, Grafana and Power BI show as it is."""
OTHER = {
    ("ingest_partitions", "sites"): "ARRAY",
    ("registry_versions", "document"): "json",
    ("settings", "final_after"): "interval",
}
"""Of views that are none of the contract's, and that nobody charts."""


def test_types_are_those_that_any_tool_shows(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'api'"
    ).fetchall()
    others = {(view, column): kind for view, column, kind in rows if kind not in PLAIN}
    assert not {view for view, _ in others} & CONTRACT.keys()
    assert others == OTHER


@pytest.mark.parametrize("role", READERS)
def test_a_forgotten_session_of_a_reader_ends(role_url: Callable[[str], str], role: str) -> None:
    with psycopg.connect(role_url(role)) as connection:
        for setting, limit in (
            ("statement_timeout", "1min"),
            ("idle_in_transaction_session_timeout", "5min"),
        ):
            assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (limit,)


def test_schema_api_has_nothing_but_views(connection: psycopg.Connection) -> None:
    kinds = connection.execute(
        "SELECT DISTINCT relkind FROM pg_class WHERE relnamespace = 'api'::regnamespace"
    ).fetchall()
    assert kinds == [("v",)]


@pytest.mark.parametrize("role", READERS)
def test_readers_see_the_views_and_nothing_else(connection: psycopg.Connection, role: str) -> None:
    for view in CONTRACT:
        rights = connection.execute(
            "SELECT has_table_privilege(%(r)s, %(t)s, 'SELECT'), "
            "has_table_privilege(%(r)s, %(t)s, 'INSERT, UPDATE, DELETE, TRUNCATE')",
            {"r": role, "t": f"api.{view}"},
        ).fetchone()
        assert rights == (True, False), view
    assert connection.execute("SELECT has_schema_privilege(%s, 'core', 'USAGE')", [role]).fetchone() == (
        False,
    )
    assert connection.execute("SELECT has_schema_privilege(%s, 'api', 'CREATE')", [role]).fetchone() == (
        False,
    )


def read_all(connection: psycopg.Connection) -> None:
    for view in CONTRACT:
        connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("api", view)))


def granted(connection: psycopg.Connection, role: str) -> dict[str, set[str]]:
    """The tables of core that a role may write, and how."""
    found: dict[str, set[str]] = {}
    for table, privilege in connection.execute(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = %s AND table_schema = 'core' AND privilege_type <> 'SELECT'",
        [role],
    ):
        found.setdefault(table, set()).add(privilege)
    return found


def test_services_may_write_their_own_and_no_more(connection: psycopg.Connection) -> None:
    upsert = {"INSERT", "UPDATE"}
    assert granted(connection, "carbonflow_ingest") == {
        **{f"reading_{kind}": upsert for kind in Kind},
        "device": upsert,
        "ingest_total": upsert,
        "dead_letter": upsert,
        "live_emission": {"INSERT"},
        "dirty": {"INSERT"},
        "ingest_partition": upsert | {"DELETE"},
        "unowned_site": upsert | {"DELETE"},
    }
    assert granted(connection, "carbonflow_analytics") == {
        **{f"{ledger}_hour": upsert | {"DELETE"} for ledger in ("device", "energy", "emission", "stack")},
        **{f"{rollup}_day": upsert | {"DELETE"} for rollup in ("energy", "emission", "area")},
        "area_hour": upsert | {"DELETE"},
        "area_note": {"INSERT", "DELETE"},
        "finding_hour": upsert | {"DELETE"},
        "recipe": {"INSERT"},
        "calculation": {"INSERT"},
        "dirty": {"DELETE"},
        "dirty_quarter": upsert | {"DELETE"},
        "dirty_range": {"INSERT", "DELETE"},
        "dead_letter": {"DELETE"},
        "dead_letter_dropped": upsert,
    }


def test_what_analytics_replaces_is_kept(role_url: Callable[[str], str]) -> None:
    with psycopg.connect(role_url("carbonflow_analytics")) as connection:
        connection.execute(
            "INSERT INTO core.emission_hour (source_id, hour, basis, activity_unit, co2_kg, in_total,"
            " coverage, factor_provisional, estimated, stands_since)"
            " VALUES (1, '2026-01-01T00:00Z', 'none', 'kWh', 5, true, 1, false, false, '2026-01-02T00:00Z')"
        )
        connection.commit()
        connection.execute("UPDATE core.emission_hour SET co2_kg = 7")
        kept = connection.execute(
            "SELECT revision, was ->> 'co2_kg', co2_kg_after FROM core.emission_revision"
        ).fetchall()
        assert kept == [(1, "5", 7.0)]
        connection.execute("UPDATE core.setting SET final_after = '8 days'")


def test_nobody_but_the_trigger_writes_former_results(role_url: Callable[[str], str]) -> None:
    for statement in ("DELETE FROM core.emission_revision", "UPDATE core.restatement SET detail = ''"):
        with (
            psycopg.connect(role_url("carbonflow_analytics")) as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


def test_ingest_can_do_its_work(role_url: Callable[[str], str]) -> None:
    """A reading of a new device: also the chunk of its day is made under ingest's own rights."""
    with psycopg.connect(role_url("carbonflow_ingest")) as connection:
        found = connection.execute(
            "INSERT INTO core.device (site, kind, device) VALUES ('s', 'meter', 'd') RETURNING device_id"
        ).fetchone()
        assert found is not None
        with connection.cursor().copy(
            "COPY core.reading_meter (device_id, time, received_at, power_kw) FROM STDIN"
        ) as copy:
            copy.write_row((found[0], "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 5.0))
        connection.execute("CREATE TEMP TABLE staged (LIKE core.reading_meter)")
        connection.execute("UPDATE core.reading_meter SET voltage_v = 230")
        connection.execute("INSERT INTO core.live_emission (source_id, device_id, time) VALUES (1, 1, now())")
        connection.execute("INSERT INTO core.dirty (device_ids, quarters) VALUES ('{1}', '{1}')")
        connection.execute("INSERT INTO core.ingest_total (client, received, stored) VALUES ('c', 1, 1)")
        connection.execute("SELECT * FROM core.registry_version, core.factor, core.source_period")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("carbonflow_ingest", "DELETE FROM core.reading_meter"),
        ("carbonflow_ingest", "UPDATE core.factor SET unit = 't'"),
        ("carbonflow_ingest", "UPDATE core.live_emission SET co2_kg_per_h = 0"),
        ("carbonflow_ingest", "DELETE FROM core.dead_letter"),
        ("carbonflow_analytics", "UPDATE core.reading_meter SET power_kw = 0"),
        ("carbonflow_analytics", "UPDATE core.dead_letter SET replayed_at = now()"),
        ("carbonflow_analytics", "INSERT INTO core.registry_version (document, sha256) VALUES ('{}', '')"),
        ("carbonflow_ops", "SELECT * FROM core.device"),
        ("carbonflow_ops", "DELETE FROM api.dead_letters"),
        ("carbonflow_grafana", "CREATE TABLE api.mine (x int)"),
    ],
)
def test_what_is_not_a_roles_own_is_refused(
    role_url: Callable[[str], str], role: str, statement: str
) -> None:
    with (
        psycopg.connect(role_url(role)) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_analytics_can_do_its_work(role_url: Callable[[str], str]) -> None:
    with psycopg.connect(role_url("carbonflow_analytics")) as connection:
        connection.execute(
            "INSERT INTO core.device_hour (device_id, hour, quantity, readings, coverage, estimated) "
            "VALUES (1, '2026-01-01T00:00Z', 1, 3, 1, false) "
            "ON CONFLICT (device_id, quantity, hour) DO UPDATE SET readings = excluded.readings"
        )
        connection.execute("DELETE FROM core.device_hour WHERE device_id = 1")
        connection.execute("DELETE FROM core.dirty WHERE dirty_id = 1")
        connection.execute("DELETE FROM core.dirty_range WHERE dirty_id = 1")
        read_all(connection)


@pytest.mark.parametrize("role", READERS)
def test_readers_can_read_every_view(role_url: Callable[[str], str], role: str) -> None:
    with psycopg.connect(role_url(role)) as connection:
        read_all(connection)
