"""mqtts: a broker with a certificate of its own, an authority that signed it, and one that did not."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import urlopen

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.layout import Layout
from deploy.local.relocate import Programs
from deploy.local.servers import Servers
from tests.conftest import ROOT
from tests.ingest.conftest import Database, Service, ago, free_port, until

PROGRAM = Programs.under(Layout(ROOT).packages).mosquitto
NOT_TRUSTED = "The broker's certificate is not trusted ("


class Broker(NamedTuple):
    """A broker that speaks TLS as `localhost`."""

    url: str
    authority: Path
    other_authority: Path


def openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not there to make certificates")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> Path:
    """A certificate authority; its key lies beside it."""
    certificate = folder / f"{name}.crt"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", certificate,
    )  # fmt: skip
    return certificate


def make_certificate(folder: Path, authority: Path) -> Path:
    """The broker's certificate, for localhost."""
    request, extensions, certificate = (folder / f"broker.{end}" for end in ("csr", "ext", "crt"))
    extensions.write_text("subjectAltName=DNS:localhost\n")
    openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
        "-keyout", folder / "broker.key", "-out", request,
    )  # fmt: skip
    openssl(
        "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority.with_suffix(".key"),
        "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate,
    )  # fmt: skip
    return certificate


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture
def broker(servers: Servers, tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own."""
    if not PROGRAM.exists():
        pytest.skip("the broker came from outside: there is no program to start another")
    assert servers.mqtt_url  # the programs are ready to run
    authority, other = make_authority(tmp_path, "good"), make_authority(tmp_path, "other")
    certificate = make_certificate(tmp_path, authority)
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1",
        f"certfile {certificate}",
        f"keyfile {tmp_path / 'broker.key'}",
        "allow_anonymous true",
        *(["user root"] if os.geteuid() == 0 else []),
    ]
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([str(PROGRAM), "-c", str(configuration)], stderr=subprocess.DEVNULL)
    until(lambda: listens(port), "the broker listens")
    yield Broker(f"mqtts://localhost:{port}", authority, other)
    process.terminate()
    process.wait(10)


def publish(broker: Broker, topic: str, payload: str) -> None:
    """As a device that speaks TLS."""
    parts = urlsplit(broker.url)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set_context(ssl.create_default_context(cafile=broker.authority))
    client.connect(parts.hostname or "", parts.port or 0)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_readings_come_over_tls(service: Service, database: Database, broker: Broker, site_id: str) -> None:
    service.start(CARBONFLOW_MQTT_URL=broker.url, CARBONFLOW_MQTT_CA_FILE=str(broker.authority))
    publish(broker, f"telemetry/v1/{site_id}/meter/m1", f'{{"ts": "{ago(5)}", "power_kw": 1}}')
    until(lambda: database.totals()["stored"] == 1, "it is stored")
    assert service.stop() == 0


@pytest.mark.parametrize("wrong", ["authority", "none", "name"])
def test_a_broker_that_is_not_trusted_is_a_sentence_and_gets_nothing(
    service: Service, broker: Broker, wrong: str
) -> None:
    url = broker.url.replace("localhost", "127.0.0.1") if wrong == "name" else broker.url
    authority = {"authority": broker.other_authority, "none": "", "name": broker.authority}[wrong]
    service.launch(CARBONFLOW_MQTT_URL=url, CARBONFLOW_MQTT_CA_FILE=str(authority))
    until(lambda: service.events("broker away"), "it says so")
    problem = service.events("broker away")[0]["problem"]
    assert problem.startswith(NOT_TRUSTED)
    assert problem.count(". ") == 0
    assert "_ssl.c" not in problem
    assert not service.is_ready()
    with urlopen(service.url("/healthz")) as answer:
        assert answer.status == 200
    assert service.stop() == 0


def test_a_port_without_tls_is_a_sentence(service: Service, mqtt_url: str) -> None:
    service.launch(CARBONFLOW_MQTT_URL=mqtt_url.replace("mqtt://", "mqtts://"))
    until(lambda: service.events("broker away"), "it says so")
    problem = service.events("broker away")[0]["problem"]
    # Mosquitto drops what is no MQTT; brokers that answer in plain text get the other sentence.
    assert problem.startswith(("The broker cannot be reached (", "The broker does not speak TLS"))
    assert "_ssl.c" not in problem


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_is_no_certificate_ends_it_with_a_sentence(
    service: Service, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    service.launch(CARBONFLOW_MQTT_URL="mqtts://localhost:1", CARBONFLOW_MQTT_CA_FILE=str(path))
    assert service.wait() == 1
    (line,) = service.log.read_text().splitlines()
    assert line.startswith(f"CARBONFLOW_MQTT_CA_FILE is {path}")
