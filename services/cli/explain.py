"""`carbonflow explain`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from services import settings
from services.analytics.explain import Explainer
from services.analytics.explanation import Basis, Explanation, MadeBy, ReadingsUsed
from services.cli.output import print_json, print_rows
from services.store.pool import connect

_COLUMNS = ("about", "name", "value", "unit", "by")
_STEP_COLUMNS = ("about", "quantity", "begin", "end", "movement", "unit", "read_as", "in_hour", "estimated")


def explain(
    source: Annotated[str, typer.Argument(metavar="SITE/SOURCE", help="An emission source: campus/boiler.")],
    hour: Annotated[
        str,
        typer.Argument(help="An instant in the hour, 2026-01-31T08:00Z; without zone, by the site's clock."),
    ],
    basis: Annotated[
        Basis | None, typer.Option(help="Of electricity; else the one in the total.", show_default=False)
    ] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Also every step of the registers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """How an hour's CO2 came about: readings, formulas, factors, every value on the way; computed again.

    The hour is computed anew from the readings, writing nothing, and compared with what is kept, to the last
    bit. Exit status 1 where it does not come out again; the last lines say why.
    """
    site, slash, name = source.partition("/")
    if not (site and slash and name):
        raise typer.BadParameter(f"{source!r} is no source: write SITE/SOURCE.")
    told = asyncio.run(_explain(site, name, _instant(hour), basis))
    if as_json:
        print_json(told.model_dump(mode="json"))
    else:
        _print(told, steps=steps)
    if told.reproduced is not True:
        raise typer.Exit(1)


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write it as 2026-01-31T08:00Z.") from None


async def _explain(site: str, source: str, instant: datetime, basis: Basis | None) -> Explanation:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-explain", autocommit=True) as connection:
        return await Explainer().explain(connection, site, source, instant, basis)


def _print(told: Explanation, *, steps: bool) -> None:
    for line in _head(told):
        typer.echo(line)
    typer.echo()
    print_rows(_COLUMNS, [[getattr(line, name) for name in _COLUMNS] for line in told.lines], as_json=False)
    typer.echo()
    if steps:
        shown = [[getattr(step, name) for name in _STEP_COLUMNS] for step in told.steps]
        print_rows(_STEP_COLUMNS, shown, as_json=False)
        typer.echo()
    different = [each for each in told.figures if not each.same]
    if different:
        rows = [(each.name, each.stored, each.recomputed) for each in different]
        print_rows(("differs", "kept", "computed now"), rows, as_json=False)
        typer.echo()
    if told.reproduced:
        same = len(told.figures)
        typer.echo(f"Reproduced: computed again from the readings, all {same} columns have the same bits.")
    else:
        typer.echo("Not reproduced." if told.reproduced is False else "Cannot be reproduced.")
        for reason in told.reasons:
            typer.echo(f"- {reason}")


def _head(told: Explanation) -> Iterator[str]:
    basis = f", {told.basis}-based" if told.basis else ""
    yield f"{told.site}/{told.source}: {told.method}, scope {told.scope}, {told.carrier}{basis}"
    yield f"hour {told.hour.isoformat()} to {told.end.isoformat()} ({told.timezone})"
    if told.computed_at is not None:
        by = f" by {_made_by(told.computed_by)}" if told.computed_by else ", before lineage was kept"
        yield f"{told.status}, revision {told.revision}, computed {told.computed_at.isoformat()}{by}"
    if told.read is not None:
        yield f"from {_read(told.read)}; recipe {told.recipe}"


def _made_by(made_by: MadeBy) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in made_by.libraries.items())
    return (
        f"{made_by.version} (code {made_by.code}; {libraries}), registry version {made_by.registry_version}"
    )


def _read(read: ReadingsUsed) -> str:
    if read.first is None or read.last is None:
        return "no readings"
    return f"{read.readings} readings of {read.first.isoformat()} to {read.last.isoformat()}"
