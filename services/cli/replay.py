"""`carbonflow replay`: real readings from a file, published the way a device would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.broker import MqttUrl, bad_use, broker
from services.domain.quantities import Kind, quantity
from simulators.errors import ConfigError
from simulators.replay.columns import Column
from simulators.replay.run import Replay, ReplayConfig, ReplayReport
from simulators.replay.stamps import zone
from simulators.replay.table import Table, TableFormat
from simulators.spec import DeviceId


def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file with a header line.")],
    site: Annotated[str, typer.Option(help="Site of the device.")],
    device: Annotated[str, typer.Option(help="Id of the device.")],
    kind: Annotated[Kind, typer.Option(help="Kind of the device.")],
    time: Annotated[str, typer.Option(help="Column of the time, or several: date,hour.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="quantity=COLUMN, with a scale: power_kw=P_W*0.001. May be repeated."),
    ] = None,
    accumulate: Annotated[
        list[str] | None,
        typer.Option(help="register=COLUMN of amounts per row, counted up: energy_import_kwh=P_kW/60."),
    ] = None,
    time_format: Annotated[
        str | None,
        typer.Option(help="As strptime's; several columns are joined by a blank. Default: ISO 8601."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of stamps without one, such as Europe/Paris or UTC.")
    ] = None,
    offset: Annotated[
        float,
        typer.Option(help="Seconds added to each stamp, such as 3600 where stamps are begins of hours."),
    ] = 0.0,
    shift_to: Annotated[
        str | None,
        typer.Option(help="Move all stamps alike, so that the last is `now` or at this RFC 3339 instant."),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Default: what the header suggests.")] = None,
    register_start: Annotated[float, typer.Option(min=0.0, help="Where accumulated registers begin.")] = 0.0,
    opening: Annotated[
        bool,
        typer.Option("--opening", help="Begin with a reading of the registers' start, one row earlier."),
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read.")] = False,
    mqtt_url: MqttUrl = None,
    qos: Annotated[int, typer.Option(min=0, max=2)] = 1,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="So many times as fast as measured. Default: at once.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, publish nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON on stdout.")] = False,
) -> None:
    """Publish the readings of a delimited file as those of one device.

    The whole file is checked first; where a row cannot be read, its line is named and nothing is published.
    Cells that are empty or `?` are not measured: the quantity is left out. Local times need --timezone; one
    that happens twice is taken in the file's order, one that never happens is an error.
    """
    with bad_use():
        form = TableFormat(
            columns=_columns(kind, mapping or [], accumulate or []),
            times=tuple(name.strip() for name in time.split(",")),
            time_format=time_format,
            zone=None if timezone is None else zone(timezone),
            offset=timedelta(seconds=offset),
            delimiter=delimiter,
            register_start=register_start,
        )
        url, ca_file = ("mqtt://localhost", None) if dry_run else broker(mqtt_url)
        config = ReplayConfig(
            url,
            DeviceId(site, kind.value, device),
            shift_to=_target(shift_to),
            opening=opening,
            skip_bad=skip_bad,
            qos=qos,
            speed=speed,
            dry_run=dry_run,
            ca_file=ca_file,
        )
        with _bar() as on_progress:
            report = asyncio.run(Replay(Table(file, form), config).run(on_progress))
    _tell(file, report, as_json, dry_run)


def _columns(kind: Kind, mapping: list[str], accumulate: list[str]) -> tuple[Column, ...]:
    columns = [Column.parse(text) for text in mapping]
    columns += [Column.parse(text, accumulate=True) for text in accumulate]
    for column in columns:
        try:
            known = quantity(kind, column.quantity)
        except KeyError as error:
            text = str(error.args[0])
            raise ConfigError(f"{text[0].upper()}{text[1:]}.") from None
        if column.accumulate and not known.register:
            raise ConfigError(f"{column.quantity} is not a register: use --map.")
    return tuple(columns)


def _target(text: str | None) -> datetime | None:
    if text is None:
        return None
    if text == "now":
        return datetime.now(UTC).replace(microsecond=0)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ConfigError(f"--shift-to takes `now` or an RFC 3339 instant with its zone, not {text!r}.")
    return instant


@contextmanager
def _bar() -> Iterator[Callable[[ReplayReport], None]]:
    columns = (TextColumn("publishing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("publishing", total=None)
        yield lambda report: bars.update(task, total=report.readings, completed=report.published)


def _tell(file: Path, report: ReplayReport, as_json: bool, dry_run: bool) -> None:
    survey = report.survey
    if as_json:
        typer.echo(json.dumps({"file": str(file), **report.as_json()}))
        return
    did = "would be published" if dry_run else "published"
    typer.echo(f"{report.readings if dry_run else report.published:,} readings {did}")
    typer.echo(f"from {report.first.isoformat()} to {report.last.isoformat()}")
    for register, total in survey.registers.items():
        typer.echo(f"{register} after the last row: {total:,.6g}")
    for count, what in (
        (survey.bad_rows, "rows could not be read and were left out"),
        (survey.empty_rows, "rows had no values"),
        (survey.missing_values, "values were missing"),
        (survey.ambiguous, "local times happen twice and were taken in the file's order"),
    ):
        if count:
            typer.echo(f"{count:,} {what}")
