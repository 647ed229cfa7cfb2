"""The command `carbonflow`: finds the subcommand, and turns known errors into one sentence.

A subcommand's module is imported when it runs, not before: `carbonflow --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from services.cli.plain import PLAIN


class Entry(NamedTuple):
    """A subcommand: where its function (or Typer application) is, and what it does in a line."""

    target: str
    help: str


COMMANDS: Final = MappingProxyType(
    {
        "demo": Entry("services.cli.demo.command:demo", "Run everything here with a simulated fleet."),
        "up": Entry("services.cli.servers:up", "Start the private TimescaleDB and Mosquitto of this clone."),
        "down": Entry(
            "services.cli.servers:down", "Stop the private servers of this clone; their data stay."
        ),
        "migrate": Entry("services.cli.migrate:migrate", "Bring the database to this version's schema."),
        "ingest": Entry("services.cli.ingest:ingest", "Take readings from the broker and store them."),
        "analytics": Entry("services.cli.analytics:analytics", "Keep the hourly ledger and serve the board."),
        "simulate": Entry("services.cli.simulate:simulate", "Publish as a fleet of simulated devices."),
        "replay": Entry("services.cli.replay:replay", "Publish the readings of a file."),
        "registry": Entry("services.cli.registry:app", "Apply or show the registry of sites and devices."),
        "check": Entry("services.cli.check:check", "Say what would happen to a payload, storing nothing."),
        "schema": Entry("services.cli.schema:schema", "Print the JSON Schema of a kind's payload."),
        "deadletters": Entry("services.cli.deadletters:app", "See, replay or accept dead letters."),
        "readings": Entry("services.cli.readings:app", "Void or correct stored readings; the raw ones stay."),
        "findings": Entry("services.cli.findings:findings", "List what is strange in stored readings."),
        "emissions": Entry(
            "services.cli.emissions:emissions", "What was reported on a day, and why it differs."
        ),
        "partitions": Entry("services.cli.partitions:app", "See which ingest takes which sites; retire one."),
        "factors": Entry("services.cli.factors:app", "List the published emission factors, or load a table."),
        "explain": Entry("services.cli.explain:explain", "How an hour's CO2 came about, computed again."),
        "calc": Entry("services.cli.calc.app:app", "Compute one set of values, with every value on the way."),
        "doctor": Entry(
            "services.cli.doctor.command:doctor", "Look at all parts, and say what is wrong and what to do."
        ),
        "bench": Entry("services.cli.bench:bench", "Measure speed, latency and memory on this machine."),
    }
)

BAD_USE: Final = 2
FAILURE: Final = 1


class _Lazy(TyperCommand):
    """A subcommand that is imported when it is run or asked for its own help."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, short_help=entry.help)
        self._target = entry.target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command, which it then runs in."""
        return load(self.name or "", self._target).make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    """The subcommands of COMMANDS, in that order."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, name: str) -> TyperCommand | None:
        entry = COMMANDS.get(name)
        return None if entry is None else _Lazy(name, entry)


def load(name: str, target: str) -> Any:
    """Import a subcommand. A Typer application stays a group, a function becomes a command."""
    module, _, attribute = target.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        application = typer.Typer(**PLAIN)
        application.command(name)(found)
        found = application
    return typer.main.get_command(found)


app = typer.Typer(cls=_Commands, no_args_is_help=True, **PLAIN)


@app.callback()
def carbonflow() -> None:
    """IoT telemetry into TimescaleDB, and live and hourly CO2 from it."""


def _known_errors() -> tuple[type[BaseException], ...]:
    """The errors whose message is meant for people. Asked for only once something was raised."""
    import psycopg

    from deploy.local.errors import SetupError
    from services.analytics.errors import AnalyticsError
    from services.cli.calc.errors import CalculationError
    from services.domain.factors import FactorTableError
    from services.domain.registry.problems import RegistryError
    from services.ingest.errors import IngestError
    from services.settings import SettingsError
    from services.store.errors import StoreError
    from simulators.errors import SimulatorError

    return (
        AnalyticsError,
        CalculationError,
        FactorTableError,
        IngestError,
        OSError,
        psycopg.Error,
        RegistryError,
        SettingsError,
        SetupError,
        SimulatorError,
        StoreError,
    )


def sentence(error: BaseException) -> str:
    """What a person is told of an error."""
    import psycopg

    from services.store.errors import explain

    if isinstance(error, psycopg.Error):
        return explain(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _status(error: BaseException) -> int:
    from services.settings import SettingsError

    return BAD_USE if isinstance(error, SettingsError) else FAILURE


def main() -> None:
    """Run the command line. Exits 0, 1 for failure, 2 for bad use."""
    try:
        app()
    except SystemExit:
        raise  # before the next line imports what it compares with
    except _known_errors() as error:
        typer.echo(sentence(error), err=True)
        sys.exit(_status(error))


if __name__ == "__main__":
    main()
