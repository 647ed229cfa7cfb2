"""`carbonflow factors`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from services import settings
from services.cli import measured
from services.cli.output import print_json, print_rows
from services.cli.plain import PLAIN
from services.domain.factor_table import read_table
from services.domain.factors import Factor, FactorTableError
from services.store.factor_effects import MonthEffect
from services.store.factor_loading import Loaded, load_table
from services.store.factors import LISTED, list_factors
from services.store.pool import connect
from services.store.retention import raw_since

app = typer.Typer(no_args_is_help=True, **PLAIN)


app.add_typer(measured.app, name="measured")


@app.callback()
def factors() -> None:
    """List the published emission factors, or load a table of others, or of measured values."""


@app.command()
def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A table, CSV.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one JSON object.")] = False,
) -> None:
    """Record the factors of a table, with columns as in services/store/factors.csv.

    Every row must name set, unit, gas, basis (LHV or HHV of a fuel) and source; what is wrong is told with
    its line, and nothing is then recorded. A row that changes a factor is a new record beside the old one.
    Hours that it touches are computed anew. Loading the same file again changes nothing. With --dry-run
    nothing is recorded, and what would change is told in kg by source and month: the activity of each
    stored hour times the new factor.
    """
    loaded, since = asyncio.run(_load(_read(file), keep=not dry_run))
    if as_json:
        recomputed = [{**device._asdict(), "from": at} for device, at in loaded.touched.items()]
        told = {"loaded": not dry_run and loaded.new > 0, "new": loaded.new, "recomputed": recomputed}
        print_json(told | ({"effects": [_effect(each) for each in loaded.effects]} if dry_run else {}))
    else:
        typer.echo(_sentence(loaded, dry_run=dry_run))
        if since is not None and any(at < since for at in loaded.touched.values()):
            typer.echo(
                f"Hours before {since:%Y-%m-%d %H:%M} UTC keep the factor they have, for their readings are "
                "no longer kept (CARBONFLOW_RETENTION_RAW_DAYS)."
            )
        _show(loaded.effects)


def _effect(each: MonthEffect) -> dict[str, object]:
    return asdict(each) | {"month": f"{each.month:%Y-%m}", "difference_kg": each.difference_kg}


_SHOWN: Final = (
    "site",
    "source",
    "basis",
    "month",
    "hours",
    "now kg",
    "then kg",
    "difference kg",
    "unknown h",
)


def _show(effects: Sequence[MonthEffect]) -> None:
    """What stored hours would be, and why some would be unknown."""
    if not effects:
        return
    print_rows(_SHOWN, [_shown(each) for each in effects], as_json=False)
    for reason in dict.fromkeys(each.reason for each in effects if each.reason):
        typer.echo(reason)


def _shown(each: MonthEffect) -> tuple[object, ...]:
    kg = [each.co2_kg, each.new_co2_kg, each.difference_kg]
    unknown = f"{each.unknown_hours} -> {each.new_unknown_hours}"
    amounts = [None if value is None else round(value, 3) for value in kg]
    return each.site, each.source, each.basis, f"{each.month:%Y-%m}", each.hours, *amounts, unknown


def _read(file: Path) -> tuple[Factor, ...]:
    try:
        return read_table(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FactorTableError(f"{file} is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from error
    except FactorTableError as error:
        raise FactorTableError(f"{file}: {error}") from error


async def _load(factors: tuple[Factor, ...], *, keep: bool) -> tuple[Loaded, datetime | None]:
    """What came of it, and since when hours can be computed anew (None: from the first on)."""
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-factors", autocommit=True) as connection:
        return await load_table(connection, factors, keep=keep), await raw_since(connection)


def _sentence(loaded: Loaded, *, dry_run: bool) -> str:
    if loaded.new == 0:
        return "Nothing changes: all of these factors are recorded."
    factors = f"{loaded.new} factor{'s' if loaded.new > 1 else ''}"
    verb = "would be new" if dry_run else "recorded"
    if not loaded.touched:
        return f"{factors} {verb}; no hour hangs on them."
    devices = f"{len(loaded.touched)} device{'s' if len(loaded.touched) > 1 else ''}"
    return f"{factors} {verb}; the hours of {devices} that hang on them are computed anew."


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
