"""This process among the others: which sites it takes, who else takes them, which nobody takes.

Through the database each process tells the others that it lives and what it has subscribed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import psycopg
import structlog

from services.ingest.connection import ConnectionLostError
from services.ingest.link import Link
from services.ingest.metrics import Metrics
from services.ingest.mqtt import Subscriber
from services.ingest.session import EVERYTHING, topic_filters
from services.ingest.topics import shown
from services.ingest.watch import Watch
from services.store import partitions as store
from services.store.errors import explain
from services.store.partitions import Partition
from services.store.pool import Connection

BEAT_S: Final = 1.0
"""How often a process reports. A site that nobody takes is told after two to three of them."""
_NAMED: Final = 5


def overlap(own: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The sites that both take; EVERYTHING where both take all."""
    if EVERYTHING in own:
        return other
    if EVERYTHING in other:
        return own
    return own & other


def shared_sites(
    client: str, sites: frozenset[str], others: Iterable[Partition]
) -> dict[str, frozenset[str]]:
    """Which of the sites of `client` other partitions that run take, too, by their client ids."""
    found = {
        other.client: overlap(sites, other.subscribed)
        for other in others
        if other.client != client and other.live and other.connected
    }
    return {other: both for other, both in found.items() if both}


def shared_sentence(shared: Mapping[str, frozenset[str]]) -> str | None:
    """What is wrong about it; None where nothing is shared."""
    if not shared:
        return None
    what = "; ".join(f"{client} takes {_named(sites)}, too" for client, sites in sorted(shared.items()))
    return (
        f"{what}: end the move, or name each site in one CARBONFLOW_INGEST_SITES. "
        "Until then both store the readings, one of them as duplicates."
    )


def _named(sites: frozenset[str]) -> str:
    if EVERYTHING in sites:
        return "all sites"
    names = sorted(sites)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ("site " if len(names) == 1 else "sites ") + ", ".join(names[:_NAMED]) + more


class Membership:
    """Reports for this process, looks at the others, and says what is wrong."""

    def __init__(
        self,
        link: Link,
        client: str,
        sites: Sequence[str],
        subscriber: Subscriber,
        watch: Watch,
        in_flight: Callable[[], int],
    ) -> None:
        self._link = link
        self._client = client
        self._sites = frozenset(sites)
        self._subscriber = subscriber
        self._watch = watch
        self._in_flight = in_flight
        self._log = structlog.get_logger("partition")
        self._stale: list[str] = []
        self._unowned: Counter[str] = Counter()
        self._told: set[str] = set()
        self._may_watch = False
        self.problem: str | None = None
        """Who takes our sites besides us, in a sentence."""
        self.shared = 0
        """How many of our sites others take, too."""
        self.unowned = 0
        """How many sites sent in the last hour that nobody takes."""
        self.silent = 0
        """How many partitions have not reported for 30 s."""
        self.unwatched = False
        """Whether nobody looks for sites that nobody takes, and there may be some."""

    async def run(self) -> None:
        """Report for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self.beat()
                if self._may_watch:
                    self._watch.begin(tasks)
                else:
                    self._watch.end()
                await self._unsubscribe()
                await asyncio.sleep(BEAT_S)

    async def beat(self) -> None:
        """Report and look, once. Where the database is away, which others say, all stays as it was."""
        try:
            async with self._link.transaction() as connection:
                report = store.Report(
                    self._client,
                    sorted(self._sites),
                    self._subscriber.subscribed,
                    self._watch.watching,
                    self._in_flight(),
                )
                self._stale = await store.report(connection, report)
                everyone = await store.partitions(connection)
                self._may_watch = await self._elected(connection, everyone)
            self._look(everyone)
            async with self._link.transaction() as connection:
                if self._unowned:
                    await store.add_unowned(connection, self._unowned)
                self.unowned = await store.count_unowned(connection)
            self._unowned.clear()
        except psycopg.Error as error:
            self._log.debug("not reported", problem=explain(error))

    async def _elected(self, connection: Connection, everyone: Sequence[Partition]) -> bool:
        """Whether this process is the one to watch. Nobody is while one process takes everything."""
        if any(each.live and EVERYTHING in each.subscribed for each in everyone):
            await self._stand_down(connection)
            return False
        return EVERYTHING not in self._sites and await store.take_watch(connection)

    async def _stand_down(self, connection: Connection) -> None:
        if self._may_watch:
            await store.leave_watch(connection)

    def _look(self, everyone: Sequence[Partition]) -> None:
        self._look_for_shared(everyone)
        self.silent = sum(each.silent for each in everyone)
        running = [each for each in everyone if each.live]
        watched = any(each.watching or EVERYTHING in each.subscribed for each in running)
        self.unwatched = not watched and not self._watch.watching
        if self._watch.watching:
            owned = frozenset[str]().union(*(each.subscribed for each in everyone))
            found = self._watch.settle(owned)
            self._unowned.update(found)
            self._tell(found, owned)

    def _look_for_shared(self, everyone: Sequence[Partition]) -> None:
        shared = shared_sites(self._client, self._sites, everyone)
        self.shared = len(frozenset[str]().union(*shared.values()))
        before, self.problem = self.problem, shared_sentence(shared)
        if self.problem != before:
            if self.problem is not None:
                self._log.warning("sites taken twice", problem=self.problem)
            else:
                self._log.info("sites taken once")

    def _tell(self, found: Mapping[str, int], owned: frozenset[str]) -> None:
        """Name each site that nobody takes once in the log, and not more than so many."""
        self._told -= owned
        for site in found:
            if site not in self._told and len(self._told) < store.MAX_UNOWNED:
                self._told.add(site)
                self._log.warning(
                    "site not taken",
                    site=shown(site),
                    problem="No ingest takes this site; its readings are lost. Put it into the "
                    "CARBONFLOW_INGEST_SITES of one.",
                )

    async def _unsubscribe(self) -> None:
        """End what the session at the broker still has of former sites; the next beat tries again."""
        if not self._stale:
            return
        try:
            async with asyncio.timeout(BEAT_S):
                if not await self._subscriber.unsubscribe(topic_filters(self._stale)):
                    return
            async with self._link.transaction() as connection:
                await store.ended(connection, self._client, self._stale)
        except (ConnectionLostError, TimeoutError, psycopg.Error) as error:
            self._log.debug("not unsubscribed", problem=str(error))
        else:
            self._log.info("unsubscribed", topic_filters=len(self._stale))


def show(metrics: Metrics, membership: Membership) -> None:
    """Tell Prometheus. Only counts: names of sites come from topics."""
    metrics.gauge("shared_sites", "Sites of this process that others take, too", lambda: membership.shared)
    metrics.gauge(
        "unowned_sites",
        "Sites that sent in the last hour and that no process takes",
        lambda: membership.unowned,
    )
    metrics.gauge("silent_partitions", "Processes that have not reported for 30 s", lambda: membership.silent)
    metrics.gauge(
        "unwatched", "1 while nobody looks for sites that no process takes", lambda: membership.unwatched
    )
