"""How most repositories do it: aiomqtt 2, json.loads, executemany every 500 rows. It acknowledges on receipt.

`python -m tests.benchmarks.peers.aiomqtt_executemany` with CARBONFLOW_MQTT_URL and CARBONFLOW_DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import aiomqtt
import psycopg

from tests.benchmarks.peers.common import COLUMNS, make_table, row
from tests.benchmarks.peers.count import CLIENT_ID, PRINT_EVERY_S, TOPIC_FILTER, tell
from tests.benchmarks.publisher import Login

_ROWS: Final = 500
_INSERT: Final = psycopg.sql.SQL("INSERT INTO readings ({}) VALUES ({})").format(
    psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, COLUMNS)),
    psycopg.sql.SQL(", ").join([psycopg.sql.Placeholder()] * len(COLUMNS)),
)


class Sink:
    """Collects rows and inserts them."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self._lock = asyncio.Lock()
        self.count = 0

    async def add(self, new: tuple[Any, ...]) -> None:
        """One more row."""
        self._rows.append(new)
        if len(self._rows) >= _ROWS:
            await self.flush()

    async def flush(self) -> None:
        """Insert what there is."""
        async with self._lock:
            rows, self._rows = self._rows, []
            if rows:
                async with self._connection.cursor() as cursor:
                    await cursor.executemany(_INSERT, rows)
                await self._connection.commit()
                self.count += len(rows)


async def run(mqtt_url: str, database_url: str) -> None:
    """Consume for ever."""
    make_table(database_url)
    login = Login.parse(mqtt_url)
    client = aiomqtt.Client(
        login.host, login.port, username=login.user, password=login.password, identifier=CLIENT_ID
    )
    async with await psycopg.AsyncConnection.connect(database_url) as connection, client:
        await client.subscribe(TOPIC_FILTER, qos=1)
        sink = Sink(connection)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_tell(sink))
            async for message in client.messages:
                await sink.add(row(str(message.topic), bytes(message.payload)))


async def _tell(sink: Sink) -> None:
    while True:
        tell(sink.count)
        await asyncio.sleep(5 * PRINT_EVERY_S)
        await sink.flush()


if __name__ == "__main__":
    asyncio.run(run(os.environ["CARBONFLOW_MQTT_URL"], os.environ["CARBONFLOW_DATABASE_URL"]))
