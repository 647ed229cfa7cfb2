"""`carbonflow partitions`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from services import settings
from services.cli.output import print_rows
from services.cli.plain import PLAIN
from services.ingest.connection import BrokerRefusedError, ConnectionLostError
from services.ingest.errors import IngestError
from services.ingest.mqtt import broker_at
from services.ingest.retire import end_session
from services.store import partitions as store
from services.store.errors import StoreError
from services.store.partitions import Partition
from services.store.pool import connect

app = typer.Typer(no_args_is_help=True, **PLAIN)


@app.callback()
def partitions() -> None:
    """See which ingest takes which sites; retire one."""


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List ingest processes, their sites (# for all), and when each was last seen."""
    url = settings.load("database_url").database_url.get_secret_value()
    print_rows(store.LISTED, asyncio.run(_list(url)), as_json=as_json)


@app.command()
def retire(
    client: Annotated[
        str, typer.Argument(metavar="CLIENT", help="Client id of an ingest that has stopped for good.")
    ],
    lose: Annotated[
        bool, typer.Option("--lose", help="Also where that leaves sites that no other ingest takes.")
    ] = False,
) -> None:
    """End the session of an ingest at the broker, with all that waits in it, and forget its sites.

    Else the broker keeps what its sites send, for nobody, until its memory is full.
    """
    loaded = settings.load("database_url", "mqtt_url")
    asyncio.run(_retire(loaded, client, lose=lose))
    typer.echo(f"{client} is retired.")


async def _list(url: str) -> list[tuple[object, ...]]:
    async with await connect(url, name="carbonflow partitions") as connection:
        return await store.list_partitions(connection)


async def _retire(loaded: settings.Settings, client: str, *, lose: bool) -> None:
    broker = broker_at(loaded.mqtt_url.get_secret_value(), loaded.mqtt_ca_file)
    url = loaded.database_url.get_secret_value()
    async with await connect(url, name="carbonflow partitions", autocommit=True) as connection:
        refusal = why_not(client, await store.partitions(connection), lose=lose)
        if refusal is not None:
            raise StoreError(refusal)
        try:
            await end_session(broker, client, lambda: datetime.now(UTC))
        except (BrokerRefusedError, ConnectionLostError, OSError, TimeoutError) as error:
            raise IngestError(str(error) or "The broker does not answer.") from error
        await store.retire(connection, client)


def why_not(client: str, everyone: list[Partition], *, lose: bool) -> str | None:
    """Why a partition cannot be retired, in a sentence; None where it can."""
    found = next((each for each in everyone if each.client == client), None)
    if found is None:
        return f"There is no ingest {client}: `carbonflow partitions list` shows them."
    if found.live:
        return f"{client} reported within the last 10 s: stop it first."
    others = frozenset[str]().union(*(each.subscribed for each in everyone if each.client != client))
    alone = sorted(found.subscribed - others) if "#" not in others else []
    if alone and not lose:
        return (
            f"Nobody else takes {', '.join(alone)}: have another ingest take that first "
            "(docs/partitions.md), or give --lose."
        )
    return None
