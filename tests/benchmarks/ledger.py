"""The ledger alone, as a process: `python -m tests.benchmarks.ledger`.

One line on stdin is a `Job`; the answer on stdout is what it took a worker as shipped to compute all hours of
readings that are stored already: read, computed, written and committed, transaction by transaction. The
readings are made by the server beforehand, in the order of their times, as ingest would have stored them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, LiteralString, NamedTuple

import uvloop
from psycopg import sql

from services.analytics.recompute import Recomputer, Round
from services.store.pool import Connection, connect
from tests.benchmarks.child import BenchError, Child, cpu_s, peak_rss_mb
from tests.benchmarks.results import Result, Sample, Target, result
from tests.benchmarks.stack import Stack
from tests.benchmarks.traffic import INTERVAL_S, Fleet

_BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
_FILL_TIMEOUT_S: Final = 3600
_MIXED: Final = ("flowmeter", "beltscale", "cems")
MIXED_DEVICES: Final = 300
MIXED_HOURS: Final = 6

# `i` is the number of the reading, `w` wavers between 0 and 1.
_VALUES: Final[Mapping[str, Mapping[str, LiteralString]]] = MappingProxyType(
    {
        "meter": {
            "energy_import_kwh": "1000 + i * 0.83 + round((w / 2)::numeric, 3)",
            "power_kw": "100 + 40 * w",
        },
        "flowmeter": {
            "volume_nm3": "1000 + 2 * i",
            "flow_nm3_h": "200 + 80 * w",
            "temperature_c": "15 + 9 * w",
            "pressure_kpa": "300 + 9 * w",
        },
        "beltscale": {
            "mass_t": "1000 + i * 0.5",
            "rate_t_h": "50 + 20 * w",
            "speed_m_s": "1.5 + w / 2",
            "running": "true",
        },
        "cems": {
            "co2_pct": "11 + 2 * w",
            "moisture_pct": "8 + w",
            "velocity_m_s": "12 + 4 * w",
            "temperature_c": "120 + 9 * w",
            "static_pressure_pa": "-200 + 50 * w",
            "barometric_pressure_pa": "101000 + 300 * w",
        },
    }
)

_FILL: Final = """
INSERT INTO {table} (device_id, time, received_at, seq, status, {columns})
SELECT device_id, t, t + interval '1 s', i, 0, {values}
FROM generate_series(0, %(readings)s - 1) AS i
CROSS JOIN unnest(%(device_ids)s::integer[]) AS device_id
CROSS JOIN LATERAL (
    SELECT %(begin)s + make_interval(secs => i * %(interval_s)s + device_id %% %(interval_s)s) AS t,
        (device_id * 7919 + i * 104729) %% 1000 / 1000.0 AS w
) AS made
"""


@dataclass(frozen=True, slots=True)
class Job:
    """Whose readings to compute: `devices` of these kinds, of `hours` each."""

    database_url: str
    fleet_devices: int
    fleet_sites: int
    kinds: Sequence[str]
    devices: int
    hours: int


class Cost(NamedTuple):
    """What it took."""

    readings: int
    seconds: float
    worker_s: float
    database_s: float
    """CPU time of either."""
    rss_mb: float


async def measure(stack: Stack, fleet: Fleet, kinds: Sequence[str], devices: int, hours: int) -> Cost:
    """Compute the hours of so many devices in a fresh database. Raises BenchError."""
    async with stack.database() as database:
        job = Job(database.owner_url, fleet.devices, fleet.sites, kinds, devices, hours)
        child = await Child.start("ledger", ["-m", "tests.benchmarks.ledger"], {}, stack.logs)
        try:
            child.tell(json.dumps(asdict(job)))
            return Cost(*json.loads(await child.wait()))
        finally:
            await child.stop()


async def of_meters(stack: Stack, fleet: Fleet, meters: int, hours: Sequence[int]) -> dict[str, Sample]:
    """Meters over so many hours, and other kinds."""
    samples: dict[str, Sample] = {}
    for each in hours:
        cost = await measure(stack, fleet, ("meter",), meters, each)
        name = f"x{each // hours[0]}"
        samples |= {
            name: Sample(cost.readings / cost.seconds),
            f"{name}.core": Sample(cost.readings / cost.worker_s),
            f"{name}.cpu": Sample(1e6 * cost.worker_s / cost.readings),
            f"{name}.cpu_database": Sample(1e6 * cost.database_s / cost.readings),
            f"{name}.rss": Sample(cost.rss_mb),
        }
    mixed = await measure(stack, fleet, _MIXED, min(MIXED_DEVICES, meters), min(MIXED_HOURS, hours[0]))
    samples["mixed"] = Sample(mixed.readings / mixed.seconds)
    samples["mixed.core"] = Sample(mixed.readings / mixed.worker_s)
    return samples


def sum_up(samples: dict[str, list[Sample]]) -> list[Result]:
    """The rates, by the clock and per second of the worker's own CPU time (`core`), and what it costs."""
    target = Target(1_000_000, 1_500_000)
    units = {"core": "readings/s", "cpu": "us/reading", "cpu_database": "us/reading", "rss": "MB"}
    rows = []
    for name, of_name in samples.items():
        *_, part = words = name.split(".")
        label = ".".join(["ledger", *(word for word in words if word != "x1")])
        rows.append(result(label, units.get(part, "readings/s"), of_name, target if name == "x1" else None))
    return rows


