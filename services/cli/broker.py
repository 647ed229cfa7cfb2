"""What commands share that publish to a broker."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.settings import load
from simulators.errors import ConfigError

MqttUrl = Annotated[
    str | None, typer.Option(help="mqtt://user:password@host:port. Default: CARBONFLOW_MQTT_URL.")
]


def broker(url: str | None) -> tuple[str, Path | None]:
    """The broker's address and the authority behind it, as given or set. Raises SettingsError."""
    settings = load() if url is not None else load("mqtt_url")
    return url or settings.mqtt_url.get_secret_value(), settings.mqtt_ca_file


@contextmanager
def bad_use() -> Iterator[None]:
    """What makes no sense ends with one clear message on stderr and exit status 2."""
    try:
        yield
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def stop_on_signals(stop: asyncio.Event) -> None:
    """The first Ctrl-C or SIGTERM sets `stop`; the next one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first, number)
