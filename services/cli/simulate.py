"""`carbonflow simulate`: a fleet of simulated devices against any broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from ruamel.yaml import YAML

from services.cli.broker import MqttUrl, bad_use, broker, stop_on_signals
from services.cli.durations import seconds
from simulators.errors import ConfigError
from simulators.faults import FaultPlan
from simulators.fleet import Fleet, FleetConfig, OnProgress
from simulators.fleet import Progress as FleetProgress
from simulators.journal import FileJournal, Journal, NoJournal
from simulators.report import Report
from simulators.sites.catalogue import generated
from simulators.sites.generated import registry_document


def simulate(
    mqtt_url: MqttUrl = None,
    sites: Annotated[
        str | None,
        typer.Option(help="Simulated sites: campus,plant. Default: both, none where --devices is given."),
    ] = None,
    devices: Annotated[int, typer.Option(min=0, help="Size of a generated fleet on sites gen-000, ...")] = 0,
    seed: Annotated[int | None, typer.Option(help="Default: that of the kept state, or 1.")] = None,
    faults: Annotated[
        str, typer.Option(help="default, all, none, or names such as duplicate,late=0.01,malformed.")
    ] = "default",
    duration: Annotated[
        float | None,
        typer.Option("--for", parser=seconds, metavar="DURATION", help="Stop after 45s, 10m, 2h ..."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.001, help="Catch up so many times as fast as time passes. Default: at once."),
    ] = None,
    backfill: Annotated[
        float,
        typer.Option(parser=seconds, metavar="DURATION", help="How far back devices begin at most."),
    ] = "24h",  # type: ignore[assignment]  # typer parses the default too
    state: Annotated[
        Path | None, typer.Option(help="Folder for what the devices remember; without it, nothing.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="File to append everything published to, as JSON lines.")
    ] = None,
    site_prefix: Annotated[str, typer.Option(help="Put before every site's id.")] = "",
    qos: Annotated[int, typer.Option(min=0, max=2)] = 1,
    registry: Annotated[
        Path | None,
        typer.Option(help="Write the registry of the generated fleet to this file, and publish nothing."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON on stdout.")] = False,
) -> None:
    """Publish simulated readings: first the past that is due, then in real time, until Ctrl-C.

    The report at the end counts what was published, what of it was bad on purpose, and the true CO2 of every
    source by the simulators' own physics.
    """
    with bad_use():
        if registry is not None:
            _write_registry(registry, devices, seed, site_prefix)
            return
        url, ca_file = broker(mqtt_url)
        config = FleetConfig(
            url,
            seed=seed,
            sites=_sites(sites, devices),
            generated=devices,
            site_prefix=site_prefix,
            faults=FaultPlan.parse(faults),
            speed=speed,
            backfill_s=backfill,
            state_dir=state,
            qos=qos,
            ca_file=ca_file,
        )
        kept: Journal = NoJournal() if journal is None else FileJournal(journal)
        report = asyncio.run(_run(Fleet(config, journal=kept), duration))
    _tell(report, as_json)


async def _run(fleet: Fleet, duration: float | None) -> Report:
    stop = asyncio.Event()
    stop_on_signals(stop)
    if duration is not None:
        asyncio.get_running_loop().call_later(duration, stop.set)
    with _progress() as on_progress:
        return await fleet.run(stop, on_progress)


def _sites(sites: str | None, devices: int) -> tuple[str, ...]:
    if sites is None:
        return () if devices else ("campus", "plant")
    return tuple(name.strip() for name in sites.split(",") if name.strip())


def _write_registry(path: Path, devices: int, seed: int | None, site_prefix: str) -> None:
    if not devices:
        raise ConfigError("The registry of a generated fleet needs --devices; the demo's is in deploy/demo.")
    plan = generated(devices, 1 if seed is None else seed).with_site_prefix(site_prefix)
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(registry_document(plan), file)


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar for the past, a count afterwards, on stderr."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("connecting", total=None)
        behind_at_first: float | None = None

        def show(progress: FleetProgress) -> None:
            nonlocal behind_at_first
            behind = max(0.0, progress.now - progress.position)
            behind_at_first = behind_at_first or max(behind, 1.0)
            text = "live" if progress.live else "publishing the past"
            bars.update(
                task,
                description=f"{text}: {progress.published:,} published, {progress.injected_bad:,} bad",
                total=behind_at_first,
                completed=behind_at_first if progress.live else behind_at_first - behind,
            )

        yield show


def _tell(report: Report, as_json: bool) -> None:
    content = report.as_json()
    if as_json:
        typer.echo(json.dumps(content))
    else:
        typer.echo(
            f"published {report.published:,} units: {report.tally.readings:,} readings, "
            f"{report.tally.duplicates:,} duplicates, {report.tally.parts:,} further parts, "
            f"{report.injected_bad:,} bad on purpose; {report.missing:,} readings left out"
        )
        for name, truth in content["sources"].items():
            typer.echo(f"{name}: {truth['truth_co2_kg']:,.3f} kg CO2 from {truth['from']} to {truth['to']}")
    if report.unacknowledged:
        typer.echo(f"The broker did not acknowledge {report.unacknowledged:,} units.", err=True)
        raise typer.Exit(1)
