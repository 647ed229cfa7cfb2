"""The writer: takes batches, writes each in a transaction, and only then acknowledges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import psycopg
import structlog
from psycopg.errors import CheckViolation, NumericValueOutOfRange, UniqueViolation

from services.domain.outcome import Reason
from services.ingest.batch import Inbox
from services.ingest.convert import keep
from services.ingest.flush import Account, Flush, Known
from services.ingest.link import Link
from services.ingest.message import Decoded, Rejected, Rejection
from services.ingest.metrics import Metrics
from services.ingest.reference import Reference
from services.ingest.results import Publish, Results
from services.ingest.topics import shown
from services.store.backoff import Backoff
from services.store.errors import Failure, classify, explain

# A second look at what is stored settles it, unless others write the same devices all the time.
_LOOKS: Final = 3


def _nowhere(_topic: str, _payload: bytes) -> bool:
    return False


class Writer:
    """Writes and acknowledges batches in the order they came. It never gives up on one."""

    def __init__(
        self,
        link: Link,
        client: str,
        inbox: Inbox,
        reference: Reference,
        metrics: Metrics,
        backoff: Backoff,
        publish: Publish = _nowhere,
    ) -> None:
        self._link = link
        self._client = client
        self._inbox = inbox
        self._reference = reference
        self._metrics = metrics
        self._backoff = backoff
        self._publish = publish
        self._known = Known()
        self._results = Results()
        self._log = structlog.get_logger("write")
        self.problem: str | None = None
        """Why nothing can be written now, in a sentence."""

    async def run(self) -> None:
        """Serve the inbox for ever."""
        while True:
            batch = await self._inbox.next_batch()
            await self.write(batch.units)
            if batch.source is not None:
                batch.source.acknowledge(batch.packet_ids)
            self._inbox.done(batch)
            self._tell()

    async def write(self, units: Sequence[Decoded]) -> None:
        """Write units, each exactly once, however long the database is away and whatever a row is like."""
        if not units:
            return
        try:
            await self._until_written(units)
        except psycopg.Error as error:
            if len(units) > 1:
                middle = len(units) // 2
                await self.write(units[:middle])
                await self.write(units[middle:])
            else:
                await self._refuse(units[0], error)

    async def _until_written(self, units: Sequence[Decoded]) -> None:
        """Try until it succeeds. Raises psycopg.Error where the rows are to blame."""
        looks = 0
        while True:
            try:
                started = time.perf_counter()
                account = await self._transaction(units)
            except UniqueViolation as error:
                looks += 1
                self._known.forget(units)
                if looks >= _LOOKS:
                    await self._wait(error)
            except psycopg.Error as error:
                if classify(error) is Failure.PERMANENT and not _only_rejected(units):
                    raise
                await self._wait(error)
            else:
                self._written(account, len(units), time.perf_counter() - started)
                self._results.note(units, account, self._reference.listeners)
                return

    async def _transaction(self, units: Sequence[Decoded]) -> Account:
        async with self._link.transaction() as connection:
            return await Flush(connection, self._client, self._known, self._reference.live).write(units)

    def _written(self, account: Account, units: int, seconds: float) -> None:
        """The transaction is committed: what was learned in it is true."""
        self._known.learn(account.ids, account.newest)
        for converted in account.live:
            keep(converted)
        self._metrics.written(account, units, seconds)
        self._backoff.reset()
        if self.problem is not None:
            self._log.info("database back")
            self.problem = None

    def _tell(self) -> None:
        """Tell devices what became of their readings. What the broker does not take now is dropped."""
        for topic, payload in self._results.take():
            published = self._publish(topic, payload)
            (self._metrics.results if published else self._metrics.results_dropped).inc()

    async def _wait(self, error: psycopg.Error) -> None:
        self.problem = explain(error)
        delay_s = self._backoff.next_s()
        self._metrics.retries.inc()
        self._log.warning("not written", problem=self.problem, retry_in_s=round(delay_s, 1))
        await asyncio.sleep(delay_s)

    async def _refuse(self, unit: Decoded, error: psycopg.Error) -> None:
        """This one is what the database does not take: it becomes a dead letter."""
        self._log.error("refused by the database", problem=explain(error), sqlstate=error.sqlstate)
        await self._until_written([Rejected(blame(error), unit.message, unit.position)])


def _only_rejected(units: Sequence[Decoded]) -> bool:
    """A dead letter can always be stored: where it cannot, something else is wrong, and it stays."""
    return len(units) == 1 and isinstance(units[0], Rejected)


def blame(error: psycopg.Error) -> Rejection:
    """The rejection of a unit that the database does not take."""
    unstorable = isinstance(error, CheckViolation | NumericValueOutOfRange)
    first_line = str(error).strip().partition("\n")[0]
    return Rejection(
        Reason.OUT_OF_RANGE if unstorable else Reason.BAD_FIELD,
        f"The database does not take this ({shown(first_line)[1:-1]}): correct it at the device.",
    )
