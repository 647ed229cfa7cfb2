"""/healthz and /readyz tell the truth while what ingest needs is away, and when it is back: real servers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest
from psycopg import sql

from deploy.local import postgres, process
from deploy.local import state as states
from deploy.local.layout import Layout
from deploy.local.progress import LineProgress
from deploy.local.servers import Servers, down, ensure_packages, ensure_up
from services.cli.main import main
from tests.conftest import ROOT
from tests.ingest.conftest import Database, Publisher, Service, ago, until

DISK_FULL = """
CREATE FUNCTION core.disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$
"""


def said(service: Service) -> tuple[int, dict[str, Any]]:
    """Status and body of /readyz; /healthz answers 200 whatever is away."""
    with urlopen(service.url("/healthz"), timeout=5) as healthy:
        assert healthy.status == 200
    try:
        with urlopen(service.url("/readyz"), timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def wait_for(service: Service, name: str, text: str) -> dict[str, Any]:
    """Until /readyz is 503 and says so of `name`."""

    def found() -> dict[str, Any] | None:
        status, body = said(service)
        return body if status == 503 and text in body[name] else None

    body: dict[str, Any] = until(found, f"{name}: {text}, not {said(service)}")
    assert body["ready"] is False
    return body


def wait_until_ready(service: Service) -> None:
    until(lambda: said(service)[0] == 200, f"it is ready, not {said(service)}")
    _, body = said(service)
    assert body.pop("ready") is True
    assert set(body.values()) == {"ok"}


def test_a_database_whose_disk_is_full(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start()
    database.connection.execute(DISK_FULL)
    database.rows(
        "CREATE TRIGGER disk_is_full BEFORE INSERT OR UPDATE ON core.ingest_total "
        "EXECUTE FUNCTION core.disk_is_full()"
    )
    publisher.publish(f"telemetry/v1/{site_id}/meter/m1", {"ts": ago(5), "power_kw": 1})
    wait_for(service, "database", "The database's disk is full: free some space")
    assert database.totals()["received"] == 0
    assert service.metric("retries_total") > 0
    database.rows("DROP TRIGGER disk_is_full ON core.ingest_total")
    until(lambda: database.totals()["stored"] == 1, "it is stored")
    wait_until_ready(service)


class OwnServers:
    """A database and a broker that a test may stop."""

    def __init__(self, root: Path, packages: Path) -> None:
        self._root = root
        self._packages = packages
        self.servers = self.up()

    def up(self) -> Servers:
        """Start what does not run."""
        return ensure_up(self._root, environment={}, shared_packages=self._packages)

    def take_writes(self, *, whether: bool) -> None:
        """Let sessions write or not, also those that there are."""
        state = self._state()
        password = state.database_passwords[states.SUPERUSER]
        url = postgres.url(states.SUPERUSER, password, state.database.port or 0)
        with psycopg.connect(url, autocommit=True) as connection:
            setting = sql.SQL("ALTER SYSTEM SET default_transaction_read_only = {}")
            connection.execute(setting.format(sql.SQL("off" if whether else "on")))
            connection.execute("SELECT pg_reload_conf()")

    def stop(self, which: str) -> None:
        """Stop `database` (connections are cut) or `mqtt` in order."""
        running = getattr(self._state(), which).process
        os.kill(running.pid, signal.SIGINT if which == "database" else signal.SIGTERM)
        assert process.wait_until(lambda: not running.alive(), 30)

    def end(self) -> None:
        """Stop both."""
        down(self._root)

    def _state(self) -> states.State:
        state = states.load(Layout(self._root).state)
        assert state is not None
        return state


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnServers]:
    found = OwnServers(tmp_path / "clone", ensure_packages(ROOT, LineProgress()))
    yield found
    found.end()


def test_a_database_that_takes_no_writes_or_is_stopped_and_a_stopped_broker(
    service: Service, own: OwnServers, site_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARBONFLOW_DATABASE_URL", own.servers.database_url)
    monkeypatch.setattr("sys.argv", ["carbonflow", "migrate"])
    with pytest.raises(SystemExit, match="0"):
        main()
    service.start(CARBONFLOW_DATABASE_URL=own.servers.database_url, CARBONFLOW_MQTT_URL=own.servers.mqtt_url)
    own.take_writes(whether=False)
    assert wait_for(service, "database", "takes no writes")["broker"] == "ok"
    own.take_writes(whether=True)
    wait_until_ready(service)
    own.stop("database")
    assert wait_for(service, "database", "database")["broker"] == "ok"
    own.stop("mqtt")
    body = wait_for(service, "broker", "broker")
    assert body["database"] != "ok"
    assert service.metric("connected") == 0
    own.up()
    wait_until_ready(service)
    device = Publisher(own.servers.device_mqtt_url, f"devices-{site_id}")
    device.publish(f"telemetry/v1/{site_id}/meter/m1", {"ts": ago(5), "power_kw": 1})
    device.close()
    count = "SELECT coalesce(sum(stored), 0) FROM core.ingest_total"
    with psycopg.connect(own.servers.database_url, autocommit=True) as connection:
        until(lambda: connection.execute(count).fetchone() == (1,), "it is stored")
    assert service.metric("connections_total") == 2
    assert service.stop() == 0
