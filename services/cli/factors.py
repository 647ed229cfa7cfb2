"""`carbonflow factors`."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Annotated

import typer

from services import settings
from services.cli.output import print_rows
from services.cli.plain import PLAIN
from services.store.factors import LISTED, list_factors
from services.store.pool import connect

app = typer.Typer(no_args_is_help=True, **PLAIN)


@app.callback()
def factors() -> None:
    """List the published emission factors."""


@app.command("list")
def list_(
    factor_set: Annotated[
        str | None, typer.Option("--set", help="Only this set, or series of yearly sets.")
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="Only this fuel or energy carrier.")] = None,
    region: Annotated[str | None, typer.Option(help="Only this place, such as CN-SH.")] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only those in force on this day.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List factors with set, value, unit, validity and source; one not confirmed is never a default."""
    day = on.date() if on is not None else None
    print_rows(LISTED, asyncio.run(_list(factor_set, carrier, region, day)), as_json=as_json)


async def _list(
    factor_set: str | None, carrier: str | None, region: str | None, on: date | None
) -> list[tuple[object, ...]]:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-factors", autocommit=True) as connection:
        return await list_factors(connection, factor_set=factor_set, carrier=carrier, region=region, on=on)
