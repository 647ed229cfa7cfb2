"""`carbonflow migrate`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from services import settings
from services.cli.output import print_json
from services.store.migrate import Report
from services.store.migrate import migrate as migrate_database


def migrate(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Bring the database to this version's schema.

    Runs the migrations that are new, makes the views anew where they changed, and imports the published
    emission factors. Doing it twice is the same as once; two at once wait for each other.
    """
    url = settings.load("database_url").database_url.get_secret_value()
    report = asyncio.run(migrate_database(url, lambda step: typer.echo(f"{step} ...", err=True)))
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(_sentence(report))


def _sentence(report: Report) -> str:
    if not report.changed:
        return "The database is up to date."
    done = [f"migration {name}" for name in report.migrations]
    done += ["views and rights"] if report.views else []
    done += [f"{report.quantities} quantities"] if report.quantities else []
    done += [f"{report.factors} factors"] if report.factors else []
    return f"Done: {', '.join(done)}."
