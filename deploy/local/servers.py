"""Bringing the local servers up and down. Doing either twice is the same as doing it once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import broker, packages, ports, postgres, provision, relocate, teardown
from deploy.local import state as states
from deploy.local.account import Account, server_account
from deploy.local.errors import SetupError
from deploy.local.files import clear_os_errors
from deploy.local.layout import Layout
from deploy.local.lock import locked
from deploy.local.progress import NoProgress, Progress
from deploy.local.relocate import Programs
from deploy.local.state import Server, State

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

    A server whose URL is in `environment` is not started. `shared_packages` are the unpacked packages of
    another clone. Raises SetupError.
    """
    database_url, mqtt_url = environment.get(DATABASE_VARIABLE), environment.get(MQTT_VARIABLE)
    if database_url and mqtt_url:
        return _servers(None, database_url, mqtt_url)
    layout = Layout(root.resolve(), shared_packages)
    progress = progress or NoProgress()
    with clear_os_errors(layout.local), locked(layout.lock, progress):
        state = _start(layout, progress, with_database=not database_url, with_mqtt=not mqtt_url)
        return _servers(state, database_url, mqtt_url)


def down(root: Path) -> bool:
    """Stop what `ensure_up` started in this clone; whether anything ran. Raises SetupError."""
    layout = Layout(root.resolve())
    if not layout.state.exists():
        return False
    with clear_os_errors(layout.local), locked(layout.lock, NoProgress()):
        return teardown.stop_recorded(layout)


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


def ensure_packages(root: Path, progress: Progress | None = None) -> Path:
    """Download and unpack the packages where needed; their folder. Raises SetupError."""
    layout, progress = Layout(root.resolve()), progress or NoProgress()
    with clear_os_errors(layout.local), locked(layout.lock, progress):
        server_account(layout.local).folder(layout.logs)
        _programs(layout, progress)
    return layout.packages


def _start(layout: Layout, progress: Progress, *, with_database: bool, with_mqtt: bool) -> State:
    account = server_account(layout.local)
    account.folder(layout.logs)
    starter = _Starter(layout, account, _programs(layout, progress), _state(layout), progress)
    if with_database:
        starter.database()
    if with_mqtt:
        starter.broker()
    return starter.state


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


@dataclass(frozen=True)
class _Starter:
    """Starts what does not run, and records it."""

    layout: Layout
    account: Account
    programs: Programs
    state: State
    progress: Progress

    def database(self) -> None:
        """Start the database where needed, and give it roles, extension and database."""
        server, log = self.state.database, self.layout.logs / "postgres.log"
        password = self.state.database_passwords[states.SUPERUSER]
        if server.process is not None and server.port is not None and server.running():
            with self.progress.step("Waiting for PostgreSQL"):
                provision.wait_ready(server.process, server.port, password, log, _size(log))
        else:
            self._create_database(password)
            with self.progress.step("Starting PostgreSQL"):
                self._launch_database(password, _rotated(log))
        if not self.state.provisioned and server.port is not None:
            provision.provision(server.port, self.state.database_passwords)
            self.state.provisioned = True
            self._save()

    def _create_database(self, password: str) -> None:
        if (self.layout.postgres / "data").exists():
            return
        self.state.provisioned = False
        self._save()
        with self.progress.step("Making the database"):
            folder, programs = self.layout.postgres, self.programs.postgres_bin
            postgres.create(folder, programs, password, self.account, self.layout.logs / "initdb.log")

    def _launch_database(self, password: str, log: Path) -> None:
        server, folder = self.state.database, self.layout.postgres
        postgres.release(folder)
        for _ in range(_PORT_TRIES):
            server.port = ports.choose(server.port, avoid=_ports_of(self.state.mqtt))
            log_start = _size(log)
            server.process = postgres.start(
                folder, self.programs.postgres_bin, server.port, self.account, log
            )
            self._save()  # before it is ready, so that a killed run leaves no unknown process
            try:
                provision.wait_ready(server.process, server.port, password, log, log_start)
            except postgres.PortTakenError:
                server.port = None
                continue
            return
        raise SetupError("PostgreSQL found no free port: stop some servers and try again.")

    def broker(self) -> None:
        """Start the broker where needed."""
        server, log = self.state.mqtt, self.layout.logs / "mosquitto.log"
        if server.running() and self._broker_answers(log):
            return
        with self.progress.step("Starting Mosquitto"):
            self._launch_broker(_rotated(log))

    def _launch_broker(self, log: Path) -> None:
        server, folder = self.state.mqtt, self.layout.broker
        broker.release(folder, self.programs.mosquitto)
        for _ in range(_PORT_TRIES):
            server.port = ports.choose(server.port, avoid=_ports_of(self.state.database))
            broker.configure(folder, server.port, self.state.mqtt_passwords, self.account)
            server.process = broker.start(folder, self.programs.mosquitto, self.account, log)
            self._save()
            if self._broker_answers(log):
                return
            if ports.is_free(server.port):  # so it was not the port that ended it
                raise SetupError(f"Mosquitto cannot start: {log} says why.")
        raise SetupError("Mosquitto found no free port: stop some servers and try again.")

    def _broker_answers(self, log: Path) -> bool:
        server, user = self.state.mqtt, states.MQTT_USERS[0]
        if server.process is None or server.port is None:
            return False
        return broker.wait_ready(server.process, server.port, user, self.state.mqtt_passwords[user], log)

    def _save(self) -> None:
        states.save(self.state, self.layout.state)


def _ports_of(server: Server) -> list[int]:
    return [server.port] if server.port is not None else []


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _rotated(log: Path) -> Path:
    """The log, moved aside where it has grown large."""
    if _size(log) > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log
