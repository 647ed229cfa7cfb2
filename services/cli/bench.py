"""`carbonflow bench`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.local.errors import SetupError

ROOT: Final = Path(__file__).resolve().parents[2]
_BENCHMARKS: Final = ROOT / "tests" / "benchmarks"


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="pipeline, arrays, write, latency, idle, outage, paho, formulas, aiomqtt. Default: all.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one line of JSON.")] = False,
) -> None:
    """Measure speed, latency and memory on this machine, beside references from the same run.

    Starts servers of its own in a temporary folder, with the shipped settings. Prints a table of medians, and
    writes bench-results.json. What does not reach its floor is said; the exit status is 0 all the same.
    """
    if not _BENCHMARKS.is_dir():
        raise SetupError("The benchmarks are part of the source: clone it, and run `make bench` there.")
    os.chdir(ROOT)
    options = [f"--repeats={repeats}", *(["--json"] if as_json else [])]
    # In place of this process, so that Ctrl-C reaches the one that has something to stop.
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *options, *(names or [])])
