"""`python -m tests.benchmarks`, as `carbonflow bench` runs it in a clone."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import psycopg
from rich.console import Console

from deploy.local.errors import SetupError
from deploy.local.progress import LineProgress
from tests.benchmarks.child import ROOT, BenchError
from tests.benchmarks.machine import describe
from tests.benchmarks.publisher import PublishError
from tests.benchmarks.results import Result, Sample, markdown, table, write
from tests.benchmarks.stack import Stack, prepare, running
from tests.benchmarks.suite import BENCHMARKS, Bench, Benchmark, Scale, chosen

_EVERY_S = 0.5


class Progress:
    """One line on stderr for what is measured, and on a terminal how far it is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tty = stream.isatty()
        self._text = ""
        self._shown_at = 0.0
        self._started = 0.0

    def begin(self, text: str) -> None:
        """This is measured now."""
        self._text, self._started = text, time.monotonic()
        if self._tty:
            self._stream.write(f"\r\033[K{text} ...")
            self._stream.flush()

    def advance(self, done: int, total: int) -> None:
        """So much of it is done."""
        now = time.monotonic()
        if self._tty and now - self._shown_at > _EVERY_S:
            self._shown_at = now
            self._stream.write(f"\r\033[K{self._text} ... {done:,} of {total:,}")
            self._stream.flush()

    def end(self, samples: Mapping[str, Sample]) -> None:
        """This is what came out."""
        found = ", ".join(f"{name} {sample.value:,.4g}" for name, sample in samples.items())
        start = "\r\033[K" if self._tty else ""
        seconds = time.monotonic() - self._started
        self._stream.write(f"{start}{self._text}: {found} ({seconds:.0f} s)\n")
        self._stream.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="carbonflow bench")
    parser.add_argument("names", nargs="*", help=", ".join(BENCHMARKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--output", type=Path, default=ROOT / "bench-results.json")
    parser.add_argument("--scale", type=json.loads, default={}, help="fields of suite.Scale, as JSON")
    return parser.parse_args()


async def measure(
    stack: Stack, scale: Scale, benchmarks: Mapping[str, Benchmark], repeats: int, progress: Progress
) -> list[Result]:
    """All repeats of all benchmarks, in turns, so that a slow minute of the machine hits all alike."""
    progress.begin(f"Registering {scale.devices:,} devices on {scale.sites} sites")
    await prepare(stack, scale.fleet)
    progress.end({})
    bench = Bench(stack, scale)
    samples: dict[str, dict[str, list[Sample]]] = {name: defaultdict(list) for name in benchmarks}
    for repeat in range(repeats):
        for number, (name, benchmark) in enumerate(benchmarks.items()):
            step = repeat * len(benchmarks) + number + 1
            progress.begin(f"[{step}/{repeats * len(benchmarks)}] {name}")
            found = await benchmark.measure(bench, progress.advance)
            progress.end(found)
            for figure, sample in found.items():
                samples[name][figure].append(sample)
    return [each for name, benchmark in benchmarks.items() for each in benchmark.sum_up(samples[name])]


def _show(machine: dict[str, Any], results: Iterable[Result], arguments: argparse.Namespace) -> None:
    results = list(results)
    if arguments.json:
        sys.stdout.write(
            json.dumps({"machine": machine, "results": [asdict(each) for each in results]}) + "\n"
        )
    elif arguments.markdown:
        sys.stdout.write(markdown(results))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table(results))


def main() -> int:
    """Measure, show, and write bench-results.json; the exit status."""
    arguments = _arguments()
    progress = Progress(sys.stderr)
    try:
        benchmarks = chosen(arguments.names)
        scale = replace(Scale(), **arguments.scale)
        with running(LineProgress(sys.stderr)) as stack:
            machine = describe(stack, scale, arguments.repeats)
            results = asyncio.run(measure(stack, scale, benchmarks, arguments.repeats, progress))
    except (BenchError, PublishError, SetupError, psycopg.Error) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    write(arguments.output, machine, results)
    _show(machine, results, arguments)
    missed = [each.name for each in results if each.met is False]
    if missed:
        sys.stderr.write(f"Below the floor: {', '.join(missed)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
