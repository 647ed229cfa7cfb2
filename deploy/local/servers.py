"""Bringing the local servers up and down. Doing either twice is the same as doing it once."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import broker, packages, ports, postgres, process, relocate
from deploy.local import state as states
from deploy.local.account import Account, server_account
from deploy.local.errors import SetupError
from deploy.local.files import clear_os_errors
from deploy.local.layout import Layout
from deploy.local.progress import NoProgress, Progress
from deploy.local.relocate import Programs
from deploy.local.state import State

DATABASE_VARIABLE = "CARBONFLOW_DATABASE_URL"
MQTT_VARIABLE = "CARBONFLOW_MQTT_URL"
_PORT_TRIES = 5
_LOG_LIMIT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Servers:
    """Where the servers are, for each kind of client."""

    database_url: str
    """The database `carbonflow` as its owner."""
    mqtt_url: str
    """The broker as the ingest service."""
    device_mqtt_url: str
    """The broker as a device."""
    operator_mqtt_url: str
    """The broker as a user who may publish and subscribe everything of Carbonflow's."""
    role_urls: Mapping[str, str]

    def role_url(self, role: str) -> str:
        """The database `carbonflow` as `role`, such as `carbonflow_ops` or just `ops`."""
        name = role if role.startswith("carbonflow_") else f"carbonflow_{role}"
        return self.role_urls[name]


def ensure_up(
    root: Path,
    progress: Progress | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    shared_packages: Path | None = None,
) -> Servers:
    """Start what does not run yet and say where it is.

    A server whose URL is in `environment` is not started. `shared_packages` are the unpacked packages of another
    clone. Raises SetupError.
    """
    database_url, mqtt_url = environment.get(DATABASE_VARIABLE), environment.get(MQTT_VARIABLE)
    if database_url and mqtt_url:
        return _servers(None, database_url, mqtt_url)
    layout = Layout(root.resolve(), shared_packages)
    progress = progress or NoProgress()
    with clear_os_errors(layout.local), _locked(layout, progress):
        state = _start(layout, progress, with_database=not database_url, with_mqtt=not mqtt_url)
        return _servers(state, database_url, mqtt_url)


def down(root: Path) -> bool:
    """Stop what `ensure_up` started in this clone; whether anything ran. Raises SetupError."""
    layout = Layout(root.resolve())
    if not layout.state.exists():
        return False
    with clear_os_errors(layout.local), _locked(layout, NoProgress()):
        return stop_recorded(layout)


def stop_recorded(layout: Layout) -> bool:
    """Stop the processes in the state file; whether anything ran."""
    state = states.load(layout.state)
    if state is None:
        return False
    ran = False
    for server, signals in ((state.mqtt, broker.STOP_SIGNALS), (state.database, postgres.STOP_SIGNALS)):
        if server.process is not None and server.process.alive():
            ran = True
            if not process.stop(server.process, signals):
                raise SetupError(f"Process {server.process.pid} does not end: stop it by hand and try again.")
        server.process = None
    states.save(state, layout.state)
    return ran


def _servers(state: State | None, database_url: str | None, mqtt_url: str | None) -> Servers:
    """The addresses, those given from outside before our own."""

    def role_url(role: str) -> str:
        if database_url or state is None or state.database.port is None:
            return database_url or ""
        return postgres.url(role, state.database_passwords[role], state.database.port)

    def user_url(user: str) -> str:
        if mqtt_url or state is None or state.mqtt.port is None:
            return mqtt_url or ""
        return broker.url(user, state.mqtt_passwords[user], state.mqtt.port)

    return Servers(
        database_url=role_url(states.OWNER),
        mqtt_url=user_url("ingest"),
        device_mqtt_url=user_url("devices"),
        operator_mqtt_url=user_url("carbonflow"),
        role_urls={role: role_url(role) for role in states.LOGIN_ROLES},
    )


