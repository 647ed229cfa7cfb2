"""The real private servers, in a clone of the test's own that shares the unpacked packages."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from psycopg import sql

from deploy.local import broker, ports, postgres, process
from deploy.local import state as states
from deploy.local.account import server_account
from deploy.local.errors import SetupError
from deploy.local.files import write_atomic
from deploy.local.layout import Layout
from deploy.local.progress import LineProgress
from deploy.local.relocate import Programs
from deploy.local.servers import Servers, down, ensure_packages, ensure_up
from deploy.local.state import State

ROOT = Path(__file__).resolve().parents[2]
READING = "telemetry/v1/site/meter/m1"
RESULT = f"{READING}/result"
_END = b"end"


@pytest.fixture(scope="module")
def packages() -> Path:
    """The unpacked packages of the real clone."""
    return ensure_packages(ROOT, LineProgress())


@pytest.fixture(scope="module")
def root(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone in which an earlier set-up was killed while it made the database."""
    clone = tmp_path_factory.mktemp("clone")
    junk = Layout(clone).postgres / "data.new"
    junk.mkdir(parents=True)
    (junk / "PG_VERSION").write_text("")
    ensure_up(clone, environment={}, shared_packages=packages)
    yield clone
    down(clone)


@pytest.fixture
def up(root: Path, packages: Path) -> Servers:
    """The clone's servers, running."""
    return ensure_up(root, environment={}, shared_packages=packages)


def _state(root: Path) -> State:
    state = states.load(Layout(root).state)
    assert state is not None
    return state


def _kill(server: states.Server) -> None:
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    assert process.wait_until(lambda: not server.running(), 10)


def _listening(port: int) -> set[str]:
    """The addresses on which a port listens, from proc(5)."""
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found


def _left_running(root: Path, packages: Path) -> list[process.ProcessId]:
    layout, programs = Layout(root), Programs.under(packages)
    return [
        *process.working_in(layout.postgres / "data", "postgres"),
        *process.find(postgres.command(programs.postgres_bin, layout.postgres)),
        *process.find(broker.command(programs.mosquitto, layout.broker)),
    ]


def test_up_again_changes_nothing(root: Path, packages: Path, up: Servers) -> None:
    before = _state(root)
    assert ensure_up(root, environment={}, shared_packages=packages) == up
    assert _state(root) == before


def test_commands_at_the_same_time_wait_for_each_other(root: Path, packages: Path) -> None:
    down(root)
    with ThreadPoolExecutor() as pool:
        started = [pool.submit(ensure_up, root, environment={}, shared_packages=packages) for _ in range(3)]
        first, *others = [each.result() for each in started]
    assert all(each == first for each in others)
    assert len(process.find(broker.command(Programs.under(packages).mosquitto, Layout(root).broker))) == 1


def test_data_and_addresses_stay_over_down_and_up(root: Path, packages: Path, up: Servers) -> None:
    with psycopg.connect(up.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    down(root)
    again = ensure_up(root, environment={}, shared_packages=packages)
    assert again == up
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(7,)]


