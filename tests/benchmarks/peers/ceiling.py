"""The ceiling: ingest's own MQTT connection, which decodes MQTT only and acknowledges at once.

`python -m tests.benchmarks.peers.ceiling` with CARBONFLOW_MQTT_URL; prints how many messages came, all the
time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from random import Random

import uvloop

from services.ingest.connection import Connection
from services.ingest.message import Message
from services.ingest.mqtt import Subscriber, broker_at
from services.ingest.session import SessionOptions
from services.store.backoff import Backoff
from tests.benchmarks.peers.count import CLIENT_ID, PRINT_EVERY_S, TOPIC_FILTER, tell

# As the settings of ingest have it.
RECEIVE_MAXIMUM = 20_000


class AtOnce:
    """Acknowledges what comes."""

    def __init__(self) -> None:
        self.count = 0

    def receive(self, connection: Connection, messages: list[Message]) -> bool:
        """Acknowledge; there is always room."""
        self.count += len(messages)
        connection.acknowledge([message.packet_id for message in messages])
        return True

    async def wait_for_room(self) -> None:
        """There is room."""


async def run(url: str) -> None:
    """Consume for ever."""
    receiver = AtOnce()
    broker = broker_at(url)
    options = SessionOptions(CLIENT_ID, broker.username, broker.password, (TOPIC_FILTER,), RECEIVE_MAXIMUM)
    subscriber = Subscriber(broker, options, receiver, Backoff(Random()), lambda: datetime.now(UTC))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(subscriber.run())
        while True:
            if subscriber.subscribed:
                tell(receiver.count)
            await asyncio.sleep(PRINT_EVERY_S)


if __name__ == "__main__":
    try:
        uvloop.run(run(os.environ["CARBONFLOW_MQTT_URL"]))
    except KeyboardInterrupt:
        sys.exit(130)
