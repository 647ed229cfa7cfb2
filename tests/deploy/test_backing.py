"""What the containers' own scripts make of a new database and a broker: rights that suffice, and no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from deploy.local import broker
from services.store.migrate import migrate

if TYPE_CHECKING:
    from tests.deploy.conftest import Backing, Compose


def url(backing: Backing, compose: Compose, role: str) -> str:
    password = compose.env[f"DB_{role.upper()}_PASSWORD"]
    return f"postgresql://carbonflow_{role}:{password}@127.0.0.1:{backing.database_port}/carbonflow"


@pytest.fixture(scope="module")
def migrated(backing: Backing, compose: Compose) -> Backing:
    """Migrated as the owner, who may make neither roles nor databases."""
    assert asyncio.run(migrate(url(backing, compose, "owner"))).changed
    assert not asyncio.run(migrate(url(backing, compose, "owner"))).changed
    return backing


@pytest.mark.parametrize("role", ["owner", "ingest", "analytics", "ops", "grafana"])
def test_a_role_is_no_superuser(migrated: Backing, compose: Compose, role: str) -> None:
    with psycopg.connect(url(migrated, compose, role)) as connection:
        rights = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
    assert rights == (False,) * 5


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("ingest", "DELETE FROM core.reading_meter"),
        ("ingest", "INSERT INTO core.factor (factor_set) VALUES ('mine')"),
        ("ingest", "CREATE TABLE core.mine (x int)"),
        (
            "analytics",
            "INSERT INTO core.reading_meter (device_id, time, received_at) VALUES (1, now(), now())",
        ),
        ("analytics", "UPDATE core.registry_version SET document = '{}'"),
        ("ops", "SELECT * FROM core.device"),
        ("grafana", "CREATE TABLE public.mine (x int)"),
        ("grafana", "CREATE TEMPORARY TABLE mine (x int)"),
    ],
)
def test_what_a_role_may_not(migrated: Backing, compose: Compose, role: str, statement: str) -> None:
    with (
        psycopg.connect(url(migrated, compose, role)) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["ops", "grafana"])
def test_readers_read_and_have_a_time_limit(migrated: Backing, compose: Compose, role: str) -> None:
    with psycopg.connect(url(migrated, compose, role)) as connection:
        assert connection.execute("SELECT count(*) FROM api.factors").fetchone() != (0,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("5min",)
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


def test_the_broker_knows_its_users_and_nobody_else(backing: Backing, compose: Compose) -> None:
    port = backing.mqtt_port
    assert broker.accepts(port, "carbonflow", compose.env["MQTT_OPERATOR_PASSWORD"])
    assert broker.accepts(port, "ingest", compose.env["MQTT_INGEST_PASSWORD"])
    assert broker.accepts(port, "devices", compose.env["MQTT_DEVICES_PASSWORD"])
    assert broker.accepts(port, "press-hall-3", "secret")
    assert not broker.accepts(port, "devices", compose.env["MQTT_INGEST_PASSWORD"])
    assert not broker.accepts(port, "stranger", "")
