"""What is remembered between two starts: ports, passwords and process ids."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.errors import SetupError
from deploy.local.files import write_atomic
from deploy.local.process import ProcessId


class DamagedStateError(SetupError):
    """The state file cannot be read."""


SUPERUSER = "postgres"
OWNER = "carbonflow_owner"
LOGIN_ROLES = (OWNER, "carbonflow_ingest", "carbonflow_analytics", "carbonflow_ops", "carbonflow_grafana")
READER_ROLES = ("carbonflow_ops", "carbonflow_grafana")
"""People and dashboards: no query of theirs may hold the database for long."""
MQTT_USERS = ("carbonflow", "ingest", "devices")


@dataclass
class Server:
    """One server: where it listens and which process it is."""

    port: int | None = None
    process: ProcessId | None = None

    def running(self) -> bool:
        """Whether the recorded process still runs."""
        return self.process is not None and self.process.alive()


@dataclass
class State:
    """The content of `.local/servers.json`."""

    database_passwords: dict[str, str]
    mqtt_passwords: dict[str, str]
    database: Server = field(default_factory=Server)
    mqtt: Server = field(default_factory=Server)
    provisioned: bool = False
    """Roles, extension and database exist."""


def new_state() -> State:
    """A state with a fresh password for every user."""
    return State(
        database_passwords={role: secrets.token_hex(16) for role in (SUPERUSER, *LOGIN_ROLES)},
        mqtt_passwords={user: secrets.token_hex(16) for user in MQTT_USERS},
    )


def save(state: State, path: Path) -> None:
    """Write the state so that only its owner can read it."""
    write_atomic(path, json.dumps(asdict(state), indent=2) + "\n", mode=0o600)


def load(path: Path) -> State | None:
    """The saved state; None where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return _from_json(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedStateError(
            f"{path} is damaged: run `make clean` and start again (local data are lost)."
        ) from error


def _from_json(content: dict[str, object]) -> State:
    saved = dict(content)
    database = _server(saved.pop("database"))
    mqtt = _server(saved.pop("mqtt"))
    return State(database=database, mqtt=mqtt, **saved)  # type: ignore[arg-type]


def _server(content: object) -> Server:
    if not isinstance(content, dict):
        raise TypeError("not a server")
    process = content["process"]
    return Server(port=content["port"], process=ProcessId(**process) if process else None)
