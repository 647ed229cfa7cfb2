"""Ingest for tests: the writer on a database of its own, and the whole service as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit
from urllib.request import urlopen

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.servers import Servers

PATIENCE_S = 30.0


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait for a condition; its value."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(0.02)


def ago(seconds: float) -> str:
    """A `ts` so long ago."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


class Publisher:
    """A device's MQTT client. It counts what the broker has acknowledged."""

    def __init__(self, url: str, client_id: str) -> None:
        parts = urlsplit(url)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.username_pw_set(parts.username, parts.password)
        self._client.max_inflight_messages_set(1000)
        self._client.connect(parts.hostname or "", parts.port or 1883)
        self._client.loop_start()

    def publish(self, topic: str, *payloads: Any, qos: int = 1) -> None:
        """Publish payloads (bytes, or what becomes JSON) and wait for the broker's acknowledgement."""
        sent = [
            self._client.publish(
                topic, each if isinstance(each, bytes) else json.dumps(each).encode(), qos=qos
            )
            for each in payloads
        ]
        for each in sent:
            each.wait_for_publish(PATIENCE_S)
            assert each.is_published()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Database:
    """What a test looks up."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def rows(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement; none of one that returns nothing."""
        cursor = self.connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def value(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row."""
        return self.rows(statement, parameters)[0][0]

    def totals(self) -> dict[str, int]:
        """The account over all clients."""
        names = ("received", "stored", "duplicate", "rejected")
        rows = self.rows("SELECT received, stored, duplicate, rejected FROM api.ingest_totals")
        found = {name: sum(row[number] for row in rows) for number, name in enumerate(names)}
        assert found["received"] == found["stored"] + found["duplicate"] + found["rejected"]
        return found

    def reasons(self) -> dict[str, int]:
        """Dead letters by reason."""
        return dict(self.rows("SELECT reason, count(*) FROM api.dead_letters GROUP BY reason"))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class Service:
    """`carbonflow ingest` as a process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **changes: str) -> Service:
        """Start, and wait until it is subscribed and the database is there."""
        self.launch(**changes)
        until(self.is_ready, f"ingest is ready: {self.log.read_text()}")
        return self

    def launch(self, **changes: str) -> None:
        """Start without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.cli.main", "ingest"],
                env={**self.environment, **changes},
                stderr=log,
                stdout=log,
            )

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            with urlopen(self.url("/readyz"), timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        with urlopen(self.url("/metrics"), timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"carbonflow_ingest_{name} ")))

    def url(self, path: str) -> str:
        """An address of its HTTP side."""
        return f"http://127.0.0.1:{self.environment['CARBONFLOW_INGEST_HTTP_PORT']}{path}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit status, once it ended."""
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, where it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it logged under that name."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def forget_session(url: str, client_id: str) -> None:
    """Remove the session, and all that is queued for it, from the broker."""
    parts = urlsplit(url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
    client.username_pw_set(parts.username, parts.password)
    client.connect(parts.hostname or "", parts.port or 1883, clean_start=True)
    client.loop_start()
    until(client.is_connected, "the broker forgets the session")
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


@pytest.fixture
def another_service(service: Service) -> Iterator[Service]:
    """A second process with the same settings but its HTTP port and journal."""
    own = {
        "CARBONFLOW_INGEST_HTTP_PORT": str(free_port()),
        "CARBONFLOW_JOURNAL_DIR": str(service.log.with_name("another journal")),
    }
    log = service.log.with_name("another.log")
    log.touch()
    second = Service(service.environment | own, log)
    yield second
    second.kill()


@pytest.fixture
def service(database_url: str, mqtt_url: str, site_id: str, tmp_path: Path) -> Iterator[Service]:
    """The service over the test's own database and the topics of its own site, not yet started."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARBONFLOW_")}
    environment |= {
        "CARBONFLOW_DATABASE_URL": database_url,
        "CARBONFLOW_MQTT_URL": mqtt_url,
        "CARBONFLOW_INGEST_CLIENT_ID": f"ingest-{site_id}",
        "CARBONFLOW_INGEST_SITES": site_id,
        "CARBONFLOW_INGEST_HTTP_PORT": str(free_port()),
        "CARBONFLOW_JOURNAL_DIR": str(tmp_path / "journal"),
    }
    log = tmp_path / "ingest.log"
    log.touch()
    started = Service(environment, log)
    yield started
    started.kill()
    forget_session(mqtt_url, f"ingest-{site_id}")


@pytest.fixture
def publisher(servers: Servers, site_id: str) -> Iterator[Publisher]:
    found = Publisher(servers.device_mqtt_url, f"devices-{site_id}")
    yield found
    found.close()
