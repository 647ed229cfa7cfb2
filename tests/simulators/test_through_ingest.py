"""Simulated and real readings, through broker and ingest, to SQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulators.faults import CONTENT_FAULTS, FaultPlan
from simulators.fleet import Fleet, FleetConfig
from simulators.journal import MemoryJournal
from simulators.replay.columns import Column
from simulators.replay.run import Replay, ReplayConfig
from simulators.replay.stamps import zone
from simulators.replay.table import Table, TableFormat
from simulators.report import Report
from simulators.spec import DeviceId
from tests.ingest.conftest import Database, Service, forget_session, free_port, until

pytestmark = pytest.mark.usefixtures("no_states_left")

Start = Callable[[str], Service]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


@pytest.fixture
def start_ingest(database_url: str, mqtt_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start ingest on one site's topics, or those of several with commas, into the test's own database."""
    with ExitStack() as at_the_end:

        def start(site: str) -> Service:
            client_id = f"ingest-{site.replace(',', '.')}"
            kept = {name: value for name, value in os.environ.items() if not name.startswith("CARBONFLOW_")}
            log = tmp_path / "ingest.log"
            log.touch()
            service = Service(
                {
                    **kept,
                    "CARBONFLOW_DATABASE_URL": database_url,
                    "CARBONFLOW_MQTT_URL": mqtt_url,
                    "CARBONFLOW_INGEST_CLIENT_ID": client_id,
                    "CARBONFLOW_INGEST_SITES": site,
                    "CARBONFLOW_INGEST_HTTP_PORT": str(free_port()),
                    "CARBONFLOW_JOURNAL_DIR": str(tmp_path / "journal"),
                },
                log,
            )
            at_the_end.callback(forget_session, mqtt_url, client_id)
            at_the_end.callback(service.kill)
            return service.start()

        yield start


async def publish_the_past(config: FleetConfig, journal: MemoryJournal) -> Report:
    """Run a fleet until it has caught up with the clock."""
    stop = asyncio.Event()
    return await Fleet(config, journal=journal).run(stop, lambda p: stop.set() if p.live else None)


@pytest.mark.parametrize("site", ["campus", "plant"])
def test_every_fault_ends_as_it_should(
    site: str, start_ingest: Start, database: Database, operator_url: str, site_id: str
) -> None:
    prefix = f"{site_id}-"
    start_ingest(prefix + site)
    faults = FaultPlan(dict.fromkeys((*CONTENT_FAULTS, "late", "reorder", "gap"), 0.01))
    config = FleetConfig(operator_url, sites=[site], site_prefix=prefix, backfill_s=4 * 3600.0, faults=faults)
    journal = MemoryJournal()
    report = asyncio.run(publish_the_past(config, journal))
    until(lambda: database.totals()["received"] >= report.published, "all is received")
    assert database.totals() == {
        "received": report.published,
        "stored": report.tally.readings + report.tally.parts,
        "duplicate": report.tally.duplicates,
        "rejected": report.injected_bad,
    }
    assert database.reasons() == dict(report.tally.bad)
    assert len(report.tally.bad) == 10
    stored = {
        (device, time, quantity): value
        for device, time, quantity, value in database.rows(
            "SELECT device, time, quantity, value FROM api.readings"
        )
    }
    assert stored == {
        (reading.device.device, datetime.fromtimestamp(reading.ts, UTC), name): float(value)
        for reading in report.readings()
        for name, value in reading.values.items()
    }


def test_the_household_in_sql(
    real_data: Path, start_ingest: Start, database: Database, operator_url: str, site_id: str
) -> None:
    start_ingest(site_id)
    columns = (
        Column.parse("power_kw=Global_active_power"),
        Column.parse("energy_import_kwh=Global_active_power/60", accumulate=True),
    )
    table = Table(
        real_data / "uci_household_power_2007-02-01_02.txt",
        TableFormat(columns, ("Date",), zone=zone("Europe/Paris"), offset=timedelta(minutes=1)),
    )
    end = datetime.now(UTC).replace(microsecond=0)
    config = ReplayConfig(operator_url, DeviceId(site_id, "meter", "house"), shift_to=end, opening=True)

    def replay() -> dict[str, Any]:
        report = asyncio.run(Replay(table, config).run())
        assert report.published == 2882
        return report.as_json()

    replay()
    until(lambda: database.totals()["received"] == 2882, "all is received")
    assert database.totals() == {"received": 2882, "stored": 2882, "duplicate": 0, "rejected": 0}
    count, first, last, moved, power = database.rows(
        """
        SELECT count(*), min(time), max(time), max(energy_import_kwh) - min(energy_import_kwh),
            sum(power_kw) / 60
        FROM core.reading_meter
        """
    )[0]
    assert (count, first, last) == (2882, end - timedelta(minutes=2881), end)
    assert moved == pytest.approx(58.2685, abs=1e-9)
    assert power == pytest.approx(58.2685, abs=1e-9)

    replay()
    until(lambda: database.totals()["received"] == 2 * 2882, "all is received again")
    assert database.totals() == {"received": 5764, "stored": 2882, "duplicate": 2882, "rejected": 0}
    assert database.value("SELECT count(*) FROM core.reading_meter") == 2882


def test_the_stack_in_sql(
    real_data: Path, start_ingest: Start, database: Database, operator_url: str, site_id: str
) -> None:
    start_ingest(site_id)
    table = Table(
        real_data / "epa_orispl58054_stack_flow_2021q4.csv",
        TableFormat(
            (Column.parse("flow_wet_nm3_h=adjusted_scfh*0.028316846592*273.15/293.15"),),
            ("date", "hour"),
            time_format="%Y-%m-%d %H",
            zone=zone("Etc/GMT+5"),
            offset=timedelta(hours=1),
        ),
    )
    end = datetime.now(UTC).replace(microsecond=0)
    config = ReplayConfig(operator_url, DeviceId(site_id, "cems", "st01"), shift_to=end)
    asyncio.run(Replay(table, config).run())
    until(lambda: database.totals()["received"] == 1785, "all is received")
    assert database.totals() == {"received": 1785, "stored": 1785, "duplicate": 0, "rejected": 0}
    ((count, hours, mean),) = database.rows(
        """
        SELECT count(*), extract(epoch FROM max(time) - min(time)) / 3600, avg(flow_wet_nm3_h)
        FROM core.reading_cems
        """
    )
    assert (count, hours) == (1785, 1784)
    assert mean == pytest.approx(386_421.799, rel=1e-8)
