"""The careful usual way: paho-mqtt, json.loads, COPY of up to 5,000 rows, acknowledged after the commit.

`python -m tests.benchmarks.peers.paho_copy` with CARBONFLOW_MQTT_URL and CARBONFLOW_DATABASE_URL.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from tests.benchmarks.peers.common import COLUMNS, make_table, row
from tests.benchmarks.peers.count import CLIENT_ID, TOPIC_FILTER, tell
from tests.benchmarks.publisher import Login

_ROWS: Final = 5_000
_AGE_S: Final = 0.1
_COPY: Final = psycopg.sql.SQL("COPY readings ({}) FROM STDIN").format(
    psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, COLUMNS))
)


class Sink:
    """Collects messages; writes them, then acknowledges."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self._ids: list[int] = []
        self._flushed_at = time.monotonic()
        self.count = 0

    def on_message(self, client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        """One more message."""
        self._rows.append(row(message.topic, bytes(message.payload)))
        self._ids.append(message.mid)
        if len(self._rows) >= _ROWS:
            self.flush(client)

    def flush_if_due(self, client: paho.Client) -> None:
        """Write what has waited."""
        if time.monotonic() - self._flushed_at > _AGE_S:
            self.flush(client)

    def flush(self, client: paho.Client) -> None:
        """Write what there is."""
        with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for each in self._rows:
                copy.write_row(each)
        self._connection.commit()
        for packet_id in self._ids:
            client.ack(packet_id, 1)
        self.count += len(self._rows)
        self._rows, self._ids = [], []
        self._flushed_at = time.monotonic()
        tell(self.count)


def run(mqtt_url: str, database_url: str) -> None:
    """Consume for ever."""
    make_table(database_url)
    login = Login.parse(mqtt_url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, manual_ack=True)
    client.username_pw_set(login.user, login.password)
    client.connect(login.host, login.port)
    with psycopg.connect(database_url) as connection:
        sink = Sink(connection)
        client.on_message = sink.on_message
        client.on_connect = _subscribe
        client.on_subscribe = lambda *_: tell(0)
        while client.loop(0.02) == paho.MQTT_ERR_SUCCESS:
            sink.flush_if_due(client)


def _subscribe(client: paho.Client, *_: object) -> None:
    client.subscribe(TOPIC_FILTER, qos=1)


if __name__ == "__main__":
    run(os.environ["CARBONFLOW_MQTT_URL"], os.environ["CARBONFLOW_DATABASE_URL"])
