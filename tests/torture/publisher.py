"""A publisher as a process: `python -m tests.torture.publisher`.

On SIGTERM it stops making messages, waits until the broker has acknowledged all of them, and ends with status
0; it may be killed at any time and started again.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.torture.journal import Journal, Sent, read
from tests.torture.stream import Stream, utc_now

_WINDOW: Final = 400
"""Messages not acknowledged, at most."""
_TICK_S: Final = 0.05
_LAST_ACKNOWLEDGEMENTS_S: Final = 120.0


class Publisher:
    """Publishes a stream at QoS 1, and keeps the journal."""

    def __init__(self, url: str, journal: Path, site: str, seed: str, rate_per_s: float) -> None:
        earlier = read(journal).sent
        first = earlier[-1].number + len(earlier[-1].texts) if earlier else 0
        self._messages = iter(Stream(site, Random(f"{seed} {first}"), first, utc_now))
        self._journal = Journal(journal)
        self._rate_per_s = rate_per_s
        self._pending: dict[int, int] = {}
        self._acknowledged: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self.stopped = threading.Event()
        parts = urlsplit(url)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"torture-{site}-{os.getpid()}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        self._client.username_pw_set(parts.username, parts.password)
        self._client.max_inflight_messages_set(100)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_publish = self._on_publish
        self._client.connect_async(parts.hostname or "", parts.port or 1883, keepalive=15)

    def run(self) -> bool:
        """Publish until `stopped`; whether everything was acknowledged."""
        self._client.loop_start()
        due = 0.0
        while not self.stopped.wait(_TICK_S):
            due = min(due + self._rate_per_s * _TICK_S, _WINDOW)
            room = _WINDOW - len(self._pending)
            sent = list(islice(self._messages, max(0, min(int(due), room))))
            due -= len(sent)
            self._note(sent)
            for each in sent:
                self._pending[self._client.publish(each.topic, each.payload, qos=1).mid] = each.number
        deadline = time.monotonic() + _LAST_ACKNOWLEDGEMENTS_S
        while self._pending and time.monotonic() < deadline:
            self._note([], wait_s=_TICK_S)
        self._client.disconnect()
        self._client.loop_stop()
        self._journal.close()
        return not self._pending

    def _note(self, sent: list[Sent], wait_s: float = 0.0) -> None:
        """Write the acknowledgements that came and what is about to be sent."""
        acknowledged = []
        while True:
            try:
                mid, code = self._acknowledged.get(block=wait_s > 0, timeout=wait_s or None)
            except queue.Empty:
                break
            acknowledged.append((self._pending.pop(mid), code))
            wait_s = 0.0
        self._journal.write(acknowledged, sent)

    def _on_publish(
        self, _client: paho.Client, _userdata: object, mid: int, code: ReasonCode, _properties: Properties
    ) -> None:
        """Called in the client's own thread, when the broker has acknowledged."""
        if not code.is_failure:
            self._acknowledged.put((mid, code.value))


def main() -> int:
    """Run one publisher."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--site", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--rate", type=float, required=True)
    arguments = parser.parse_args()
    publisher = Publisher(
        os.environ["TORTURE_MQTT_URL"], arguments.journal, arguments.site, arguments.seed, arguments.rate
    )
    signal.signal(signal.SIGTERM, lambda *_: publisher.stopped.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    return 0 if publisher.run() else 1


if __name__ == "__main__":
    sys.exit(main())
