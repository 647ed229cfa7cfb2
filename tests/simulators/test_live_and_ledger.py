"""All four kinds, from simulators by way of broker and ingest: live rates over a closed hour are the ledger's
hour, and both are what the simulators' own physics emitted."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from services.analytics.recompute import Recomputer, Round
from services.domain.registry.parse import parse
from services.store.factors import factor_names, load_factors
from services.store.pool import connect
from services.store.registry import apply_registry, plan_registry
from simulators.faults import FaultPlan
from simulators.fleet import FleetConfig
from simulators.journal import MemoryJournal
from simulators.report import Report
from tests.ingest.conftest import Database, until
from tests.simulators.test_through_ingest import Start, database, publish_the_past, start_ingest

__all__ = ["database", "start_ingest"]

pytestmark = pytest.mark.usefixtures("no_states_left")

ROOT = Path(__file__).resolve().parents[2]
HOUR = timedelta(hours=1)
LIVE_IS_LEDGER = 0.02
"""Live, a register's step is the rate from its later reading on, in the ledger it is spread over the time
before: over an hour that shifts what is emitted by some thousandths. What is by gauges is equal."""
IS_TRUE = 0.005
"""Instruments of the simulators have noise and a resolution."""

_RATES = """
SELECT s.site, s.source, coalesce(l.basis, 'none'), l.device_id, l.time, l.co2_kg_per_h, p.interval_s
FROM core.live_emission l
JOIN core.source s USING (source_id)
JOIN core.device_period p ON p.device_id = l.device_id AND p.valid_from <= l.time AND l.time < p.valid_to
ORDER BY 1, 2, 3, 4, 5
"""
_HOURS = """
SELECT site, source, coalesce(basis, 'none'), co2_kg, coverage FROM api.emissions_hourly WHERE hour = %s
"""
Key = tuple[str, str, str]


class Published(NamedTuple):
    """What a fleet published, and the hour of it that is looked at."""

    report: Report
    begin: datetime


async def applied(url: str, prefix: str) -> None:
    """The demo's registry in force, its sites under other names."""
    document = yaml.safe_load((ROOT / "deploy/demo/registry.yaml").read_text(encoding="utf-8"))
    document["sites"] = {prefix + site: of_site for site, of_site in document["sites"].items()}
    async with await connect(url, name="test", autocommit=True) as connection:
        names = factor_names(await load_factors(connection))
        parsed = parse(json.dumps(document, default=str), factors=names)
        await apply_registry(connection, await plan_registry(connection, parsed.registry))


async def computed(url: str) -> None:
    """All that was noted."""
    async with await connect(url, name="test") as connection:
        recomputer = Recomputer()
        while await recomputer.run_once(connection) != Round():
            pass


def integrated(rows: list[tuple[Any, ...]], begin: datetime) -> dict[Key, float]:
    """kg of the hour by source and basis: each rate holds until the device's next, 3 intervals at most."""
    of_device: defaultdict[tuple[Any, ...], list[tuple[datetime, float, float]]] = defaultdict(list)
    for site, source, basis, device_id, time, rate, interval_s in rows:
        if rate is not None:
            of_device[site, source, basis, device_id].append((time, rate, interval_s))
    result: defaultdict[Key, float] = defaultdict(float)
    for (site, source, basis, _), rates in of_device.items():
        for (time, rate, interval_s), following in pairwise([*rates, (begin + 9 * HOUR, 0.0, 0.0)]):
            until = min(following[0], time + timedelta(seconds=3 * interval_s), begin + HOUR)
            held = (until - max(time, begin)) / HOUR
            result[site, source, basis] += rate * max(0.0, held)
    return dict(result)


@pytest.fixture
def published(
    start_ingest: Start, database: Database, database_url: str, operator_url: str, site_id: str
) -> Published:
    """Hours of both sites, without faults, in the database and computed."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    prefix = f"{site_id}-"
    asyncio.run(applied(database_url, prefix))
    start_ingest(f"{prefix}campus,{prefix}plant")
    config = FleetConfig(
        operator_url, site_prefix=prefix, backfill_s=2.5 * 3600.0, faults=FaultPlan.parse("none")
    )
    found = asyncio.run(publish_the_past(config, MemoryJournal()))
    until(lambda: database.totals()["received"] >= found.published, "all is received")
    asyncio.run(computed(database_url))
    return Published(found, begin)


def test_a_closed_hour_is_the_same_live_in_the_ledger_and_in_truth(
    published: Published, database: Database
) -> None:
    report, begin = published
    hours = {(site, source, basis): rest for site, source, basis, *rest in database.rows(_HOURS, [begin])}
    live = integrated(database.rows(_RATES), begin)
    kinds = {source.device.kind for source in report.sources()}
    assert kinds == {"meter", "flowmeter", "cems", "beltscale"}
    for source in report.sources():
        truth_kg = report.truth_co2_kg(source.site, source.source, begin, begin + HOUR)
        bases = [key for key in hours if key[:2] == (source.site, source.source) and key[2] != "market"]
        assert len(bases) == 1, source
        co2_kg, coverage = hours[bases[0]]
        assert coverage == pytest.approx(1.0), source
        tolerance = 1e-9 if source.source == "stack" else LIVE_IS_LEDGER
        assert live[bases[0]] == pytest.approx(co2_kg, rel=tolerance), source
        assert co2_kg == pytest.approx(truth_kg, rel=IS_TRUE), source
