"""`carbonflow up` and `carbonflow down` as a person or a script calls them."""

import json

import pytest
import typer
from typer.testing import CliRunner

from services.cli import servers

GIVEN = {
    "CARBONFLOW_DATABASE_URL": "postgresql://user@127.0.0.1:1/carbonflow",
    "CARBONFLOW_MQTT_URL": "mqtt://user@127.0.0.1:2",
}


@pytest.fixture
def app() -> typer.Typer:
    """The two commands alone."""
    commands = typer.Typer()
    commands.command()(servers.up)
    commands.command()(servers.down)
    return commands


def test_json_is_exactly_the_two_addresses(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["up", "--json"], env=GIVEN)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "database_url": GIVEN["CARBONFLOW_DATABASE_URL"],
        "mqtt_url": GIVEN["CARBONFLOW_MQTT_URL"],
    }


def test_a_person_sees_both_addresses(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["up"], env=GIVEN)
    assert all(address in done.stdout for address in GIVEN.values())


@pytest.mark.parametrize("command", ["up", "down"])
def test_bad_use_ends_with_status_2(app: typer.Typer, command: str) -> None:
    assert CliRunner().invoke(app, [command, "--nonsense"], env=GIVEN).exit_code == 2


@pytest.mark.parametrize("command", ["up", "down"])
def test_help_tells_what_it_does(app: typer.Typer, command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert "TimescaleDB" in done.stdout or "private servers" in done.stdout
