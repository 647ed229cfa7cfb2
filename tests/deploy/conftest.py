"""docker-compose.yml as an engine would read it, and servers set up by its own scripts."""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.progress import LineProgress
from deploy.local.servers import ensure_packages

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
