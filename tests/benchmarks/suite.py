"""The benchmarks by name: what each measures, and what it must reach."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tests.benchmarks import (
    converting,
    explaining,
    formulas,
    fresh,
    latency,
    ledger,
    outage,
    sql_speed,
    writing,
)
from tests.benchmarks.child import BenchError, Child
from tests.benchmarks.generator import Load
from tests.benchmarks.results import Result, Sample, Target, result
from tests.benchmarks.sql_world import Portfolio
from tests.benchmarks.stack import Stack
from tests.benchmarks.through import Consumer, Ingest, OnProgress, Run, drain, ingest, peer, yesterday_s
from tests.benchmarks.traffic import SITES, Fleet


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. The defaults are what the figures in the documents are made with."""

    devices: int = 10_000
    sites: int = SITES
    messages: int = 300_000
    """One reading each, after each device's first."""
    arrays: int = 10_000
    """Messages of 100 readings."""
    array_devices: int = 1_000
    """Fewer, so that each sends several."""
    slow_messages: int = 20_000
    """For the slowest reference."""
    rows: int = 120_000
    batch: int = 10_000
    load_s: float = 10.0
    load_per_s: float = 5_000.0
    idle_probes: int = 20
    fresh_s: float = 20.0
    late_devices: int = 1_000
    late_arrays: int = 1_000
    """Messages of 100 readings that come late; of a million, 10,000."""
    away_s: float = 60.0
    """How long the database is stopped."""
    ledger_meters: int = 1_000
    ledger_hours: tuple[int, ...] = (24,)
    """One run for each; the first is the one with a floor."""
    explained: int = 100
    """Hours, one after the other."""
    values: int = 1_000_000
    """Of an array that a formula is given."""

    @property
    def fleet(self) -> Fleet:
        """Who publishes."""
        return Fleet(self.devices, self.sites)


@dataclass(slots=True)
class Bench:
    """What the benchmarks work with, and what they share of one repeat."""

    stack: Stack
    scale: Scale
    ceilings: list[Run] = field(default_factory=list)
    """One for each repeat, measured right before the service."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`measure` makes the samples of one repeat, by figure; `sum_up` the results of all repeats."""

    measure: Callable[[Bench, OnProgress], Awaitable[dict[str, Sample]]]
    sum_up: Callable[[dict[str, list[Sample]]], list[Result]]


def _load(bench: Bench, messages: int, array: int) -> Load:
    """So many messages, after one of each device: what is remembered of it is part of no steady state."""
    scale = bench.scale
    devices = scale.array_devices if array else scale.devices
    return Load(
        url=bench.stack.servers.device_mqtt_url,
        devices=devices,
        sites=scale.sites,
        messages=devices + messages,
        start_s=yesterday_s(),
        array=array,
    )


def _steady_load(bench: Bench, devices: int) -> Load:
    """Single readings at the scale's rate, without end."""
    scale = bench.scale
    return Load(
        url=bench.stack.servers.device_mqtt_url,
        devices=devices,
        sites=scale.sites,
        messages=10**9,
        start_s=0,
        rate_per_s=scale.load_per_s,
    )


async def _drained(
    bench: Bench,
    consumer: AbstractAsyncContextManager[Consumer],
    progress: OnProgress,
    messages: int,
    array: int = 0,
) -> Run:
    async with consumer as running:
        load = _load(bench, messages, array)
        run = await drain(bench.stack, running, load, load.devices, progress)
        if isinstance(running, Ingest):
            await running.check(load.messages * (array or 1))
        return run


@asynccontextmanager
async def _service(stack: Stack) -> AsyncIterator[Consumer]:
    async with stack.database() as database, ingest(stack, database) as service:
        yield service


@asynccontextmanager
async def _reference(stack: Stack, module: str) -> AsyncIterator[Consumer]:
    async with stack.database() as database, peer(stack, module, database) as running:
        yield running


async def _ceiling(bench: Bench, progress: OnProgress) -> Run:
    return await _drained(bench, peer(bench.stack, "ceiling"), progress, bench.scale.messages)


