"""The database is away, and ingest goes on: broker, database and process are real."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.ingest.conftest import Database, Publisher, Service, ago, until
from tests.ingest.proxy import Proxy
from tests.ingest.test_service import meter

AT_ONCE = {"CARBONFLOW_JOURNAL_AFTER_S": "0.2"}


@pytest.fixture
def way(database_url: str, service: Service) -> Iterator[Proxy]:
    """The way of the service to its database."""
    proxy = Proxy(database_url)
    service.environment["CARBONFLOW_DATABASE_URL"] = proxy.url
    service.environment |= AT_ONCE
    yield proxy
    proxy.close()


def readings(first: int, count: int) -> list[dict[str, object]]:
    """Of one device, in order, no two of one instant."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    return [
        {"ts": (begin + timedelta(milliseconds=each)).isoformat(), "power_kw": each}
        for each in range(first, first + count)
    ]


def readyz(service: Service) -> dict[str, object]:
    """What /readyz says, ready or not."""
    try:
        with urlopen(service.url("/readyz"), timeout=5) as answer:
            found: dict[str, object] = json.loads(answer.read())
    except HTTPError as error:
        found = json.loads(error.read())
    return found


def journalled(service: Service) -> float:
    """Messages in the journal; -1 where it does not answer."""
    with suppress(OSError):
        return service.metric("journal_messages")
    return -1


def until_quiet(service: Service) -> None:
    """Everything that came is acknowledged, and the journal is empty."""
    until(lambda: journalled(service) == 0 and service.metric("in_flight") == 0, "the journal is empty", 60)


def test_it_takes_readings_while_the_database_is_away(
    service: Service, publisher: Publisher, database: Database, way: Proxy, site_id: str
) -> None:
    service.start()
    sent = readings(0, 3000)
    publisher.publish(meter(site_id), *sent[:1000])
    until(lambda: database.totals()["stored"] == 1000, "the first are stored")
    way.cut()
    publisher.publish(meter(site_id), *sent[1000:2000])
    early = {"ts": ago(-302), "power_kw": 1}  # plausible when it is written at last, not when it came
    publisher.publish(meter(site_id, "early"), early)
    until(lambda: journalled(service) == 1001, "they are in the journal")
    assert service.metric("in_flight") == 0
    assert service.metric("journal_oldest_age_seconds") > 0
    assert 0 < service.metric("journal_bytes") < service.metric("journal_limit_bytes")
    assert service.metric("journal_minutes_left") > 60
    said = readyz(service)
    assert (said["ready"], said["journal"]) == (False, "ok")
    assert "cannot be reached" in str(said["database"])
    assert database.totals()["received"] == 1000
    until(lambda: ago(-300) > str(early["ts"]), "it would be plausible now")
    way.mend()
    publisher.publish(meter(site_id), *sent[2000:])
    until(lambda: database.totals()["received"] == 3001, "all are there")
    until_quiet(service)
    assert database.totals() == {"received": 3001, "stored": 3000, "duplicate": 0, "rejected": 1}
    assert database.reasons() == {"future": 1}
    until(service.is_ready, "all is well")
    assert service.events("journal is empty")
    assert service.stop() == 0
    assert "Traceback" not in service.log.read_text()


def test_kill_9_while_it_spools_and_while_it_empties_loses_and_doubles_nothing(
    service: Service, publisher: Publisher, database: Database, way: Proxy, site_id: str
) -> None:
    service.start()
    way.cut()
    sent = readings(0, 8_000)
    publisher.publish(meter(site_id), *sent[:4_000])
    until(lambda: journalled(service) > 0, "some are in the journal")
    service.kill()  # some of them are acknowledged, others not
    publisher.publish(meter(site_id), *sent[4_000:])
    service.launch()
    until(lambda: journalled(service) > 0, "it found them again")
    way.mend()
    until(lambda: database.totals()["received"] > 0, "some are written")
    service.kill()
    service.start()
    until_quiet(service)
    totals = database.totals()
    assert (totals["stored"], totals["rejected"]) == (8_000, 0)
    assert database.value("SELECT count(*) FROM core.reading_meter") == 8_000
    assert service.stop() == 0
    assert "Traceback" not in service.log.read_text()


def test_it_starts_without_the_database(
    service: Service, publisher: Publisher, database: Database, way: Proxy, site_id: str
) -> None:
    way.cut()
    service.launch()
    until(lambda: service.events("subscribed"), "the session is there")
    publisher.publish(meter(site_id), *readings(0, 100))
    until(lambda: journalled(service) == 100, "they are in the journal")
    assert service.stop() == 0
    service.launch()
    until(lambda: journalled(service) == 100, "they are still there")
    way.mend()
    until(service.is_ready, "the database is there")
    until_quiet(service)
    assert database.totals() == {"received": 100, "stored": 100, "duplicate": 0, "rejected": 0}


def test_a_full_journal_makes_the_broker_hold_and_says_so(
    service: Service, publisher: Publisher, database: Database, way: Proxy, site_id: str
) -> None:
    service.start(CARBONFLOW_JOURNAL_MAX_BYTES=str(32 * 1024 * 1024))
    way.cut()
    random, count = Random(1), 200
    noisy = [
        {**each, "noise": base64.b64encode(random.randbytes(150_000)).decode()} for each in readings(0, count)
    ]
    publisher.publish(meter(site_id), *noisy)
    until(lambda: "takes no more" in str(readyz(service)["journal"]), "/readyz says so")
    assert service.metric("journal_minutes_left") == 0
    # What is partly in the journal is not acknowledged.
    until(lambda: service.metric("in_flight") + journalled(service) >= count, "the others are held")
    assert journalled(service) < count
    assert service.metric("in_flight") > 20
    way.mend()
    until(lambda: database.totals()["received"] >= count, "all are stored", 60)
    until_quiet(service)
    assert database.totals()["stored"] == count
    until(service.is_ready, "all is well")


def test_a_second_process_and_a_folder_that_is_none_are_a_sentence(
    service: Service, another_service: Service, tmp_path: Path
) -> None:
    service.start()
    another_service.launch(CARBONFLOW_JOURNAL_DIR=service.environment["CARBONFLOW_JOURNAL_DIR"])
    assert another_service.wait() == 1
    [line] = another_service.log.read_text().splitlines()
    assert line.startswith("Another process has the journal ")
    (tmp_path / "file").touch()
    another_service.launch(CARBONFLOW_JOURNAL_DIR=str(tmp_path / "file" / "journal"))
    assert another_service.wait() == 1
    last = another_service.log.read_text().splitlines()[-1]
    assert last.startswith("The journal ")
    assert last.endswith("set CARBONFLOW_JOURNAL_DIR to a folder that this user may write.")
    assert service.stop() == 0
