"""The command."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from services import settings
from services.cli.doctor import broker, database, here
from services.cli.doctor.finding import COLUMNS, Finding, State
from services.cli.output import print_rows
from services.ingest.mqtt import broker_at
from services.settings import Settings


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Look at database, broker, services and disk, and say what is wrong and what to do.

    Nothing is changed, and nothing that waits at the broker is taken. Exit status 1 where anything does not
    work; warnings leave it 0. Wrong settings are all reported before anything else.
    """
    found = asyncio.run(_look(settings.load("database_url", "mqtt_url")))
    print_rows(COLUMNS, found, as_json=as_json)
    if any(each.state is State.FAILURE for each in found):
        raise typer.Exit(1)


async def _look(loaded: Settings) -> list[Finding]:
    return [
        *await database.look(loaded.database_url.get_secret_value()),
        *await broker.look(broker_at(loaded.mqtt_url.get_secret_value(), loaded.mqtt_ca_file)),
        here.service("ingest", loaded.ingest_http_host, loaded.ingest_http_port),
        here.service("analytics", loaded.analytics_http_host, loaded.analytics_http_port),
        here.journal(loaded.journal_dir.expanduser(), loaded.journal_max_bytes),
    ]