async def run(job: Job) -> Cost:
    """Make the readings, let the worker learn the registry, and time it on all the rest."""
    async with await connect(
        job.database_url, name="bench fill", statement_timeout_s=_FILL_TIMEOUT_S, autocommit=True
    ) as fill:
        by_kind = await _devices(fill, job)
        count = 3600 // INTERVAL_S * job.hours
        for kind, device_ids in by_kind.items():
            await _fill(fill, kind, device_ids, count)
        device_ids = [each for of_kind in by_kind.values() for each in of_kind]
        async with await connect(job.database_url, name="bench ledger") as connection:
            recomputer = Recomputer()
            await _note(fill, device_ids[:1])
            await _work(recomputer, connection)
            await _note(fill, device_ids[1:])
            backend = connection.info.backend_pid
            before = time.perf_counter(), time.process_time(), cpu_s(backend)
            await _work(recomputer, connection)
            after = time.perf_counter(), time.process_time(), cpu_s(backend)
    seconds, worker_s, database_s = (end - begin for begin, end in zip(before, after, strict=True))
    return Cost((len(device_ids) - 1) * count, seconds, worker_s, database_s, peak_rss_mb(os.getpid()))


async def _devices(connection: Connection, job: Job) -> dict[str, list[int]]:
    """Ids by kind, as many of each kind as there are; the registry has made them."""
    fleet = Fleet(job.fleet_devices, job.fleet_sites)
    result: dict[str, list[int]] = {}
    for kind in job.kinds:
        names = [f"d-{each:05d}" for each in range(fleet.devices) if fleet.kind(each) == kind]
        wanted = names[: job.devices // len(job.kinds)]
        cursor = await connection.execute(
            "SELECT device_id FROM core.device WHERE kind = %s AND device = ANY (%s) ORDER BY device_id",
            [kind, wanted],
        )
        result[kind] = [device_id for (device_id,) in await cursor.fetchall()]
        if len(result[kind]) < len(wanted):
            raise BenchError(f"the registry made {len(result[kind])} of {len(wanted)} devices of kind {kind}")
    return result


async def _fill(connection: Connection, kind: str, device_ids: list[int], readings: int) -> None:
    table = sql.Identifier("core", f"reading_{kind}")
    columns, values = _VALUES[kind].keys(), _VALUES[kind].values()
    statement = sql.SQL(_FILL).format(
        table=table,
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(map(sql.SQL, values)),
    )
    parameters = {"device_ids": device_ids, "readings": readings, "begin": _BEGIN, "interval_s": INTERVAL_S}
    await connection.execute(statement, parameters)
    await connection.execute(sql.SQL("VACUUM ANALYZE {}").format(table))


async def _note(connection: Connection, device_ids: list[int]) -> None:
    """Note all of their time as re-opened, as a registry that is applied does."""
    await connection.execute(
        "INSERT INTO core.dirty_range (device_id, from_time, to_time, reason)"
        " SELECT device_id, %s, %s, 'benchmark' FROM unnest(%s::integer[]) AS device_id",
        [_BEGIN - timedelta(days=1), _BEGIN + timedelta(days=400), device_ids],
    )


async def _work(recomputer: Recomputer, connection: Connection) -> None:
    while await recomputer.run_once(connection) != Round():
        pass


if __name__ == "__main__":
    answer = uvloop.run(run(Job(**json.loads(sys.stdin.readline()))))
    sys.stdout.write(json.dumps(answer) + "\n")
