"""The service while network and database go away, and come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from psycopg import sql

from tests.ingest.conftest import Database, Publisher, Service, ago, until
from tests.ingest.proxy import Proxy


def meter(site: str, device: str = "m1") -> str:
    return f"telemetry/v1/{site}/meter/{device}"


@pytest.fixture
def broker_proxy(mqtt_url: str) -> Iterator[Proxy]:
    proxy = Proxy(mqtt_url)
    yield proxy
    proxy.close()


@pytest.fixture
def database_proxy(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(database_url)
    yield proxy
    proxy.close()


def test_a_cut_network_to_the_broker_loses_nothing(
    service: Service, publisher: Publisher, database: Database, site_id: str, broker_proxy: Proxy
) -> None:
    service.start(CARBONFLOW_MQTT_URL=broker_proxy.url)
    for part in range(3):
        publisher.publish(
            meter(site_id), *({"ts": ago(500 - part * 100 - i / 10), "power_kw": 1} for i in range(200))
        )
        broker_proxy.cut()
        publisher.publish(meter(site_id), {"ts": ago(500 - part * 100 - 50), "power_kw": 1})
        broker_proxy.mend()
    until(lambda: database.value("SELECT count(*) FROM core.reading_meter") == 603, "all are stored")
    assert database.totals()["stored"] == 603
    assert broker_proxy.accepted > 1
    assert service.metric("connections_total") == len(service.events("subscribed")) > 1


def test_a_database_that_goes_away_loses_nothing(
    service: Service, publisher: Publisher, database: Database, site_id: str, database_proxy: Proxy
) -> None:
    service.start(CARBONFLOW_DATABASE_URL=database_proxy.url)
    publisher.publish(meter(site_id), {"ts": ago(100), "power_kw": 1})
    until(lambda: database.totals()["stored"] == 1, "the first is stored")
    database_proxy.cut()
    publisher.publish(meter(site_id), *({"ts": ago(90 - i / 10), "power_kw": 1} for i in range(500)))
    until(lambda: not service.is_ready(), "/readyz says so")
    assert database.totals()["stored"] == 1
    database_proxy.mend()
    until(lambda: database.totals()["stored"] == 501, "they are stored")
    until(service.is_ready, "/readyz says so")
    assert service.stop() == 0
    assert database.totals()["received"] == 501


def test_terminated_backends_lose_nothing(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start()
    for part in range(4):
        publisher.publish(
            meter(site_id), *({"ts": ago(500 - part * 100 - i / 10), "power_kw": 1} for i in range(300))
        )
        database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, %s)",
            [f"ingest-{site_id} write "],
        )
    until(lambda: database.value("SELECT count(*) FROM core.reading_meter") == 1200, "all are stored")
    assert database.totals()["stored"] == 1200


def test_it_waits_for_the_database_at_the_start(
    service: Service, publisher: Publisher, database: Database, site_id: str, database_proxy: Proxy
) -> None:
    database_proxy.cut()
    service.launch(CARBONFLOW_DATABASE_URL=database_proxy.url)
    until(lambda: service.events("subscribed"), "the session is there before the database")
    publisher.publish(meter(site_id), {"ts": ago(100), "power_kw": 1})
    assert [event["problem"] for event in service.events("database away")]
    database_proxy.mend()
    until(lambda: database.totals()["stored"] == 1, "it is stored")
    assert "Traceback" not in service.log.read_text()
    with urlopen(service.url("/readyz")) as answer:
        found = json.loads(answer.read())
        assert found.items() >= {"ready": True, "broker": "ok", "database": "ok", "journal": "ok"}.items()


def test_a_refusal_while_it_runs_is_waited_for(
    service: Service, publisher: Publisher, database: Database, site_id: str, role_url: Callable[[str], str]
) -> None:
    proxy = Proxy(role_url("carbonflow_ingest"))
    name = sql.Identifier(urlsplit(service.environment["CARBONFLOW_DATABASE_URL"]).path.lstrip("/"))
    service.start(CARBONFLOW_DATABASE_URL=proxy.url)
    database.connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))
    proxy.cut()
    proxy.mend()
    publisher.publish(meter(site_id), {"ts": ago(5), "power_kw": 1})
    until(lambda: "lacks a right" in service.log.read_text(), "it is refused, and says so")
    database.connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(name))
    until(lambda: database.totals()["stored"] == 1, "it is stored")
    assert service.stop() == 0
    proxy.close()
