"""`carbonflow emissions --as-of`."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Annotated, NamedTuple

import typer

from services import settings
from services.cli.output import print_json, print_rows
from services.store.as_of import Change, Moment, SourceSum, changes_of, moments, sums_of
from services.store.pool import connect


class Comparison(NamedTuple):
    """One site, then and now."""

    moment: Moment
    sources: list[SourceSum]
    changes: list[Change]


def emissions(
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of",
            metavar="WHEN",
            help="A day, at whose end by each site's clock; or an instant with zone.",
        ),
    ],
    site: Annotated[str | None, typer.Option(metavar="ID", help="Only this site.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Only hours of this day or later.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Only hours of this day or earlier.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """What the ledger said then of the hours that had ended by then, what it says today, and why that
    differs: late data, a correction, the registry, a factor. The changes of a source add up to its
    difference.

    Hours are compared that ended before --as-of; of a total, count the rows with in_total. See
    docs/corrections.md.
    """
    days = first and first.date(), last and last.date()
    found = asyncio.run(_compare(_when(as_of), site, *days))
    if as_json:
        print_json({"sites": [_object(each) for each in found]})
        return
    for number, each in enumerate(found):
        if number:
            typer.echo()
        typer.echo(f"{each.moment.site}, as of {each.moment.as_of.isoformat()}")
        if not each.sources:
            typer.echo("No hour had ended by then.")
            continue
        print_rows(SourceSum._fields[1:], [row[1:] for row in each.sources], as_json=False)
        typer.echo()
        if each.changes:
            print_rows(Change._fields[1:], [row[1:] for row in each.changes], as_json=False)
        else:
            typer.echo("Nothing has changed since.")


def _when(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter(
            f"{text} is neither a day, such as 2026-03-01, nor an instant with zone, such as "
            "2026-03-01T08:00:00Z"
        )
    return instant


async def _compare(
    when: date | datetime, site: str | None, first: date | None, last: date | None
) -> list[Comparison]:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-emissions", autocommit=True) as connection:
        return [
            Comparison(moment, await sums_of(connection, moment), await changes_of(connection, moment))
            for moment in await moments(connection, when, site, first, last)
        ]


def _object(comparison: Comparison) -> dict[str, object]:
    return {
        "site": comparison.moment.site,
        "as_of": comparison.moment.as_of,
        "sources": [_without_site(each) for each in comparison.sources],
        "changes": [_without_site(each) for each in comparison.changes],
    }


def _without_site(row: SourceSum | Change) -> dict[str, object]:
    return {name: value for name, value in row._asdict().items() if name != "site"}