async def measure_pipeline(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """The ceiling and the service, one after the other, and the ceiling again: the machine may change."""
    before = await _ceiling(bench, progress)
    run = await _drained(bench, _service(bench.stack), progress, bench.scale.messages)
    after = await _ceiling(bench, progress)
    ceiling = (before.per_s + after.per_s) / 2
    bench.ceilings.append(after)
    cost = run.cost
    live_us = await _converted(bench)
    return {
        "ceiling": Sample(ceiling),
        "pipeline": Sample(run.per_s, ceiling),
        "cpu": Sample(run.us_each(cost.consumer_s), after.us_each(after.cost.consumer_s)),
        "cpu_broker": Sample(run.us_each(cost.broker_s), after.us_each(after.cost.broker_s)),
        "cpu_database": Sample(run.us_each(cost.database_s)),
        "cpu_generator": Sample(run.us_each(cost.generator_s)),
        "cpu_others": Sample(cost.others_s / run.seconds),
        "rss": Sample(run.rss_mb),
        "live": Sample(live_us, run.us_each(cost.consumer_s)),
    }


async def _converted(bench: Bench) -> float:
    """CPU time [us] of a reading's live conversion."""
    scale = bench.scale
    async with bench.stack.database() as database:
        job = converting.Job(database.ingest_url, scale.devices, scale.sites, yesterday_s())
        child = await Child.start("converting", ["-m", "tests.benchmarks.converting"], {}, bench.stack.logs)
        try:
            child.tell(job.as_json())
            answer: float = json.loads(await child.wait())
        finally:
            await child.stop()
    return answer


def sum_up_pipeline(samples: dict[str, list[Sample]]) -> list[Result]:
    """The rate, against its own floor and against the ceiling, and what it costs."""
    rates = samples["pipeline"]
    return [
        result("ceiling", "messages/s", samples["ceiling"]),
        result("pipeline", "messages/s", rates, Target(30_000, 40_000), "ceiling"),
        result("pipeline.of_ceiling", "messages/s", rates, Target(0.70, 0.85, "ratio"), "ceiling"),
        result("pipeline.cpu", "us/message", samples["cpu"], None, "ceiling"),
        result("pipeline.cpu_broker", "us/message", samples["cpu_broker"], None, "ceiling"),
        result("pipeline.cpu_database", "us/message", samples["cpu_database"]),
        result("pipeline.cpu_publishers", "us/message", samples["cpu_generator"]),
        result("pipeline.cpu_of_others", "cores", samples["cpu_others"]),
        result("pipeline.rss", "MB", samples["rss"], Target(200, 200, upper=True)),
        result(
            "live.cpu", "us/reading", samples["live"], Target(0.15, 0.15, "ratio", upper=True), "pipeline.cpu"
        ),
    ]


async def measure_arrays(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """Arrays of 100 readings."""
    run = await _drained(bench, _service(bench.stack), progress, bench.scale.arrays, array=100)
    return {
        "arrays": Sample(run.per_s),
        "cpu": Sample(run.us_each(run.cost.consumer_s)),
        "cpu_database": Sample(run.us_each(run.cost.database_s)),
        "rss": Sample(run.rss_mb),
    }


def sum_up_arrays(samples: dict[str, list[Sample]]) -> list[Result]:
    """The rate and what it costs."""
    return [
        result("arrays", "readings/s", samples["arrays"], Target(150_000, 300_000)),
        result("arrays.cpu", "us/reading", samples["cpu"]),
        result("arrays.cpu_database", "us/reading", samples["cpu_database"]),
        result("arrays.rss", "MB", samples["rss"], Target(200, 200, upper=True)),
    ]


_WRITE_TARGETS: Final = MappingProxyType(
    {
        "clean": Target(0.85, 0.85, "ratio"),
        "duplicates": Target(0.70, 0.70, "ratio"),
        "partials": Target(0.70, 0.70, "ratio"),
        "only_duplicates": Target(0.35, 0.35, "ratio"),
    }
)


async def measure_write(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """The writer on batches of each sort, in turns with raw COPY."""
    samples = {}
    for number, case in enumerate(writing.CASES):
        progress(number, len(writing.CASES))
        rates = await _written(bench, case)
        samples[case] = Sample(rates.ours, rates.copy)
    return samples


async def _written(bench: Bench, case: str) -> writing.Rates:
    scale = bench.scale
    async with bench.stack.database() as database:
        job = writing.Job(
            case=case,
            database_url=database.owner_url,
            devices=scale.devices,
            sites=scale.sites,
            readings=scale.rows,
            batch=scale.batch,
            start_s=yesterday_s(),
        )
        child = await Child.start("writing", ["-m", "tests.benchmarks.writing"], {}, bench.stack.logs)
        try:
            child.tell(job.as_json())
            return writing.Rates(*json.loads(await child.wait()))
        finally:
            await child.stop()


def sum_up_write(samples: dict[str, list[Sample]]) -> list[Result]:
    """Each sort of batch as a share of COPY."""
    return [
        result(f"write.{case}", "readings/s", samples[case], _WRITE_TARGETS.get(case), "COPY, row by row")
        for case in writing.CASES
    ]


async def measure_latency(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """Publish to visible in SQL at a steady rate."""
    scale = bench.scale
    load = _steady_load(bench, scale.devices)
    found = await latency.under_load(bench.stack, load, scale.load_s, progress)
    return {"p50": Sample(found.p50_ms), "p99": Sample(found.p99_ms), "rss": Sample(found.rss_mb)}


def sum_up_latency(samples: dict[str, list[Sample]]) -> list[Result]:
    """Percentiles."""
    return [
        result("latency.p50", "ms", samples["p50"], Target(60, 60, upper=True)),
        result("latency.p99", "ms", samples["p99"], Target(250, 250, upper=True)),
    ]


async def measure_idle(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """Single readings while nothing else happens: the worst of them."""
    return {"idle": Sample(await latency.idle(bench.stack, bench.scale.idle_probes, progress))}


def sum_up_idle(samples: dict[str, list[Sample]]) -> list[Result]:
    """The worst."""
    return [result("latency.idle", "ms", samples["idle"], Target(150, 150, upper=True))]


async def measure_fresh(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """Publish to the hour in the ledger, at a steady rate; and the same while others send what they kept."""
    scale = bench.scale
    # Those of the last number on each site are probes.
    load = _steady_load(bench, scale.devices - scale.sites)
    found = await fresh.under_load(bench.stack, load, scale.fresh_s, progress)
    late = await fresh.while_late_ones_come(
        bench.stack, load, scale.late_devices, scale.late_arrays, progress
    )
    return {
        "p50": Sample(found.p50_s),
        "p99": Sample(found.p99_s),
        "cores": Sample(found.cores),
        "rss": Sample(max(found.rss_mb, late.rss_mb)),
        "late_p50": Sample(late.p50_s),
        "late_p99": Sample(late.p99_s),
        "absorbed": Sample(late.absorbed_per_s),
    }


def sum_up_fresh(samples: dict[str, list[Sample]]) -> list[Result]:
    """Percentiles, and how fast what is late is absorbed beside."""
    return [
        result("fresh.p50", "s", samples["p50"]),
        result("fresh.p99", "s", samples["p99"], Target(5, 5, upper=True)),
        result("fresh.late_p50", "s", samples["late_p50"]),
        result("fresh.late_p99", "s", samples["late_p99"], Target(5, 5, upper=True)),
        result("fresh.late_absorbed", "readings/s", samples["absorbed"]),
        result("fresh.cpu", "cores", samples["cores"]),
        result("fresh.rss", "MB", samples["rss"]),
    ]


async def measure_outage(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """The database is stopped while readings come at a steady rate."""
    scale = bench.scale
    load = _steady_load(bench, scale.devices)
    found = await outage.stopped_database(bench.stack, load, scale.away_s, progress)
    if found.lost:
        raise BenchError(f"{found.lost} of {found.published} readings were lost in an outage")
    return {
        "rss": Sample(found.rss_mb),
        "stall": Sample(1000 * found.stall_s),
        "catch_up": Sample(found.catch_up),
        "bytes": Sample(found.bytes_each),
        "broker_queue": Sample(found.broker_queue),
    }


def sum_up_outage(samples: dict[str, list[Sample]]) -> list[Result]:
    """What ingest, its journal and the publishers make of it."""
    return [
        result("outage.rss", "MB", samples["rss"], Target(200, 200, upper=True)),
        result("outage.stall", "ms", samples["stall"], Target(1000, 250, upper=True)),
        result("outage.catch_up", "x arrival", samples["catch_up"], Target(3, 5)),
        result("outage.journal", "bytes/message", samples["bytes"]),
        result("outage.broker_queue", "messages", samples["broker_queue"]),
    ]


async def measure_aiomqtt(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """aiomqtt 2 and executemany."""
    return await _compared(bench, "aiomqtt_executemany", bench.scale.slow_messages, progress)


async def measure_paho(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """paho-mqtt and COPY."""
    return await _compared(bench, "paho_copy", bench.scale.messages // 3, progress)


async def _compared(bench: Bench, module: str, messages: int, progress: OnProgress) -> dict[str, Sample]:
    if not bench.ceilings:
        bench.ceilings.append(await _ceiling(bench, progress))
    run = await _drained(bench, _reference(bench.stack, module), progress, messages)
    cost = run.us_each(run.cost.consumer_s)
    ceiling = bench.ceilings[-1]
    return {
        "rate": Sample(run.per_s, ceiling.per_s),
        "cpu": Sample(cost, ceiling.us_each(ceiling.cost.consumer_s)),
    }


def _sum_up_reference(name: str) -> Callable[[dict[str, list[Sample]]], list[Result]]:
    def sum_up(samples: dict[str, list[Sample]]) -> list[Result]:
        return [
            result(f"reference.{name}", "messages/s", samples["rate"], None, "ceiling"),
            result(f"reference.{name}.cpu", "us/message", samples["cpu"], None, "ceiling"),
        ]

    return sum_up


async def measure_formulas(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """The formulas of live stream and ledger, by themselves."""
    samples = {}
    for name, sample in formulas.measure(bench.scale.values):
        samples[name] = sample
        progress(len(samples), len(formulas.CASES))
    return samples


def sum_up_formulas(samples: dict[str, list[Sample]]) -> list[Result]:
    """Values a second of one core."""
    return [
        result(f"formula.{name}", "values/s", samples[name], case.target, "plain Python")
        for name, case in formulas.CASES.items()
    ]


async def measure_explain(bench: Bench, _progress: OnProgress) -> dict[str, Sample]:
    """An hour explained, with its recomputing and without."""
    async with bench.stack.unregistered() as database_url:
        found = await explaining.measure(database_url, bench.scale.explained)
    return {"p95": Sample(found.p95_ms), "sql_p95": Sample(found.sql_p95_ms)}


def sum_up_explain(samples: dict[str, list[Sample]]) -> list[Result]:
    """Percentiles."""
    return [
        result("explain.p95", "ms", samples["p95"], Target(200, 200, upper=True)),
        result("explain.sql_p95", "ms", samples["sql_p95"], Target(200, 200, upper=True)),
    ]


async def measure_sql(bench: Bench, progress: OnProgress) -> dict[str, Sample]:
    """Questions to the views, of a small portfolio (`make bench-large` asks them of a large one)."""
    portfolio = Portfolio(meters=bench.scale.devices // 20, days=31, raw_days=2)
    return await sql_speed.in_new_database(bench.stack, portfolio, progress)


async def measure_ledger(bench: Bench, _progress: OnProgress) -> dict[str, Sample]:
    """Hours computed anew from readings that are stored."""
    scale = bench.scale
    return await ledger.of_meters(bench.stack, scale.fleet, scale.ledger_meters, scale.ledger_hours)


BENCHMARKS: Final = MappingProxyType(
    {
        "pipeline": Benchmark(measure_pipeline, sum_up_pipeline),
        "arrays": Benchmark(measure_arrays, sum_up_arrays),
        "write": Benchmark(measure_write, sum_up_write),
        "latency": Benchmark(measure_latency, sum_up_latency),
        "idle": Benchmark(measure_idle, sum_up_idle),
        "fresh": Benchmark(measure_fresh, sum_up_fresh),
        "outage": Benchmark(measure_outage, sum_up_outage),
        "paho": Benchmark(measure_paho, _sum_up_reference("paho_copy")),
        "sql": Benchmark(measure_sql, sql_speed.sum_up),
        "ledger": Benchmark(measure_ledger, ledger.sum_up),
        "formulas": Benchmark(measure_formulas, sum_up_formulas),
        "explain": Benchmark(measure_explain, sum_up_explain),
        "aiomqtt": Benchmark(measure_aiomqtt, _sum_up_reference("aiomqtt_executemany")),
    }
)


def chosen(names: Sequence[str]) -> dict[str, Benchmark]:
    """The benchmarks of these names, all where none is given. Raises BenchError."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise BenchError(f"There is no benchmark {unknown[0]}: choose of {', '.join(BENCHMARKS)}.")
    return {name: BENCHMARKS[name] for name in names or BENCHMARKS}
