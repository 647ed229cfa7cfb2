"""Several ingest processes by site, with real broker, database and processes, while devices publish."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from services.domain.registry.model import Registry
from services.store.pool import connect
from services.store.registry import apply_registry, plan_registry
from tests.ingest.conftest import Database, Publisher, Service, ago, forget_session, free_port, until

Launch = Callable[..., Service]


@pytest.fixture
def launch(service: Service, mqtt_url: str, site_id: str, tmp_path: Path) -> Iterator[Launch]:
    """Start an ingest of this name and these sites, without waiting."""
    with ExitStack() as at_the_end:

        def start(name: str, *sites: str) -> Service:
            client = f"{name}-{site_id}"
            changes = {
                "CARBONFLOW_INGEST_CLIENT_ID": client,
                "CARBONFLOW_INGEST_SITES": ",".join(sites),
                "CARBONFLOW_INGEST_HTTP_PORT": str(free_port()),
            }
            log = tmp_path / f"{name}.log"
            log.touch()
            process = Service(service.environment | changes, log)
            at_the_end.callback(forget_session, mqtt_url, client)
            at_the_end.callback(process.kill)
            process.launch()
            return process

        yield start


class Devices:
    """Meters that publish their registers, one reading each in turn, one virtual second after the other."""

    def __init__(self, publisher: Publisher, sites: list[str], per_site: int = 2) -> None:
        self._publisher = publisher
        self._topics = [f"telemetry/v1/{site}/meter/m{i}" for site in sites for i in range(per_site)]
        self._since = datetime.now(UTC) - timedelta(hours=2)
        self.rounds = 0

    def round(self) -> None:
        """One reading of each."""
        ts = (self._since + timedelta(seconds=self.rounds)).isoformat()
        for topic in self._topics:
            self._publisher.publish(topic, {"ts": ts, "energy_import_kwh": self.rounds})
        self.rounds += 1

    @property
    def published(self) -> int:
        """Readings that the broker has acknowledged."""
        return self.rounds * len(self._topics)

    @contextmanager
    def publishing(self, pause_s: float) -> Iterator[None]:
        """Publish beside what happens meanwhile."""
        stopped = threading.Event()

        def run() -> None:
            while not stopped.wait(pause_s):
                self.round()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()


def ready(process: Service) -> None:
    until(process.is_ready, f"ingest is ready: {process.log.read_text()}")


def sites_of(process: Service) -> str:
    """What /readyz says of its sites."""
    with urlopen(process.url("/readyz"), timeout=5) as answer:
        said: str = json.load(answer)["sites"]
    return said


def is_told(process: Service) -> bool:
    """Whether it says that others take its sites."""
    return sites_of(process) != "ok"


def received(database: Database, name: str) -> int:
    """By the clients whose names begin so."""
    rows = database.rows("SELECT received FROM api.ingest_totals WHERE starts_with(client, %s)", [name])
    return sum(row[0] for row in rows)


def exceeds(database: Database, name: str, number: int) -> bool:
    """Whether these have received more than that."""
    return received(database, name) > number


def assert_each_once_and_in_order(database: Database, devices: Devices) -> None:
    """No reading is lost or doubled, and those of a device were committed in the order of their time."""
    until(lambda: database.totals()["stored"] >= devices.published, "all are stored")
    assert database.value("SELECT count(*) FROM core.reading_meter") == devices.published
    assert database.totals()["stored"] == devices.published
    assert database.totals()["rejected"] == 0
    # The transaction's number ascends, within a device, as its readings do.
    assert (
        database.rows(
            "SELECT device_id, time FROM (SELECT device_id, time, xmin::text::bigint AS number, "
            "lag(xmin::text::bigint) OVER (PARTITION BY device_id ORDER BY time) AS before "
            "FROM core.reading_meter) r WHERE number < before"
        )
        == []
    )


def test_one_of_three_is_killed_while_the_others_run(
    launch: Launch, publisher: Publisher, database: Database, site_id: str
) -> None:
    sites = [f"{site_id}-{number}" for number in range(6)]
    processes = [launch(f"p{i}", *sites[2 * i : 2 * i + 2]) for i in range(3)]
    for process in processes:
        ready(process)
    devices = Devices(publisher, sites)
    with devices.publishing(pause_s=0.005):
        for killed in processes[:2]:
            before = received(database, "p")
            until(partial(exceeds, database, "p", before + 200), "some are stored")
            killed.kill()
            others = received(database, "p2")
            until(partial(exceeds, database, "p2", others + 50), "the others go on")
            killed.launch()
            ready(killed)
    assert_each_once_and_in_order(database, devices)
    assert sum(received(database, f"p{i}") > 0 for i in range(3)) == 3
    assert {sites_of(process) for process in processes} == {"ok"}


def apply_meters(url: str, site: str) -> None:
    """A registry in which both meters of the site are electricity sources."""
    since = "2020-01-01T00:00:00Z"
    meter = {"from": since, "interval_s": 30, "registers": {"energy_import_kwh": {}}}
    source = {"scope": 2, "method": "electricity", "carrier": "electricity"}
    document: dict[str, Any] = {
        "timezone": "Asia/Shanghai",
        "region": "CN-SH",
        "devices": {f"meter/m{i}": {"facts": [meter]} for i in range(2)},
        "sources": {
            f"power{i}": source
            | {"facts": [{"from": since, "devices": [f"meter/m{i}"], "factor_set": "CN_MEE_PROVINCE"}]}
            for i in range(2)
        },
    }
    registry = Registry.model_validate({"version": 1, "sites": {site: document}})

    async def apply() -> None:
        async with await connect(url, name="test", autocommit=True) as connection:
            await apply_registry(connection, await plan_registry(connection, registry))

    asyncio.run(apply())


def test_a_site_moves_while_its_devices_publish(
    launch: Launch, publisher: Publisher, database: Database, database_url: str, site_id: str
) -> None:
    moved, kept, other = (f"{site_id}-{name}" for name in ("moved", "kept", "other"))
    apply_meters(database_url, moved)
    first = launch("first", kept, moved)
    ready(first)
    devices = Devices(publisher, [moved])
    with devices.publishing(pause_s=0.05):
        until(lambda: database.totals()["stored"] > 20, "the first stores")
        # The second subscribes before the first leaves: between them nothing is lost.
        second = launch("second", other, moved)
        ready(second)
        until(lambda: database.totals()["duplicate"] > 10, "both take it")
        for one, another in ((first, "second"), (second, "first")):
            until(partial(is_told, one), "the overlap is told")
            assert sites_of(one).startswith(f"{another}-{site_id} takes site {moved}, too: end the move")
        assert first.stop() == 0
        unsubscribed = len(first.events("unsubscribed"))
        first.environment["CARBONFLOW_INGEST_SITES"] = kept
        first.start()
        until(lambda: len(first.events("unsubscribed")) > unsubscribed, "the broker sends the first no more")
        until(lambda: first.metric("in_flight") == 0, "what it had of it is stored")
        until(lambda: sites_of(first) == sites_of(second) == "ok", "nothing is taken twice")
        before = received(database, "first")
        stored = database.totals()["stored"]
        until(lambda: database.totals()["stored"] > stored + 20, "the second stores")
    assert_each_once_and_in_order(database, devices)
    assert received(database, "first") == before
    publisher.publish(f"telemetry/v1/{kept}/meter/m0", {"ts": ago(5), "power_kw": 1})
    until(lambda: received(database, "first") == before + 1, "the first has what it kept")
    # 1 kWh in a second is 3,600 kW: whoever stored a reading knew the register of the one before.
    rates = database.rows(
        "SELECT round((co2_kg_per_h / 3600)::numeric, 9) AS rate, count(*) FROM core.live_emission "
        "GROUP BY 1 ORDER BY rate NULLS FIRST"
    )
    [(unknown, first_ones), (rate, others)] = rates
    assert (unknown, first_ones) == (None, 2), "the first of each meter has none before it"
    assert rate > 0
    assert others == devices.published - 2


def unowned(database: Database, site: str) -> Any:
    """Messages of a site that nobody took; None where none is known of."""
    rows = database.rows("SELECT messages FROM api.unowned_sites WHERE site = %s AND NOT owned", [site])
    return rows[0][0] if rows else None


def test_a_site_that_nobody_takes_is_told_within_10_s(
    launch: Launch, publisher: Publisher, database: Database, site_id: str
) -> None:
    lost, found = f"{site_id}-lost", f"{site_id}-found"
    one, two = launch("one", f"{site_id}-a"), launch("two", f"{site_id}-b")
    ready(one)
    ready(two)
    watching = "SELECT split_part(client, '-', 1) FROM api.ingest_partitions WHERE watching"
    [(watcher,)] = until(lambda: database.rows(watching), "one watches")
    publisher.publish(f"telemetry/v1/{lost}/meter/m", {"ts": ago(1), "power_kw": 1})
    until(lambda: unowned(database, lost), "it is told", patience_s=10)
    for process in (one, two):
        until(partial(process.metric, "unowned_sites"), "Prometheus is told", patience_s=10)
        assert process.metric("unwatched") == 0
    assert database.totals()["received"] == 0
    watched, other = (one, two) if watcher == "one" else (two, one)
    assert lost in "".join(event["site"] for event in watched.events("site not taken"))

    watched.kill()
    devices = Devices(publisher, [found])
    with devices.publishing(pause_s=0.1):
        until(lambda: unowned(database, found), "another watches", patience_s=10)
    watched.environment["CARBONFLOW_INGEST_SITES"] += f",{found}"
    watched.start()
    until(lambda: unowned(database, found) is None, "it is taken by now")
    publisher.publish(f"telemetry/v1/{found}/meter/m", {"ts": ago(1), "power_kw": 1})
    until(lambda: database.totals()["stored"] == 1, "and stored")
    assert database.rows("SELECT site FROM api.unowned_sites WHERE site = %s", [f"{site_id}-b"]) == []
    assert other.stop() == 0


def test_one_process_without_partitions_watches_nothing(
    launch: Launch, database: Database, site_id: str
) -> None:
    """Its session may have been a partition's, and what that had is ended, too."""
    process = launch("all", f"{site_id}-a")
    ready(process)
    asked = "SELECT asked_for FROM core.ingest_partition"
    until(lambda: database.rows(asked) == [([f"{site_id}-a"],)], "the broker was asked to end the rest")
    assert process.stop() == 0
    process.start(CARBONFLOW_INGEST_SITES="")
    until(lambda: database.rows(asked) == [(["#"],)], "and now of the site")
    until(lambda: not database.value("SELECT bool_or(watching) FROM api.ingest_partitions"), "nobody watches")
    until(lambda: process.metric("unwatched") == 0, "none need to")


def carbonflow(process: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the settings of a process."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        env=process.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_retired_partition_leaves_nothing_at_the_broker(
    launch: Launch, publisher: Publisher, database: Database, site_id: str
) -> None:
    process = launch("gone", site_id)
    ready(process)
    until(lambda: database.value("SELECT bool_or(connected) FROM api.ingest_partitions"), "it reported")
    assert process.stop() == 0
    publisher.publish(f"telemetry/v1/{site_id}/meter/m", {"ts": ago(1), "power_kw": 1})
    database.rows("UPDATE core.ingest_partition SET seen_at = now() - interval '1 minute'")
    [row] = json.loads(carbonflow(process, "partitions", "list", "--json").stdout)
    assert (row["sites"], row["silent"]) == (site_id, True)
    refused = carbonflow(process, "partitions", "retire", f"gone-{site_id}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Nobody else takes {site_id}: ")
    retired = carbonflow(process, "partitions", "retire", f"gone-{site_id}", "--lose")
    assert (retired.returncode, retired.stderr) == (0, "")
    assert database.rows("SELECT FROM core.ingest_partition") == []
    process.start()
    assert process.events("subscribed")[-1]["session_present"] is False
    assert database.totals()["received"] == 0
