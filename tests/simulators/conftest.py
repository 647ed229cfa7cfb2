"""What the simulators' tests share: a clock that tests move, and a listener at the broker."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.local.servers import Servers
from simulators.mqtt import BrokerUrl

# A Wednesday morning in Shanghai.
WEDNESDAY = datetime.fromisoformat("2026-11-18T09:00:00+08:00").timestamp()


@pytest.fixture
def now() -> float:
    """An instant to simulate around."""
    return WEDNESDAY


@dataclass
class ManualClock:
    """A clock that jumps to whatever is waited for, and stops whoever waits beyond `end`."""

    time: float
    end: float
    seen: list[float] = field(default_factory=list)

    def now(self) -> float:
        """The present instant."""
        return self.time

    async def wait_until(self, instant: float, stop: asyncio.Event) -> None:
        """Jump to `instant`."""
        await asyncio.sleep(0)
        self.time = max(self.time, min(instant, self.end))
        self.seen.append(self.time)
        if instant >= self.end:
            stop.set()


@pytest.fixture
def manual_clock() -> type[ManualClock]:
    """The class of clocks that tests move."""
    return ManualClock


@pytest.fixture(scope="session")
def operator_url(servers: Servers) -> str:
    """The broker, as a user who may publish and subscribe telemetry."""
    return servers.operator_mqtt_url


@dataclass
class Heard:
    """What a subscriber has received: (topic, payload, retained)."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, enough: Callable[[Heard], bool], seconds: float = 20.0) -> None:
        """Return when `enough` holds; fail after `seconds`."""
        with self.changed:
            assert self.changed.wait_for(lambda: enough(self), seconds), f"{len(self.messages)} messages came"

    def payloads(self) -> list[tuple[str, bytes]]:
        """Readings only: messages on a device's own topic."""
        return [(topic, payload) for topic, payload, _ in self.messages if topic.count("/") == 4]

    def units(self) -> list[tuple[str, Any]]:
        """Topic and content of every unit; None for a message that is no JSON."""
        found: list[tuple[str, Any]] = []
        for topic, payload in self.payloads():
            try:
                content = json.loads(payload)
            except ValueError:
                content = None
            found += [(topic, each) for each in (content if isinstance(content, list) else [content])]
        return found


@contextmanager
def subscribed(broker_url: str, topic_filter: str) -> Iterator[tuple[paho.Client, Heard]]:
    """A client that hears what is published under the filter."""
    heard, ready = Heard(), threading.Event()
    url = BrokerUrl.parse(broker_url)
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"t-{secrets.token_hex(6)}",
        protocol=MQTTProtocolVersion.MQTTv5,
    )
    client.username_pw_set(url.user, url.password)

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with heard.changed:
            heard.messages.append((message.topic, bytes(message.payload), message.retain))
            heard.changed.notify_all()

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.connect(url.host, url.port)
    client.loop_start()
    try:
        client.subscribe(topic_filter, qos=1)
        assert ready.wait(10.0)
        yield client, heard
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def listen(operator_url: str) -> Iterator[Callable[[str], Heard]]:
    """Subscribe a topic filter; gives what is heard from then on."""
    with ExitStack() as open_ones:
        yield lambda topic_filter: open_ones.enter_context(subscribed(operator_url, topic_filter))[1]


@pytest.fixture
def no_states_left(operator_url: str, site_id: str) -> Iterator[None]:
    """Take the retained states of the test's sites from the broker that all tests share."""
    yield
    own = f"telemetry/v1/{site_id}"
    with subscribed(operator_url, "telemetry/v1/+/+/+/state") as (client, heard):
        # Retained messages come before the answer to what is published after the subscription.
        client.publish(f"{own}/meter/end/state", b"end", qos=1)
        heard.wait_for(lambda h: any(payload == b"end" for _, payload, _ in h.messages))
        for topic in {t for t, payload, _ in heard.messages if t.startswith(own) and payload != b"end"}:
            client.publish(topic, b"", qos=1, retain=True).wait_for_publish(10.0)


@pytest.fixture
def real_data() -> Path:
    """The folder of real readings beside the project; skips where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real readings is not beside this clone")
    return folder
