"""What devices are told of their readings, over a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.servers import Servers
from services.domain.registry.model import Registry
from services.ingest.decode import Decoder
from services.ingest.flush import Account
from services.ingest.message import Decoded, Limits, Message, Rejected
from services.ingest.results import Results, listeners
from tests.ingest.conftest import Database, Publisher, Service, ago, until
from tests.ingest.live import apply

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = "2020-01-01T00:00:00Z"
TOPIC = "telemetry/v1/site/meter/m1"


def registry(site: str) -> Registry:
    def device(results: str, **more: Any) -> dict[str, Any]:
        return {"results": results, "facts": [{"from": SINCE, "interval_s": 30}], **more}

    devices = {
        "meter/all": device("all"),
        "meter/bad": device("rejections"),
        "meter/silent": device("none"),
        "meter/ended": device("all", ended="2026-01-01T00:00:00Z"),
    }
    return Registry.model_validate(
        {
            "version": 1,
            "sites": {
                site: {"timezone": "UTC", "region": "CN-SH", "devices": devices, "sources": {}},
            },
        }
    )


def decode(payload: bytes, topic: str = TOPIC) -> list[Decoded]:
    return list(Decoder(Limits(4e7, 300)).decode(Message(topic, payload, 1, NOW)))


def told(units: list[Decoded], mode: Any, repeated: tuple[int, ...] = ()) -> list[tuple[str, Any]]:
    results = Results()
    account = Account(
        refused=[(unit, unit.rejection) for unit in units if isinstance(unit, Rejected)],
        repeated=[units[number] for number in repeated],
    )
    results.note(units, account, {TOPIC: mode})
    found = [(topic, json.loads(payload)) for topic, payload in results.take()]
    assert results.take() == []
    return found


ARRAY = b"""[{"ts":"2026-03-01T19:59:30.25+08:00","power_kw":1},{"ts":"2026-03-01T11:00:00Z","power_kw":"1"},
    {"ts":"2026-03-01T11:00:01Z","power_kw":1},{"ts":"yesterday","power_kw":1},7]"""


def test_all_or_rejections() -> None:
    units = decode(ARRAY)
    stored = {"ts": "2026-03-01T11:59:30.250000Z", "outcome": "stored", "reason": None}
    bad = {"ts": "2026-03-01T11:00:00Z", "outcome": "rejected", "reason": "bad_field"}
    again = {"ts": "2026-03-01T11:00:01Z", "outcome": "duplicate", "reason": None}
    no_time = {"ts": None, "outcome": "duplicate", "reason": "bad_timestamp"}
    seven = {"ts": None, "outcome": "rejected", "reason": "bad_field"}
    assert told(units, "all", (2, 3)) == [(f"{TOPIC}/result", [stored, bad, again, no_time, seven])]
    assert told(units, "rejections", (2, 3)) == [(f"{TOPIC}/result", [bad, no_time, seven])]
    assert told(units[:1], "rejections") == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b'{"ts":1}',
        b'{"ts":"9999-12-31T23:59:59-12:00"}',
        b'{"ts":"x","a":' + b"[" * 5000,
        b"x" * 300_000,
    ],
)
def test_a_time_that_cannot_be_read_is_null(payload: bytes) -> None:
    ((_, result),) = told(decode(payload), "rejections")
    assert (result["ts"], result["outcome"]) == (None, "rejected")


def test_states_are_told_where_they_are_rejected() -> None:
    assert told(decode(b"online", f"{TOPIC}/state"), "all") == []
    asleep = {"ts": None, "outcome": "rejected", "reason": "bad_field"}
    assert told(decode(b"asleep", f"{TOPIC}/state"), "rejections") == [(f"{TOPIC}/result", asleep)]


def test_the_registry_says_who_is_told() -> None:
    assert listeners(registry("site"), NOW) == {
        "telemetry/v1/site/meter/all": "all",
        "telemetry/v1/site/meter/bad": "rejections",
    }


class Listener:
    """A device's client that keeps what it is told, by device."""

    def __init__(self, url: str, site: str) -> None:
        parts = urlsplit(url)
        self.told: dict[str, list[Any]] = {}
        self.retained = 0
        self._subscribed = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"listener-{site}")
        self._client.username_pw_set(parts.username, parts.password)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.connect(parts.hostname or "", parts.port or 1883)
        self._client.subscribe(f"telemetry/v1/{site}/+/+/result", qos=1)
        self._client.loop_start()
        until(lambda: self._subscribed, "subscribed")

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed = True

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.retained += message.retain
        self.told.setdefault(message.topic.split("/")[4], []).append(json.loads(message.payload))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listener(servers: Servers, site_id: str) -> Iterator[Listener]:
    found = Listener(servers.device_mqtt_url, site_id)
    yield found
    found.close()


def test_devices_are_told_after_the_commit(
    service: Service,
    publisher: Publisher,
    database: Database,
    database_url: str,
    site_id: str,
    listener: Listener,
) -> None:
    apply(database_url, registry(site_id))
    service.start()
    times = [ago(60), ago(50), ago(40)]

    def outcome(ts: str | None, outcome: str, reason: str | None = None) -> dict[str, Any]:
        return {"ts": ts and ts.replace("+00:00", "Z"), "outcome": outcome, "reason": reason}

    for device in ("all", "bad", "silent", "ended", "stranger"):
        topic = f"telemetry/v1/{site_id}/meter/{device}"
        publisher.publish(topic, {"ts": times[0], "power_kw": 1}, {"ts": times[0], "power_kw": 1})
        publisher.publish(topic, {"ts": times[0], "power_kw": 2}, {"power_kw": 2})
        publisher.publish(topic, [{"ts": times[1], "power_kw": 1}, {"ts": times[2], "power_kw": "1"}])
        publisher.publish(topic, [{"ts": times[2], "power_kw": 1}])
    conflict = outcome(times[0], "rejected", "conflict")
    no_time = outcome(None, "rejected", "bad_timestamp")
    bad_field = outcome(times[2], "rejected", "bad_field")
    until(lambda: len(listener.told.get("all", ())) == 6, "the one is told all")
    until(lambda: len(listener.told.get("bad", ())) == 3, "the other of its rejections")
    until(lambda: database.totals()["received"] == 35, "all is written")
    assert listener.told == {
        "all": [
            outcome(times[0], "stored"),
            outcome(times[0], "duplicate"),
            conflict,
            no_time,
            [outcome(times[1], "stored"), bad_field],
            [outcome(times[2], "stored")],
        ],
        "bad": [conflict, no_time, [bad_field]],
    }
    assert listener.retained == 0
    assert service.metric("results_total") == 9
    assert service.metric("results_dropped_total") == 0
    assert database.totals()["stored"] == 15
    assert service.stop() == 0
