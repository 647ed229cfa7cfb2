"""The whole service: broker, database and process are real."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.conftest import with_database
from tests.ingest.conftest import Database, Publisher, Service, ago, until


def meter(site: str, device: str = "m1") -> str:
    return f"telemetry/v1/{site}/meter/{device}"


def test_every_outcome_is_stored_and_counted(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start()
    topic = meter(site_id)
    first = {"ts": ago(60), "power_kw": 1, "fw": "1.2"}
    for qos in (0, 1, 2):
        publisher.publish(meter(site_id, f"qos-{qos}"), {"ts": ago(30), "power_kw": qos}, qos=qos)
    publisher.publish(topic, first, first)
    publisher.publish(topic, {**first, "voltage_v": 230}, {**first, "power_kw": 2})
    publisher.publish(topic, [{"ts": ago(50 - i), "power_kw": i} for i in range(5)] + [{"ts": ago(9)}, 7])
    publisher.publish(f"{topic}/oops", first)
    publisher.publish(topic, b"{", b"{", {"power_kw": 1}, {"ts": ago(1), "power_kw": "1"})
    publisher.publish(topic, {"ts": ago(-3600), "power_kw": 1}, {"ts": "2020-01-01T00:00:00Z", "power_kw": 1})
    publisher.publish(topic, {"ts": ago(1), "power_factor": 2}, b"x" * 300_000, b"y" * 1_000_000)
    publisher.publish(f"{topic}/state", b"online")
    publisher.publish(f"{topic}/result", b"{}")
    publisher.publish(f"telemetry/v1/{site_id}/cems/s1/state", b"offline")
    expected = {
        "bad_topic": 1,
        "not_json": 1,
        "bad_field": 2,
        "bad_timestamp": 1,
        "no_quantity": 1,
        "future": 1,
        "too_old": 1,
        "out_of_range": 1,
        "too_large": 2,
        "conflict": 1,
    }
    until(lambda: database.totals()["received"] >= 24, "all is received")
    assert database.reasons() == expected
    assert database.totals() == {"received": 24, "stored": 10, "duplicate": 2, "rejected": 12}
    assert database.rows(
        "SELECT voltage_v, power_kw, extra::text FROM core.reading_meter WHERE voltage_v IS NOT NULL"
    ) == [(230, 1, '{"fw":"1.2"}')]
    states = "SELECT device, state FROM api.devices WHERE state IS NOT NULL"
    until(lambda: len(database.rows(states)) == 2, "both states are noted")
    assert dict(database.rows(states)) == {"m1": "online", "s1": "offline"}
    large = database.rows("SELECT payload_bytes, payload FROM core.dead_letter WHERE reason = 'too_large'")
    assert sorted(large) == [(300_000, b"x" * 4096), (1_000_000, b"y" * 4096)]
    with urlopen(service.url("/metrics")) as answer:
        metrics = answer.read().decode()
    assert "carbonflow_ingest_stored_total 10.0" in metrics
    assert 'carbonflow_ingest_rejected_total{reason="too_large"} 2.0' in metrics
    assert "carbonflow_ingest_unknown_fields_total 1.0" in metrics
    assert site_id not in metrics
    assert service.stop() == 0


def test_a_lone_reading_is_visible_at_once(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start(CARBONFLOW_BATCH_MAX_AGE_MS="60000")
    publisher.publish(meter(site_id), {"ts": ago(5), "power_kw": 1})
    until(lambda: database.totals()["stored"] == 1, "it did not wait for more of its batch", 10)


def moved(database: Database, before: int) -> bool:
    return database.totals()["received"] > before


def test_nothing_is_lost_or_doubled_by_kill_9(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start()
    messages = 3000
    published: set[str] = set()

    def publish(part: int) -> None:
        times = [ago(3600 - part * 1000 - i / 10) for i in range(messages // 3)]
        published.update(times)
        publisher.publish(meter(site_id, f"m{part}"), *({"ts": ts, "power_kw": 1} for ts in times))

    for part in range(3):
        thread = threading.Thread(target=publish, args=[part])
        before = database.totals()["received"]
        thread.start()
        until(partial(moved, database, before), "some are stored")
        service.kill()
        thread.join()
        service.start()
    until(lambda: database.value("SELECT count(*) FROM core.reading_meter") >= messages, "all are stored")
    assert service.stop() == 0
    stored = [row[0].isoformat() for row in database.rows("SELECT time FROM core.reading_meter")]
    assert len(stored) == messages
    assert set(stored) == published
    assert database.totals()["stored"] == messages
    assert database.totals()["rejected"] == 0


def test_a_stop_writes_and_acknowledges_what_was_received(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start(CARBONFLOW_BATCH_MAX_AGE_MS="60000")
    publisher.publish(meter(site_id), {"ts": ago(50), "power_kw": 1})
    until(lambda: database.totals()["received"] == 1, "the first is written")
    publisher.publish(meter(site_id), *({"ts": ago(40 - i), "power_kw": 1} for i in range(30)))
    until(lambda: service.metric("in_flight") == 30, "the others wait")
    assert service.stop() == 0
    assert database.totals() == {"received": 31, "stored": 31, "duplicate": 0, "rejected": 0}
    service.start()
    publisher.publish(meter(site_id), {"ts": ago(5), "power_kw": 1})
    until(lambda: database.totals()["received"] >= 32, "the new one comes")
    assert database.totals()["duplicate"] == 0


def test_what_is_published_while_ingest_is_away_is_kept(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start()
    assert service.stop() == 0
    publisher.publish(meter(site_id), *({"ts": ago(40 - i), "power_kw": 1} for i in range(30)))
    service.start()
    until(lambda: database.totals()["stored"] == 30, "they come")
    assert service.events("subscribed")[-1]["session_present"] is True


def test_a_full_window_makes_the_broker_wait(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    """Twice as many readings as fit are there while nothing can be written."""
    service.start()
    most = service.metric("window_limit_readings")
    with database.connection.transaction():
        database.rows("LOCK TABLE core.ingest_total IN ACCESS EXCLUSIVE MODE")
        for part in range(2 * int(most) // 1000):
            array = [{"ts": ago(200_000 - part * 1000 - i), "power_kw": 1} for i in range(1000)]
            publisher.publish(meter(site_id, f"m{part % 7}"), array)
        until(lambda: service.metric("window_readings") >= most, "the window is full")
        held = service.metric("window_readings")
        assert held < 1.2 * most
        assert service.metric("in_flight") < 1.2 * most / 1000
        assert service.metric("window_readings") == held
        assert database.totals()["received"] == 0
    until(lambda: database.totals()["stored"] == 2 * most, "all is stored", 60)
    assert database.totals() == {"received": 2 * most, "stored": 2 * most, "duplicate": 0, "rejected": 0}


def test_qos_0_is_not_dropped_where_the_window_is_full(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    """Nothing is acknowledged at QoS 0, so only TCP can make the broker wait."""
    service.start()
    most = int(service.metric("window_limit_readings"))
    arrays = int(1.3 * most / 1000)
    with database.connection.transaction():
        database.rows("LOCK TABLE core.ingest_total IN ACCESS EXCLUSIVE MODE")
        array = [{"ts": ago(2000 - i), "power_kw": 1} for i in range(1000)]
        for part in range(arrays):
            publisher.publish(meter(site_id, f"m{part}"), array, qos=0)
        until(lambda: service.metric("window_readings") >= most, "the window is full")
        assert service.metric("window_readings") < 1.2 * most
        assert database.totals()["received"] == 0
    until(lambda: database.totals()["stored"] == arrays * 1000, "all is stored", 60)
    assert database.totals()["received"] == arrays * 1000


def test_a_taken_session_ends_it_with_a_sentence(
    service: Service, another_service: Service, site_id: str
) -> None:
    service.start()
    another_service.start()
    assert service.wait() == 1
    last = service.log.read_text().splitlines()[-1]
    assert last.startswith(f"Another client has connected with the client id ingest-{site_id}: ")
    assert "Traceback" not in service.log.read_text()
    assert another_service.stop() == 0


def test_a_refused_user_is_a_sentence(service: Service, mqtt_url: str) -> None:
    wrong = mqtt_url.replace(urlsplit(mqtt_url).password or "", "wrong-secret")
    service.launch(CARBONFLOW_MQTT_URL=wrong)
    assert service.wait() == 1
    log = service.log.read_text()
    assert "The broker refuses the connection (not authorized)" in log
    assert "Traceback" not in log
    assert "wrong-secret" not in log


@pytest.mark.parametrize("wrong", ["user", "database", "rights"])
def test_a_database_that_refuses_is_a_sentence(
    service: Service, database_url: str, role_url: Callable[[str], str], wrong: str
) -> None:
    refused = {
        "user": database_url.replace(urlsplit(database_url).password or "", "wrong-secret"),
        "database": with_database(database_url, "no_such_database"),
        "rights": role_url("carbonflow_ops"),
    }
    service.launch(CARBONFLOW_DATABASE_URL=refused[wrong])
    assert service.wait() == 1
    (line,) = service.log.read_text().splitlines()
    assert line.startswith("The database ")
    assert "wrong-secret" not in line


def test_a_taken_port_is_a_sentence(service: Service) -> None:
    port = int(service.environment["CARBONFLOW_INGEST_HTTP_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        service.launch()
        assert service.wait() == 1
    last = service.log.read_text().splitlines()[-1]
    assert last == f"The HTTP port 127.0.0.1:{port} is taken: set CARBONFLOW_INGEST_HTTP_PORT."
    assert "bind" not in service.log.read_text()


def test_a_second_signal_ends_it_at_once(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start()
    with database.connection.transaction():
        database.rows("LOCK TABLE core.ingest_total IN ACCESS EXCLUSIVE MODE")
        publisher.publish(meter(site_id), {"ts": ago(5), "power_kw": 1})
        until(lambda: service.metric("in_flight") == 1, "it is on its way")
        service.signal(signal.SIGTERM)
        until(lambda: service.events("stopping"), "it stops")
        service.signal(signal.SIGTERM)
        assert service.wait() == 143
    assert database.totals()["received"] == 0
