"""`carbonflow up` and `carbonflow down`: the private servers of this clone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local import servers
from deploy.local.errors import SetupError
from deploy.local.progress import LineProgress, Progress

ROOT = Path(__file__).resolve().parents[2]


class SpinnerProgress:
    """A spinner with the elapsed time for the step that is being done."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show `text` while the context lasts."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Bars(*columns, console=self.console, transient=True) as bars:
            bars.add_task(text, total=None)
            yield


def console_progress() -> Progress:
    """Progress on stderr: a spinner on a terminal, plain lines otherwise."""
    console = Console(stderr=True)
    return SpinnerProgress(console) if console.is_terminal else LineProgress()


def up(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the two addresses as one JSON object.")
    ] = False,
) -> None:
    """Start the private TimescaleDB and Mosquitto of this clone, unless they run, and print their addresses.

    The broker's address is that of a user who may publish and subscribe. A server whose address is given in
    CARBONFLOW_DATABASE_URL or CARBONFLOW_MQTT_URL is used instead of a private one.
    """
    try:
        running = servers.ensure_up(ROOT, console_progress())
    except SetupError as error:
        raise _failure(error) from None
    addresses = {"database_url": running.database_url, "mqtt_url": running.operator_mqtt_url}
    if as_json:
        typer.echo(json.dumps(addresses))
    else:
        typer.echo(f"TimescaleDB  {addresses['database_url']}\nMosquitto    {addresses['mqtt_url']}")


def down() -> None:
    """Stop the private servers of this clone; their data stay."""
    try:
        stopped = servers.down(ROOT)
    except SetupError as error:
        raise _failure(error) from None
    typer.echo("Stopped." if stopped else "Nothing was running.")


def _failure(error: SetupError) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(1)