@contextmanager
def _locked(layout: Layout, progress: Progress) -> Iterator[None]:
    """Hold the clone's lock; a second command waits for the first."""
    layout.local.mkdir(parents=True, exist_ok=True)
    layout.local.chmod(0o755)  # the servers' account passes through it; what is secret in it is 0600
    with layout.lock.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another command that starts or stops these servers"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(layout: Layout, progress: Progress, *, with_database: bool, with_mqtt: bool) -> State:
    account = server_account(layout.local)
    account.folder(layout.logs)
    programs = _programs(layout, progress)
    state = _state(layout)
    if with_database:
        _start_database(layout, state, programs, account, progress)
    if with_mqtt:
        _start_broker(layout, state, programs, account, progress)
    return state


def _programs(layout: Layout, progress: Progress) -> Programs:
    if not layout.packages.exists():
        log = layout.logs / "packages.log"
        packages.fetch(packages.SERVERS, layout.apt, layout.packages, log, progress)
    return relocate.relocate(layout.packages)


def _state(layout: Layout) -> State:
    state = states.load(layout.state)
    if state is None:
        if (layout.postgres / "data").exists():
            raise SetupError(
                f"{layout.state} with the database's passwords is gone: run `make clean` and start again "
                "(local data are lost)."
            )
        state = states.new_state()
        states.save(state, layout.state)
    return state


def _start_database(
    layout: Layout, state: State, programs: Programs, account: Account, progress: Progress
) -> None:
    password = state.database_passwords[states.SUPERUSER]
    log = _rotated(layout.logs / "postgres.log")
    server = state.database
    if server.process is not None and server.running() and server.port is not None:
        with progress.step("Waiting for PostgreSQL"):
            postgres.wait_ready(server.process, server.port, password, log)
    else:
        if not (layout.postgres / "data").exists():
            with progress.step("Making the database"):
                postgres.create(layout.postgres, programs.postgres_bin, password, account, log)
        with progress.step("Starting PostgreSQL"):
            _launch_database(layout, state, programs, account, log)
    if not state.provisioned and server.port is not None:
        postgres.provision(server.port, state.database_passwords)
        state.provisioned = True
        states.save(state, layout.state)


def _launch_database(layout: Layout, state: State, programs: Programs, account: Account, log: Path) -> None:
    server = state.database
    for _ in range(_PORT_TRIES):
        server.port = ports.choose(server.port, avoid=_other_ports(state.mqtt))
        try:
            server.process = postgres.start(layout.postgres, programs.postgres_bin, server.port, account, log)
            states.save(state, layout.state)  # before it is ready, so that a killed run leaves no unknown process
            postgres.wait_ready(server.process, server.port, state.database_passwords[states.SUPERUSER], log)
        except postgres.PortTaken:
            server.port = None
            continue
        return
    raise SetupError("PostgreSQL found no free port: stop some servers and try again.")


def _start_broker(layout: Layout, state: State, programs: Programs, account: Account, progress: Progress) -> None:
    server = state.mqtt
    log = _rotated(layout.logs / "mosquitto.log")
    user, password = next(iter(state.mqtt_passwords.items()))
    if server.process is not None and server.port is not None and server.running():
        if broker.wait_ready(server.process, server.port, user, password, log):
            return
    with progress.step("Starting Mosquitto"):
        for _ in range(_PORT_TRIES):
            server.port = ports.choose(server.port, avoid=_other_ports(state.database))
            configuration = broker.configure(layout.broker, server.port, state.mqtt_passwords, account)
            server.process = broker.start(configuration, programs.mosquitto, account, log)
            states.save(state, layout.state)
            if server.process and broker.wait_ready(server.process, server.port, user, password, log):
                return
            if ports.is_free(server.port):  # so the port was not what ended it
                raise SetupError(f"Mosquitto cannot start: {log} says why.")
    raise SetupError("Mosquitto found no free port: stop some servers and try again.")


def _other_ports(server: states.Server) -> list[int]:
    return [server.port] if server.port is not None else []


def _rotated(log: Path) -> Path:
    """The log, moved aside where it has grown large."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log
