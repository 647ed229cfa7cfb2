"""The doctor says what is wrong and what to do, and changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.cli.doctor import broker, database, here
from services.cli.doctor.finding import Finding, State
from services.ingest.mqtt import broker_at
from services.store.condition import ServerCondition, Waiting

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVER = ServerCondition("17.1", "2.19.3", "apache", NOW, [], False, 1024)
NOTHING_WAITS = Waiting(0, None, [], [])
NOWHERE = "127.0.0.1:1"


def states(found: list[Finding]) -> dict[str, State]:
    return {each.what: each.state for each in found}


@pytest.mark.parametrize(
    ("change", "what", "state"),
    [
        ({}, "database", State.OK),
        ({"timescaledb": None}, "timescaledb", State.FAILURE),
        ({"unsafe": ["fsync=off"]}, "durability", State.FAILURE),
        ({"read_only": True}, "writable", State.FAILURE),
        ({"now": NOW + timedelta(seconds=2)}, "clock", State.OK),
        ({"now": NOW - timedelta(seconds=3)}, "clock", State.WARNING),
    ],
)
def test_of_a_server(change: Mapping[str, Any], what: str, state: State) -> None:
    found = database.of_server(SERVER._replace(**change), NOW)
    assert states(found)[what] is state
    assert all(bool(each.todo) == (each.state is not State.OK) for each in found)


def test_of_what_waits() -> None:
    assert states(database.of_waiting(NOTHING_WAITS)) == {"dead letters": State.OK}
    sites = [f"s{number}" for number in range(7)]
    found = database.of_waiting(Waiting(3, NOW, sites, ["second"]))
    assert states(found) == {
        "dead letters": State.WARNING, "sites": State.FAILURE, "partitions": State.WARNING,
    }  # fmt: skip
    assert "s0, s1, s2, s3, s4 and 2 more" in found[1].found
    assert [database.of_ledger(lag_s, 900).state for lag_s in (3, 300)] == [State.OK, State.WARNING]
    assert "wait for 900 s" in database.of_ledger(3, 900).found


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("mosquitto version 2.0.21", State.OK),
        ("mosquitto version 2.0.11", State.WARNING),
        ("mosquitto version 10.0.0", State.OK),
        ("EMQX 5", State.OK),
        ("", State.OK),
    ],
)
def test_of_a_broker(version: str, state: State) -> None:
    assert broker.of_version(version).state is state


@pytest.mark.parametrize(
    ("said", "state", "found"),
    [
        ({"ready": True, "database": "ok", "ledger_lag_s": 0.3}, State.OK, "ready"),
        ({"ready": True, "database": "ok", "journal": "It is damaged."}, State.WARNING, "journal: It is"),
        ({"ready": False, "database": "away", "ledger_lag_s": None}, State.FAILURE, "database: away"),
    ],
)
def test_of_a_service(said: dict[str, Any], state: State, found: str) -> None:
    result = here.of_ready("ingest", said)
    assert result.state is state
    assert found in result.found


def test_the_journal_needs_room(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    assert here.journal(folder, 1024).state is State.OK
    assert here.journal(folder, 1 << 60).state is State.WARNING
    assert not folder.exists()


def test_a_broker_that_refuses(mqtt_url: str) -> None:
    address = mqtt_url.rpartition("@")[2]
    [found] = asyncio.run(broker.look(broker_at(f"mqtt://nobody:wrong@{address}")))
    assert found.state is State.FAILURE
    assert "refuses" in found.found


def test_what_is_away_is_said() -> None:
    [found] = asyncio.run(database.look(f"postgresql://a:secret@{NOWHERE}/c"))
    [of_broker] = asyncio.run(broker.look(broker_at(f"mqtt://a:secret@{NOWHERE}")))
    assert found.state is of_broker.state is State.FAILURE
    assert "secret" not in f"{found}{of_broker}"


def test_a_database_that_is_not_migrated(servers: Any) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE doctor_empty")
        try:
            url = servers.database_url.rpartition("/")[0] + "/doctor_empty"
            found = states(asyncio.run(database.look(url)))
        finally:
            connection.execute("DROP DATABASE doctor_empty WITH (FORCE)")
    assert found["schema"] is State.FAILURE


def test_the_command(role_url: Callable[[str], str], mqtt_url: str, tmp_path: Path) -> None:
    """As the read-only role, with the real broker; no service runs at these ports."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARBONFLOW_")}
    environment |= {
        "CARBONFLOW_DATABASE_URL": role_url("carbonflow_ops"),
        "CARBONFLOW_MQTT_URL": mqtt_url,
        "CARBONFLOW_INGEST_HTTP_PORT": "1",
        "CARBONFLOW_ANALYTICS_HTTP_PORT": "1",
        "CARBONFLOW_JOURNAL_DIR": str(tmp_path),
        "CARBONFLOW_JOURNAL_MAX_BYTES": str(32 * 1024**2),
    }
    command = [sys.executable, "-m", "services.cli.main", "doctor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = {each["what"]: each for each in json.loads(done.stdout)}
    assert {what for what, each in found.items() if each["state"] != "ok"} == {"ingest", "analytics"}
    assert "mosquitto version 2." in found["broker"]["found"]
    assert "loses what it had not yet saved" in found["broker crash"]["found"]
    assert "none missing" in found["schema"]["found"]