def test_killed_servers_come_back_with_what_was_committed(root: Path, packages: Path, up: Servers) -> None:
    with psycopg.connect(up.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE committed AS SELECT 8 AS value")
    state = _state(root)
    _kill(state.database)
    _kill(state.mqtt)
    again = ensure_up(root, environment={}, shared_packages=packages)
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT value FROM committed").fetchall() == [(8,)]
    assert _connect(again.mqtt_url) == 0


def test_a_lock_file_with_another_programs_id_does_not_block(root: Path, packages: Path, up: Servers) -> None:
    _kill(_state(root).database)
    lock = Layout(root).postgres / "data/postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert ensure_up(root, environment={}, shared_packages=packages) == up


def test_servers_that_a_killed_command_did_not_record_are_replaced(
    root: Path, packages: Path, up: Servers
) -> None:
    state = _state(root)
    unrecorded = state.database.process, state.mqtt.process
    state.database.process = state.mqtt.process = None
    states.save(state, Layout(root).state)
    assert ensure_up(root, environment={}, shared_packages=packages) == up
    assert not any(each and each.alive() for each in unrecorded)


def test_a_taken_port_is_replaced(root: Path, packages: Path, up: Servers) -> None:
    down(root)
    old = urlsplit(up.database_url).port, urlsplit(up.mqtt_url).port
    with (
        socket.create_server((ports.LOOPBACK, old[0] or 0)),
        socket.create_server((ports.LOOPBACK, old[1] or 0)),
    ):
        again = ensure_up(root, environment={}, shared_packages=packages)
    new = urlsplit(again.database_url).port, urlsplit(again.mqtt_url).port
    assert not set(old) & set(new)
    assert _connect(again.mqtt_url) == 0


@pytest.mark.usefixtures("up")
def test_down_leaves_no_process_and_can_be_repeated(root: Path, packages: Path) -> None:
    assert _left_running(root, packages)
    assert down(root)
    assert _left_running(root, packages) == []
    assert not down(root)


def test_down_without_a_set_up_does_nothing(tmp_path: Path) -> None:
    assert not down(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_given_addresses_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    given = {"CARBONFLOW_DATABASE_URL": "postgresql://db", "CARBONFLOW_MQTT_URL": "mqtt://broker"}
    servers = ensure_up(tmp_path, environment=given)
    assert servers.database_url == servers.role_url("ops") == "postgresql://db"
    assert servers.mqtt_url == servers.device_mqtt_url == servers.operator_mqtt_url == "mqtt://broker"
    assert list(tmp_path.iterdir()) == []


def test_lost_passwords_are_a_sentence(root: Path, packages: Path, up: Servers) -> None:  # noqa: ARG001
    state = Layout(root).state
    kept = state.read_text()
    state.unlink()
    try:
        with pytest.raises(SetupError, match="make clean"):
            ensure_up(root, environment={}, shared_packages=packages)
    finally:
        write_atomic(state, kept, mode=0o600)


def test_the_database_asks_for_passwords(up: Servers) -> None:
    wrong = up.database_url.replace(urlsplit(up.database_url).password or "", "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_both_listen_on_loopback_alone(up: Servers) -> None:
    for url in (up.database_url, up.mqtt_url):
        assert _listening(urlsplit(url).port or 0) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("max_connections", "200"),
        ("jit", "off"),
        ("timezone", "UTC"),
        ("timescaledb.telemetry_level", "off"),
    ],
)
def test_the_database_is_set_as_in_production(up: Servers, setting: str, value: str) -> None:
    with psycopg.connect(up.database_url) as connection:
        assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (value,)


@pytest.mark.parametrize("role", ["ingest", "analytics", "ops", "grafana", "owner"])
def test_each_role_logs_in_as_itself(up: Servers, role: str) -> None:
    with psycopg.connect(up.role_url(role)) as connection:
        row = connection.execute(
            "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (f"carbonflow_{role}", False)


def test_the_owner_makes_group_roles_and_clones_databases_with_timescaledb(up: Servers) -> None:
    template, url = "template_of_test", urlsplit(up.database_url)
    with psycopg.connect(up.database_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE readers_of_test NOLOGIN")
        owner.execute("GRANT readers_of_test TO carbonflow_ops")
        owner.execute("CREATE DATABASE template_of_test")
        with psycopg.connect(url._replace(path=f"/{template}").geturl(), autocommit=True) as connection:
            connection.execute("CREATE TABLE reading (time timestamptz NOT NULL, value float8)")
            connection.execute("SELECT create_hypertable('reading', 'time')")
            connection.execute("INSERT INTO reading VALUES (now(), 1)")
        for number in range(5):
            name = sql.Identifier(f"clone_{number}")
            owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template_of_test").format(name))
            with psycopg.connect(url._replace(path=f"/clone_{number}").geturl(), autocommit=True) as clone:
                clone.execute("INSERT INTO reading VALUES (now() - interval '30 days', 2)")
                assert clone.execute("SELECT count(*) FROM reading").fetchone() == (2,)
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        owner.execute("DROP DATABASE template_of_test WITH (FORCE)")
        owner.execute("DROP ROLE readers_of_test")


@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        ("carbonflow", READING, True),
        ("carbonflow", "other/topic", False),
        ("ingest", RESULT, True),
        ("ingest", READING, False),
        ("devices", READING, True),
        ("devices", f"{READING}/state", True),
        ("devices", "telemetry/v2/site/meter/m1", False),
    ],
)
def test_who_may_publish_where(up: Servers, user: str, topic: str, *, allowed: bool) -> None:
    assert _publish(_user_url(up, user), topic) is allowed


@pytest.mark.parametrize(
    ("user", "pattern", "topic", "allowed"),
    [
        ("carbonflow", "telemetry/v1/#", READING, True),
        ("ingest", "telemetry/v1/#", READING, True),
        ("devices", "telemetry/v1/#", READING, False),
        ("devices", RESULT, RESULT, True),
    ],
)
def test_who_receives_what(up: Servers, user: str, pattern: str, topic: str, *, allowed: bool) -> None:
    assert _receives(_user_url(up, user), pattern, up.operator_mqtt_url, topic) is allowed


def test_nobody_gets_in_without_the_password(up: Servers) -> None:
    url = urlsplit(up.mqtt_url)
    assert _connect(f"mqtt://ingest:wrong@{url.hostname}:{url.port}") != 0
    assert _connect(f"mqtt://{url.hostname}:{url.port}") != 0


def test_a_payload_far_above_the_limit_still_reaches_the_consumer(up: Servers) -> None:
    """It must become a dead letter; a broker that drops it would tell the publisher that it arrived."""
    assert _receives(
        up.mqtt_url, "telemetry/v1/#", up.device_mqtt_url, READING, payload=bytes(4 * 1024 * 1024)
    )


def _user_url(servers: Servers, user: str) -> str:
    urls = {
        "carbonflow": servers.operator_mqtt_url,
        "ingest": servers.mqtt_url,
        "devices": servers.device_mqtt_url,
    }
    return urls[user]


class _Client:
    """A paho client with events for what a test waits for."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.connected, self.subscribed, self.published, self.ended = Event(), Event(), Event(), Event()
        self.reasons: list[ReasonCode] = []
        self.payloads: list[bytes] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if self.parts.username:
            self.client.username_pw_set(self.parts.username, self.parts.password)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._on_message
        self.client.on_publish = self._on_publish

    def __enter__(self) -> "_Client":
        self.client.connect(self.parts.hostname or "", self.parts.port or 0)
        self.client.loop_start()
        assert self.connected.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(
        self,
        _client: mqtt.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.reasons.append(reason)
        self.connected.set()

    def _on_publish(
        self, _client: mqtt.Client, _data: object, _mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        self.reasons.append(reason)
        self.published.set()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.payloads.append(bytes(message.payload))
        if message.payload == _END:
            self.ended.set()


def _connect(url: str) -> int:
    """The reason code of CONNACK; 0 is success."""
    with _Client(url) as client:
        return int(client.reasons[0].value)


def _publish(url: str, topic: str, payload: bytes = b"{}") -> bool:
    """Whether the broker accepted a message (PUBACK without an error)."""
    with _Client(url) as client:
        client.client.publish(topic, payload, qos=1)
        assert client.published.wait(30)
        return not client.reasons[-1].is_failure


def _receives(url: str, pattern: str, publisher: str, topic: str, payload: bytes = b"reading") -> bool:
    """Whether a subscriber gets what a publisher sends, by the time it gets what was sent after it."""
    with _Client(url) as client:
        client.client.subscribe([(pattern, SubscribeOptions(qos=1)), (RESULT, SubscribeOptions(qos=1))])
        assert client.subscribed.wait(10)
        assert _publish(publisher, topic, payload)
        assert _publish(publisher, RESULT, _END)
        assert client.ended.wait(30)
        return payload in client.payloads


def test_the_container_configuration_is_valid(packages: Path, tmp_path: Path) -> None:
    """Mosquitto reads it, its container paths replaced, and then ends on a port that it cannot have."""
    config = tmp_path / "config/conf.d"
    config.mkdir(parents=True)
    shutil.copy(broker.SHIPPED / "carbonflow.conf", config)
    shutil.copy(broker.SHIPPED / "acl.conf", tmp_path / "config")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/passwords").write_text("")
    main = (broker.SHIPPED / "mosquitto.conf").read_text().replace("/mosquitto/", f"{tmp_path}/")
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "mosquitto.conf").write_text(
            main.replace("listener 1883", f"listener {port} {ports.LOOPBACK}")
        )
        command = [str(Programs.under(packages).mosquitto), "-c", str(tmp_path / "mosquitto.conf")]
        command = server_account(tmp_path).command(command)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert "Address already in use" in done.stdout + done.stderr
    assert "Error found" not in done.stdout + done.stderr
