"""docker-compose.yml as an engine would read it, and servers set up by its own scripts."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import runpy
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from deploy.local import broker, ports, postgres
from deploy.local import state as states
from deploy.local.account import server_account
from deploy.local.layout import Layout
from deploy.local.process import wait_until
from deploy.local.progress import LineProgress
from deploy.local.relocate import Programs
from deploy.local.servers import down, ensure_packages, ensure_up

ROOT = Path(__file__).resolve().parents[2]
_REFERENCE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\})")


class UnsetError(Exception):
    """A variable that must be set is not; the message is the one of the compose file."""


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$`, as the Compose specification has them."""

    def value_of(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        value = values.get(match["name"], "")
        if value or match["kind"] is None:
            return value
        if match["kind"] == ":-":
            return match["rest"]
        raise UnsetError(f"{match['name']} {match['rest']}")

    return _REFERENCE.sub(value_of, text)


def env_values(text: str) -> dict[str, str]:
    """The lines NAME=value of an env file."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@dataclass(frozen=True)
class Compose:
    """The stack: its text, and what an engine makes of it with a filled `.env`."""

    text: str
    env: dict[str, str]

    @property
    def document(self) -> dict[str, Any]:
        """With variables in place and aliases merged."""
        document: dict[str, Any] = yaml.safe_load(interpolate(self.text, self.env))
        return document

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        services: dict[str, dict[str, Any]] = self.document["services"]
        return services


@pytest.fixture(scope="session")
def env_example() -> str:
    return (ROOT / ".env.example").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def compose(env_example: str) -> Compose:
    """The stack with an `.env` as make_env.py writes it."""
    filled = runpy.run_path(str(ROOT / "deploy/docker/make_env.py"))["filled"]
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return Compose(text, env_values(filled(env_example)))


@pytest.fixture(scope="session")
def packages() -> Path:
    """The unpacked server packages of this clone. Skips where the servers come from outside."""
    if "CARBONFLOW_DATABASE_URL" in os.environ:
        pytest.skip("the servers came from outside: there are no packages to start others from")
    return ensure_packages(ROOT, LineProgress())


@dataclass(frozen=True)
class Backing:
    """A database and a broker, set up by what the containers of the stack run; and where they listen."""

    database_port: int
    mqtt_port: int


@pytest.fixture(scope="module")
def backing(compose: Compose, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backing]:
    """PostgreSQL with the roles of 100_roles.sql, and Mosquitto as start.sh starts it."""
    clone = tmp_path_factory.mktemp("stack")
    try:
        database_port = _database(clone, packages, compose)
        with _broker(clone / "broker", packages, compose) as mqtt_port:
            yield Backing(database_port, mqtt_port)
    finally:
        down(clone)


def _database(clone: Path, packages: Path, compose: Compose) -> int:
    ensure_up(clone, environment={"CARBONFLOW_MQTT_URL": "mqtt://not-needed:1883"}, shared_packages=packages)
    state = states.load(Layout(clone).state)
    assert state is not None
    assert state.database.port is not None
    url = postgres.url(
        states.SUPERUSER, state.database_passwords[states.SUPERUSER], state.database.port, "{}"
    )
    with psycopg.connect(url.format("postgres"), autocommit=True) as superuser:
        # As the image leaves it: a database of the superuser's with the extension, and no role.
        superuser.execute("DROP DATABASE carbonflow")
        for role in states.LOGIN_ROLES:
            superuser.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        superuser.execute("CREATE DATABASE carbonflow")
    psql = [str(packages / "usr/lib/postgresql/17/bin/psql"), "--no-psqlrc", url.format("carbonflow")]
    script = str(ROOT / "deploy/docker/postgres/100_roles.sql")
    for _ in range(2):  # the second time as when passwords are changed
        subprocess.run([*psql, "--file", script], env=compose.env, check=True, capture_output=True)
    return state.database.port


@contextmanager
def _broker(folder: Path, packages: Path, compose: Compose) -> Iterator[int]:
    account = server_account(folder.parent)
    port = ports.choose(None)
    for name in ("", "bin", "config", "config/conf.d", "secrets", "data", "accounts"):
        account.folder(folder / name)
    shipped = ROOT / "deploy/mosquitto"
    main = (shipped / "mosquitto.conf").read_text().replace("/mosquitto/", f"{folder}/")
    _write(folder / "config/mosquitto.conf", main.replace("listener 1883", f"listener {port} 127.0.0.1"))
    _write(folder / "config/acl.conf", (shipped / "acl.conf").read_text())
    _write(folder / "config/conf.d/carbonflow.conf", (shipped / "carbonflow.conf").read_text())
    # As the image's mosquitto_passwd makes it, for the user press-hall-3 with the password "secret".
    _write(folder / "accounts/passwords", broker_account("press-hall-3", "secret"))
    _programs(folder / "bin", packages)
    environment = compose.services["mosquitto"]["environment"] | {
        "PATH": f"{folder}/bin:/usr/bin:/bin",
        "MOSQUITTO_SECRETS": f"{folder}/secrets",
        "MOSQUITTO_ACCOUNTS": f"{folder}/accounts",
        "MOSQUITTO_CONFIGURATION": f"{folder}/config/mosquitto.conf",
    }
    command = account.command(["/bin/sh", str(ROOT / "deploy/docker/mosquitto/start.sh")])
    log = folder / "log"
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=environment, stdout=file, stderr=file) as started,
    ):
        try:
            password = compose.env["MQTT_OPERATOR_PASSWORD"]
            answered = wait_until(
                lambda: started.poll() is not None or broker.accepts(port, "carbonflow", password), 30
            )
            assert answered
            assert started.poll() is None, log.read_text()
            yield port
        finally:
            started.terminate()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def broker_account(user: str, password: str) -> str:
    """A line of a Mosquitto password file: PBKDF2 with SHA-512 over a salt."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101, dklen=64)
    return f"{user}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"


def _programs(folder: Path, packages: Path) -> None:
    """`mosquitto` and `mosquitto_passwd` for start.sh, out of the unpacked packages."""
    (folder / "mosquitto").symlink_to(Programs.under(packages).mosquitto)
    (loader,) = packages.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*")
    passwd = folder / "mosquitto_passwd"
    passwd.write_text(
        f'#!/bin/sh\nexec "{loader}" --library-path "{loader.parent}" "{packages}/usr/bin/mosquitto_passwd"'
        ' "$@"\n'
    )
    passwd.chmod(0o755)
