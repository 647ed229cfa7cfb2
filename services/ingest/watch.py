"""The watch over topics: which sites send that no partition takes. It keeps nothing and acknowledges nothing.

The broker drops what nobody subscribes, and its publisher is told that all is well. So one of the partitions
subscribes everything a second time, at QoS 0, and looks at the topics alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import structlog

from services.ingest.connection import BrokerRefusedError, Connection, SessionTakenError
from services.ingest.message import Message
from services.ingest.mqtt import Broker, Subscriber
from services.ingest.session import EVERYTHING, SessionOptions, topic_filters
from services.ingest.topics import PREFIX
from services.store.partitions import MAX_UNOWNED

SHOWN: Final = 64
"""How much of a site's name is kept: one longer than an id, so that it cannot be mistaken for one."""
# A stopped watcher's messages pile up in the broker until it is missed; a broker waits 1.5 times as long.
_KEEP_ALIVE_S: Final = 5
_RECEIVE_MAXIMUM: Final = 1
_REFUSED_S: Final = 30.0


def watch_options(client: str, broker: Broker) -> SessionOptions:
    """The session of the watch: it ends with its connection."""
    return SessionOptions(
        client_id=f"{client}-watch",
        username=broker.username,
        password=broker.password,
        topic_filters=topic_filters((EVERYTHING,)),
        receive_maximum=_RECEIVE_MAXIMUM,
        keep_alive_s=_KEEP_ALIVE_S,
        lasting=False,
    )


class Sightings:
    """Counts messages by site. As receiver of a connection it always has room."""

    def __init__(self) -> None:
        self.owned: frozenset[str] = frozenset()
        """The sites that need not be counted."""
        self._new: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()

    def receive(self, _connection: Connection, messages: list[Message], /) -> bool:
        """Look at the topics."""
        owned, begin = self.owned, len(PREFIX)
        for message in messages:
            site = message.topic[begin:].partition("/")[0]
            if site not in owned:
                self._count(site[:SHOWN])
        return True

    async def wait_for_room(self) -> None:
        """There is room."""

    def settle(self, owned: frozenset[str]) -> Counter[str]:
        """The messages, by site, that were seen before the last call and that still nobody owns.

        Not the newest: a partition that has just subscribed is known to the database a moment later.
        """
        settled = Counter({site: count for site, count in self._seen.items() if site not in owned})
        self._seen, self._new = self._new, Counter()
        self.owned = owned
        return settled

    def clear(self) -> None:
        """Forget what was not settled."""
        self._new.clear()
        self._seen.clear()

    def _count(self, site: str) -> None:
        if site in self._new or len(self._new) < MAX_UNOWNED:
            self._new[site] += 1


class Watch:
    """Subscribes everything while it is told to."""

    def __init__(self, subscriber: Subscriber, sightings: Sightings) -> None:
        self._subscriber = subscriber
        self._sightings = sightings
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("watch")

    @property
    def watching(self) -> bool:
        """Whether messages come."""
        return self._task is not None and self._subscriber.subscribed

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Watch, if it does not already."""
        if self._task is None:
            self._sightings.clear()
            self._task = tasks.create_task(self._run(), name="watch")

    def end(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def settle(self, owned: frozenset[str]) -> Counter[str]:
        """As Sightings.settle."""
        return self._sightings.settle(owned)

    async def _run(self) -> None:
        """Watch for ever. A broker that refuses the watch must not end ingest."""
        while True:
            try:
                await self._subscriber.run()
            except (BrokerRefusedError, SessionTakenError) as error:
                self._log.warning("not watching", problem=str(error), retry_in_s=_REFUSED_S)
                await asyncio.sleep(_REFUSED_S)
