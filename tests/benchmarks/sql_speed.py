"""What people ask of the views, at the size of a portfolio: `python -m tests.benchmarks.sql_speed`.

Each question is asked again and again as `carbonflow_ops`, of other sites and months each time; what counts
is the 95th percentile of a server that has answered it before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from random import Random
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from rich.console import Console

from deploy.local.progress import LineProgress
from services.store.pool import Connection, connect
from tests.benchmarks.results import Result, Sample, Target, result, table
from tests.benchmarks.sql_world import END, METERS_ON_A_SITE, OnProgress, Portfolio, fill
from tests.benchmarks.stack import Stack, named, running

_WARM: Final = 3
_ASKED: Final = 40


@dataclass(frozen=True, slots=True)
class Question:
    """A query, and how long it may take [ms]."""

    query: str
    most_ms: float | None


QUESTIONS: Final = {
    "site_month_by_hour": Question(
        "SELECT hour, sum(co2_kg) AS co2_kg, sum(sources_missing) AS missing FROM api.area_emissions_hourly"
        " WHERE site = %(site)s AND in_total AND hour >= %(from)s AND hour < %(until)s"
        " GROUP BY hour ORDER BY hour",
        50,
    ),
    "source_month_by_hour": Question(
        "SELECT h.* FROM api.emissions_hourly h WHERE site = %(site)s AND source = %(source)s"
        " AND hour >= %(from)s AND hour < %(until)s ORDER BY hour",
        50,
    ),
    "site_month_by_hour_of_sources": Question(
        "SELECT hour, sum(co2_kg) AS co2_kg, count(*) - count(co2_kg) AS missing FROM api.emissions_hourly"
        " WHERE site = %(site)s AND in_total AND hour >= %(from)s AND hour < %(until)s"
        " GROUP BY hour ORDER BY hour",
        None,
    ),
    "portfolio_year_by_day": Question(
        "SELECT day, sum(co2_kg) AS co2_kg, sum(hours_missing) AS missing, min(least_coverage) AS coverage"
        " FROM api.area_emissions_daily WHERE in_total AND day >= %(year)s GROUP BY day ORDER BY day",
        500,
    ),
    "portfolio_year_by_day_of_sources": Question(
        "SELECT day, sum(co2_kg) AS co2_kg FROM api.emissions_daily WHERE in_total AND day >= %(year)s"
        " GROUP BY day ORDER BY day",
        None,
    ),
    "live_all": Question("SELECT * FROM api.emissions_live", 50),
    "live_site": Question("SELECT * FROM api.emissions_live WHERE site = %(site)s", None),
    "site_month_by_day": Question(
        "SELECT * FROM api.emissions_daily WHERE site = %(site)s AND day >= %(first)s AND day < %(last)s",
        None,
    ),
    "site_year_by_month": Question("SELECT * FROM api.emissions_monthly WHERE site = %(site)s", None),
    "portfolio_by_month": Question(
        "SELECT month, sum(co2_kg) FROM api.site_emissions_monthly GROUP BY month ORDER BY month", None
    ),
    "meter_day_raw": Question(
        "SELECT time, value FROM api.readings"
        " WHERE site = %(site)s AND kind = 'meter' AND device = %(device)s AND quantity = 'power_kw'"
        " AND time >= %(raw_from)s AND time < %(raw_until)s ORDER BY time",
        None,
    ),
}


class Sizes(NamedTuple):
    """Disk that a row takes, with its indexes [bytes]."""

    raw: float
    hourly: float
    daily: float


def asked(portfolio: Portfolio, random: Random) -> dict[str, Any]:
    """What a question is about, another each time."""
    meter = random.randrange(portfolio.meters)
    month_from = END - timedelta(days=random.randint(min(portfolio.days, 31), portfolio.days))
    raw_from = END - timedelta(days=random.randint(1, max(portfolio.raw_days, 1)))
    return {
        "site": f"site-{meter // METERS_ON_A_SITE:04d}",
        "device": f"m-{meter:06d}",
        "source": f"power-m-{meter:06d}",
        "from": month_from,
        "until": month_from + timedelta(days=30),
        "first": month_from.date(),
        "last": (month_from + timedelta(days=30)).date(),
        "year": date(END.year - 1, 1, 1),
        "raw_from": raw_from,
        "raw_until": raw_from + timedelta(days=1),
    }


async def answer_times_ms(connection: Connection, question: Question, portfolio: Portfolio) -> list[float]:
    """How long each answer took, rows read; ascending."""
    random = Random(1)
    times = []
    for number in range(_WARM + _ASKED):
        began = time.perf_counter()
        # Not prepared: so people's tools and the board ask.
        parameters = asked(portfolio, random)
        cursor = await connection.execute(question.query.encode(), parameters, prepare=False)
        await cursor.fetchall()
        if number >= _WARM:
            times.append(1000 * (time.perf_counter() - began))
    return sorted(times)


def percentile(ascending: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    return ascending[max(0, -(-len(ascending) * int(1000 * share) // 1000) - 1)]


async def sizes(connection: Connection, portfolio: Portfolio) -> Sizes:
    """Of the tables as they are."""
    cursor = await connection.execute(
        "SELECT coalesce(hypertable_size('core.reading_meter'), 0),"
        " coalesce(hypertable_size('core.emission_hour'), 0), pg_total_relation_size('core.emission_day')"
    )
    row = await cursor.fetchone()
    assert row is not None
    rows = (portfolio.raw, portfolio.hours, portfolio.meters * portfolio.days)
    return Sizes(*(size / max(count, 1) for size, count in zip(row, rows, strict=True)))


async def measure(
    owner_url: str, reader_url: str, portfolio: Portfolio, progress: OnProgress
) -> dict[str, Sample]:
    """Fill a migrated database and ask all questions: figures by name, of questions the 95th percentile."""
    async with await connect(owner_url, name="bench", statement_timeout_s=0, autocommit=True) as owner:
        filled = await fill(owner, portfolio, progress)
        of_rows = await sizes(owner, portfolio)
    samples = {
        "fill.hours": Sample(portfolio.hours / filled.hours_s),
        "fill.days": Sample(portfolio.meters * portfolio.days / filled.days_s),
        "bytes.raw": Sample(of_rows.raw),
        "bytes.hourly": Sample(of_rows.hourly),
        "bytes.daily": Sample(of_rows.daily),
    }
    async with await connect(reader_url, name="bench", autocommit=True) as reader:
        for name, question in QUESTIONS.items():
            times = await answer_times_ms(reader, question, portfolio)
            samples[name] = Sample(percentile(times, 0.95))
    return samples


_UNITS: Final = {
    "fill.hours": "rows/s",
    "fill.days": "rows/s",
    "bytes.raw": "bytes/reading",
    "bytes.hourly": "bytes/hour",
    "bytes.daily": "bytes/day",
}


def sum_up(samples: dict[str, list[Sample]]) -> list[Result]:
    """The results of all repeats."""
    results = [result(f"sql.{name}", unit, samples[name]) for name, unit in _UNITS.items()]
    for name, question in QUESTIONS.items():
        most = question.most_ms
        target = None if most is None else Target(most, most, upper=True)
        results.append(result(f"sql.{name}.p95", "ms", samples[name], target))
    return results


class _Progress:
    """A line on stderr now and then."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        seconds = time.monotonic() - self._began
        sys.stderr.write(f"{done:,} of {total:,} rows, {seconds:.0f} s\n")


async def in_new_database(stack: Stack, portfolio: Portfolio, progress: OnProgress) -> dict[str, Sample]:
    """Measure in a database of its own, which is dropped in the end."""
    async with stack.unregistered() as owner_url:
        name = urlsplit(owner_url).path.lstrip("/")
        reader_url = named(stack.servers.role_url("carbonflow_ops"), name)
        return await measure(owner_url, reader_url, portfolio, progress)


def main() -> int:
    """Measure on servers of its own, and print the results as JSON; the exit status."""
    parser = argparse.ArgumentParser(prog="make bench-large")
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--raw-days", type=int, default=30)
    arguments = parser.parse_args()
    portfolio = Portfolio(arguments.meters, arguments.days, arguments.raw_days)
    with running(LineProgress(sys.stderr)) as stack:
        found = asyncio.run(in_new_database(stack, portfolio, _Progress()))
        results = sum_up({figure: [sample] for figure, sample in found.items()})
    Console(width=160).print(table(results))
    sys.stdout.write(json.dumps([asdict(each) for each in results]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
