"""`carbonflow registry`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from services import settings
from services.cli.output import compact, print_json
from services.cli.plain import PLAIN
from services.domain.factors import Factor, FactorBook
from services.domain.registry.diff import Change
from services.domain.registry.document import write_document
from services.domain.registry.foreseen import foresee
from services.domain.registry.model import Registry
from services.domain.registry.parse import Parsed, parse
from services.domain.registry.problems import (
    Place,
    Problem,
    RegistryError,
    counted,
    parted,
    place_text,
    told,
)
from services.domain.registry.readable import readable
from services.domain.registry.stored import dump
from services.store.errors import StoreError
from services.store.factors import factor_names, load_factors, shipped_factors
from services.store.pool import connect
from services.store.registry import (
    Plan,
    RegistryRefusedError,
    apply_registry,
    load_registry,
    plan_registry,
)

app = typer.Typer(no_args_is_help=True, **PLAIN)


@app.callback()
def registry() -> None:
    """Apply or show the registry of sites, areas, devices, emission sources and events."""


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The registry, a YAML file.")]


@app.command()
def apply(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one JSON object.")] = False,
) -> None:
    """Check a registry, show what it changes, and put it in force.

    Everything that is wrong is reported with its line, and nothing is then applied. Hours that a change
    touches are computed anew. Applying the same file again changes nothing.
    """
    ask = sys.stdin.isatty() and not yes and not as_json
    try:
        asyncio.run(_apply(file, dry_run=dry_run, ask=ask, as_json=as_json))
    except (RegistryError, RegistryRefusedError) as error:
        if not as_json:
            raise
        print_json({"applied": False, **problems_json(error.problems)})
        typer.echo(f"{counted(*parted(error.problems))}: nothing was applied.", err=True)
        raise typer.Exit(1) from None


async def _apply(file: Path, *, dry_run: bool, ask: bool, as_json: bool) -> None:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-registry", autocommit=True) as connection:
        parsed = _parsed(file, await load_factors(connection))
        plan = await plan_registry(connection, parsed.registry)
        problems = _with_lines((*plan.refusals, *plan.notices), parsed, file) + list(parsed.warnings)
        if not as_json:
            show_changes(plan.changes)
        if plan.refusals:
            raise RegistryRefusedError(problems)
        if not as_json:
            _warn(problems)
        applies = plan.is_needed and not dry_run and (not ask or typer.confirm("Apply?"))
        version = await apply_registry(connection, plan) if applies else None
    if as_json:
        print_json(outcome(plan, version) | problems_json(problems))
    else:
        typer.echo(sentence(plan, version))


def _parsed(file: Path, factors: Sequence[Factor]) -> Parsed:
    """The registry of a file, with warnings also of what these factors leave unknown today."""
    parsed = parse(_read(file), str(file), factor_names(factors))
    foreseen = foresee(parsed.registry, FactorBook(factors), datetime.now(UTC), parsed.warnings)
    warnings = [*parsed.warnings, *_with_lines(foreseen, parsed, file)]
    return replace(parsed, warnings=tuple(sorted(warnings, key=lambda each: each.line or 0)))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StoreError(f"{file} is not UTF-8 (byte {error.start + 1}): save it as UTF-8.") from error


def _warn(warnings: Sequence[Problem]) -> None:
    if warnings:
        typer.echo(told(warnings), err=True)


def _with_lines(problems: Iterable[Problem], parsed: Parsed, file: Path) -> list[Problem]:
    return sorted(
        (replace(each, file=str(file), line=parsed.document.line(each.place)) for each in problems),
        key=lambda each: each.line or 0,
    )


def problems_json(problems: Iterable[Problem]) -> dict[str, list[dict[str, Any]]]:
    """Errors and warnings, each with its line and place."""
    errors, warnings = parted(problems)
    return {"errors": [_problem(each) for each in errors], "warnings": [_problem(each) for each in warnings]}


def _problem(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "place": place_text(problem.place), "message": problem.message}


_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def show_changes(changes: Iterable[Change]) -> None:
    """Each change on a line, with its sign."""
    console = Console(highlight=False, soft_wrap=True)
    for change in changes:
        sign, colour = _SIGNS[change.kind]
        console.print(Text(f"{sign} {place_text(change.place)}: {_what(change)}", style=colour))


def _what(change: Change) -> str:
    if change.kind == "changed":
        return f"{compact(change.old)} -> {compact(change.new)}"
    value = change.new if change.kind == "added" else change.old
    return _site(value) if _is_site(change.place) else compact(value)


def _is_site(place: Place) -> bool:
    return len(place) == 2 and place[0] == "sites"


def _site(site: Any) -> str:
    counts = [f"{len(site.get(part, ()))} {part}" for part in ("areas", "devices", "sources", "events")]
    return f"{site['timezone']}, {', '.join(counts)}"


def outcome(plan: Plan, version: int | None) -> dict[str, Any]:
    """The outcome; `version` is None where nothing was applied."""
    return {
        "applied": version is not None,
        "version": plan.base_version if version is None else version,
        "changes": [
            {"place": place_text(each.place), "kind": each.kind, "old": each.old, "new": each.new}
            for each in plan.changes
        ],
        "recomputed": [{**device._asdict(), "from": at} for device, at in plan.touched.items()],
    }


def sentence(plan: Plan, version: int | None) -> str:
    """What became of a registry; `version` is None where nothing was applied."""
    if not plan.is_needed:
        return "Nothing changes."
    return "Nothing was applied." if version is None else f"Applied as version {version}."


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A YAML file to check and show.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with instants in UTC.")] = False,
) -> None:
    """Show the registry in force, or check a file and show what it means.

    A file is checked without any database, against the factors that ship with Carbonflow.
    """
    shown = asyncio.run(_in_force()) if file is None else _checked(file)
    if as_json:
        typer.echo(json.dumps(dump(shown), ensure_ascii=False))
    else:
        typer.echo(write_document(readable(shown)), nl=False)


async def _in_force() -> Registry:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-registry", autocommit=True) as connection:
        return (await load_registry(connection)).registry


def _checked(file: Path) -> Registry:
    parsed = _parsed(file, shipped_factors())
    _warn(parsed.warnings)
    return parsed.registry
