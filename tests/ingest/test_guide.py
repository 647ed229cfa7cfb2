"""The device guide says what the code does, and its snippets do what it says, as printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from deploy.local.layout import Layout
from deploy.local.relocate import Programs
from deploy.local.servers import Servers
from services.domain.outcome import Reason
from services.domain.quantities import QUANTITIES, Quantity, Status
from tests.conftest import ROOT
from tests.ingest.conftest import Database, Service, free_port, until
from tests.ingest.test_tls import listens

GUIDE = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
PUBLISHER = Layout(ROOT).packages / "usr/bin/mosquitto_pub"


def row(kind: str, quantity: Quantity) -> str:
    unit = "true, false" if quantity.boolean else quantity.unit
    low, high = ("" if bound is None else f"{bound:g}" for bound in (quantity.minimum, quantity.maximum))
    register = "R" if quantity.register else ""
    return f"| {kind} | `{quantity.name}` | {unit} | {register} | {low} | {high} | {quantity.description} |"


def test_it_lists_every_quantity() -> None:
    rows = [row(kind, quantity) for kind, of_kind in QUANTITIES.items() for quantity in of_kind]
    assert [line for line in GUIDE.splitlines() if line in rows] == rows


def test_it_names_every_reason_and_status() -> None:
    for reason in Reason:
        assert f"\n| `{reason}` | " in GUIDE
    for status in Status:
        assert f"`{status}`" in GUIDE


def snippet(language: str) -> str:
    """The one block of that language in the guide, as printed."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


class Device(NamedTuple):
    """Where a snippet runs."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, given: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a program; it must end by itself."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **changes},
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def at_broker(url: str) -> dict[str, str]:
    """The environment that the snippets want."""
    parts = urlsplit(url)
    return {
        "MQTT_HOST": parts.hostname or "",
        "MQTT_PORT": str(parts.port),
        "MQTT_USER": parts.username or "",
        "MQTT_PASSWORD": parts.password or "",
    }


@pytest.fixture
def device(servers: Servers, site_id: str, tmp_path: Path) -> Device:
    folder = tmp_path / "device"
    folder.mkdir()
    path = f"{PUBLISHER.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "SITE": site_id, **at_broker(servers.device_mqtt_url)}
    return Device(
        folder, environment | {name: os.environ[name] for name in ("NODE_PATH",) if name in os.environ}
    )


def test_the_python_snippet_loses_nothing(service: Service, database: Database, device: Device) -> None:
    """Also what it measured while the broker was away."""
    (device.folder / "device.py").write_text(snippet("python"))
    program = (sys.executable, "device.py")
    lines = [json.dumps({"power_kw": number}) for number in range(3)]
    away = device.run(*program, given="\n".join(lines), MQTT_PORT=str(free_port()), MQTT_WAIT_S="1")
    assert away.returncode == 0, away.stderr
    assert away.stdout == "3 readings are still kept\n"
    service.start()
    done = device.run(*program, given=json.dumps({"power_kw": 3, "voltage_v": 230}))
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("0 readings are still kept\n", "")
    until(lambda: database.totals()["stored"] == 4, "all are stored")
    values = database.rows("SELECT power_kw, voltage_v FROM core.reading_meter ORDER BY time")
    assert values == [(0, None), (1, None), (2, None), (3, 230)]
    until(lambda: database.rows("SELECT state FROM api.devices") == [("offline",)], "it left in order")
    kept = sqlite3.connect(device.folder / "outbox.sqlite").execute("SELECT count(*) FROM outbox")
    assert kept.fetchone() == (0,)


@pytest.fixture
def lonely_broker(servers: Servers, tmp_path: Path) -> Iterator[int]:
    """The port of a broker at which no ingest has ever been."""
    program = Programs.under(Layout(ROOT).packages).mosquitto
    if not program.exists():
        pytest.skip("the broker came from outside: there is no program to start another")
    assert servers.mqtt_url  # the programs are ready to run
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{user}")
    process = subprocess.Popen([str(program), "-c", str(configuration)], stderr=subprocess.DEVNULL)
    until(lambda: listens(port), "the broker listens")
    yield port
    process.terminate()
    process.wait(10)


def test_what_a_broker_without_ingest_acknowledges_stays_in_the_outbox(
    device: Device, lonely_broker: int
) -> None:
    (device.folder / "device.py").write_text(snippet("python"))
    done = device.run(sys.executable, "device.py", given='{"power_kw": 1}', MQTT_PORT=str(lonely_broker))
    assert done.stdout == "1 readings are still kept\n"
    assert "not kept: No matching subscribers\n" in done.stderr


def test_the_shell_snippet(service: Service, database: Database, device: Device) -> None:
    if not PUBLISHER.exists() and shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not there: the broker came from outside")
    service.start()
    done = device.run("sh", "-c", snippet("sh"))
    assert (done.returncode, done.stdout) == (0, "kept\n"), done.stderr
    until(lambda: database.totals()["stored"] == 1, "it is stored")
    assert database.rows("SELECT device, time > now() - interval '1 minute' FROM api.readings") == [
        ("shell", True)
    ]
    refused = device.run("sh", "-c", snippet("sh").replace("telemetry/v1/", "elsewhere/"))
    assert (refused.returncode, refused.stdout) == (1, "")


def test_the_javascript_snippet(service: Service, database: Database, device: Device) -> None:
    node = shutil.which("node")
    if node is None or device.run(node, "-e", "require('mqtt')").returncode != 0:
        pytest.skip("node with the package mqtt is not there: set NODE_PATH to where it is installed")
    service.start()
    (device.folder / "device.js").write_text(snippet("js"))
    done = device.run(node, "device.js")
    assert (done.returncode, done.stdout) == (0, "kept\n"), done.stderr
    until(lambda: database.totals()["stored"] == 1, "it is stored")
    (device.folder / "refused.js").write_text(snippet("js").replace("telemetry/v1/", "elsewhere/"))
    refused = device.run(node, "refused.js")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Not authorized" in refused.stderr
