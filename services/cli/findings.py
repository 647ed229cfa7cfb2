"""`carbonflow findings`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from services import settings
from services.cli.deadletters import since_when
from services.cli.output import print_json, print_rows
from services.store.finding_list import NAMES, FindingRow, list_findings
from services.store.pool import connect


def findings(
    site: Annotated[str | None, typer.Option(metavar="ID", help="Only of this site.")] = None,
    finding: Annotated[
        str | None, typer.Option(metavar="KIND", help=f"Only of this kind: {', '.join(NAMES)}.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Since an instant with zone, or 90m, 24h, 7d ago.")
    ] = "7d",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """What is strange in stored readings, and what has stopped coming: the newest first, with what to do.

    Findings change no number; docs/quality.md says what each kind means.
    """
    if finding is not None and finding not in NAMES:
        raise typer.BadParameter(f"{finding!r} is no kind of finding; there are {', '.join(NAMES)}.")
    when = since_when(since, datetime.now(UTC))
    rows = asyncio.run(_list(when, limit + 1, site, finding))
    shown = rows[:limit]
    if as_json:
        print_json([row.model_dump(mode="json") for row in shown])
    elif not shown:
        typer.echo("No findings.")
    else:
        _print(shown)
    if len(rows) > limit and not as_json:
        typer.echo(f"The newest {limit}: --limit shows more.", err=True)


async def _list(since: datetime, limit: int, site: str | None, finding: str | None) -> list[FindingRow]:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-findings") as connection:
        return await list_findings(connection, since, limit, site=site, finding=finding)


def _print(rows: list[FindingRow]) -> None:
    """Two lines for each on a terminal, whose width no table of them fits; else a line for each."""
    if not sys.stdout.isatty():
        columns = list(FindingRow.model_fields)
        print_rows(columns, [[getattr(row, name) for name in columns] for row in rows], as_json=False)
        return
    for row in rows:
        what = f" {row.quantity}" if row.quantity else ""
        typer.echo(f"{_when(row)}  {row.site}/{row.kind}/{row.device}{what}: {row.finding} ({row.severity})")
        typer.echo(f"    {row.detail} {row.advice}")


def _when(row: FindingRow) -> str:
    begin = "never" if row.from_time is None else f"{row.from_time:%Y-%m-%d %H:%M:%S}Z"
    end = "now" if row.to_time is None else f"{row.to_time:%Y-%m-%d %H:%M:%S}Z"
    return begin if begin == end else f"{begin} to {end}"
