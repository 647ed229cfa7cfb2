"""`carbonflow factors measured`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services import settings
from services.cli.output import print_json
from services.cli.plain import PLAIN
from services.cli.registry import outcome, problems_json, sentence, show_changes
from services.domain.registry.measured_table import merge_measured
from services.domain.registry.problems import told
from services.store.errors import StoreError
from services.store.factors import factor_names, load_factors
from services.store.pool import connect
from services.store.registry import RegistryRefusedError, apply_registry, load_registry, plan_registry

app = typer.Typer(no_args_is_help=True, **PLAIN)


@app.callback()
def measured() -> None:
    """Factors that a laboratory measured, for one source each."""


@app.command()
def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A table, CSV.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one JSON object.")] = False,
) -> None:
    """Put laboratory values of fuels in force, one row a sample.

    Columns: site, source, sampled_from, sampled_to, laboratory, document, and what was measured under the
    names of the registry's `fuel` (ncv_gj_per_t, carbon_pct, moisture_pct, ...), with or without a unit. A
    sample holds `from` the day in that column, else from the first day of sampling, until the next one. Each
    is a dated fact of the registry: its hours are computed anew, and `carbonflow registry show` prints the
    registry with it, which is the file to go on with. Loading the same file again changes nothing.
    """
    asyncio.run(_load(file, dry_run=dry_run, as_json=as_json))


async def _load(file: Path, *, dry_run: bool, as_json: bool) -> None:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-measured", autocommit=True) as connection:
        factors = await load_factors(connection)
        registry = (await load_registry(connection)).registry
        merged = merge_measured(registry, _read(file), str(file), factor_names(factors))
        plan = await plan_registry(connection, merged.parsed.registry)
        problems = [
            merged.placed(each, str(file))
            for each in (*plan.refusals, *plan.notices, *merged.parsed.warnings)
        ]
        problems = [each for each in problems if each.line is not None or not each.warning]
        if plan.refusals:
            raise RegistryRefusedError(problems)
        version = None if dry_run or not plan.is_needed else await apply_registry(connection, plan)
    if as_json:
        print_json(outcome(plan, version) | problems_json(problems))
        return
    show_changes(plan.changes)
    if problems:
        typer.echo(told(problems), err=True)
    typer.echo(sentence(plan, version))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StoreError(f"{file} is not UTF-8 (byte {error.start + 1}): save it as UTF-8.") from error
