"""The command line of the demo."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.demo.run import Demo, Show
from services.cli.demo.screen import Picture, amount, line, render
from services.cli.demo.stack import Where, running
from services.cli.demo.verdict import Verdict
from services.cli.durations import seconds
from services.cli.servers import console_progress
from services.store.pool import connect

# Without a terminal: every so many seconds.
_LINE_EVERY = 5


def demo(
    duration: Annotated[
        float | None,
        typer.Option(
            "--for", parser=seconds, metavar="DURATION", help="Stop after 45s, 10m, 2h ... and judge."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON on stdout.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the fleet; default: the kept fleet's, or 1.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier runs stored.")] = False,
    board_port: Annotated[int | None, typer.Option(help="Port of the live board, if it is free.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Keep servers and data apart from the clone's, in this folder."),
    ] = None,
) -> None:
    """Run everything on this machine with a simulated campus and power plant; Ctrl-C stops it.

    The fleet first publishes the last 24 hours through MQTT (or what passed since the last run), then goes
    on in real time with faults mixed in. At the end every published reading is looked for in the database,
    and each source's CO2 in the ledger is compared with the simulators' own physics, over all kept runs
    together. The exit status is 0 only where everything agrees.
    """
    console = Console(stderr=True)
    verdict = asyncio.run(_demo(console, duration, seed, Where(folder, fresh, board_port)))
    _tell(console, verdict)
    if as_json:
        typer.echo(json.dumps(verdict.as_json()))
    raise typer.Exit(0 if verdict.ok else 1)


async def _demo(console: Console, duration: float | None, seed: int | None, where: Where) -> Verdict:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with running(console_progress(), where) as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _end, number, stop)
        console.print(f"Live board: {stack.board_url}")
        url = stack.servers.database_url
        async with await connect(url, name="carbonflow demo", autocommit=True) as connection:
            with _screen(console) as show:
                return await Demo(stack, connection, seed).run(duration, stop, show)


def _end(number: int, stop: asyncio.Event) -> None:
    """The first signal lets the fleet finish and be judged; the next one ends the demo as usual."""
    stop.set()
    asyncio.get_running_loop().remove_signal_handler(number)


@contextmanager
def _screen(console: Console) -> Iterator[Show]:
    """A live table on a terminal; elsewhere a line now and then."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda picture: live.update(render(picture), refresh=True)
    else:
        pictures = itertools.count()

        def show(picture: Picture) -> None:
            if next(pictures) % _LINE_EVERY == 0:
                console.print(line(picture), soft_wrap=True)

        yield show


def _tell(console: Console, verdict: Verdict) -> None:
    """The result, for people."""
    table = Table(title="CO2 of the ledger beside the simulators' truth", title_justify="left")
    for column in ("source", "ledger kg", "truth kg", "error %"):
        table.add_column(column, justify="left" if column == "source" else "right")
    for name, result in verdict.sources.items():
        error = "—" if result.error_pct is None else f"{result.error_pct:+.4f}"
        table.add_row(name, amount(result.co2_kg), amount(result.truth_co2_kg), error)
    console.print(table)
    console.print(
        f"published {verdict.published:,}   received {verdict.received:,}   stored {verdict.stored:,}   "
        f"duplicate {verdict.duplicate:,}   rejected {verdict.rejected:,} "
        f"(injected bad {verdict.injected_bad:,})"
    )
    for failure in verdict.failures:
        console.print(Text(failure, style="red"))
    console.print("Everything agrees." if verdict.ok else "The demo's checks do not hold.")
