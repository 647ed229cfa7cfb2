"""Writes units, each exactly once, whatever a row is like; says so when the database stays away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import psycopg
import structlog
from psycopg.errors import CheckViolation, NumericValueOutOfRange, UniqueViolation

from services.domain.outcome import Reason
from services.ingest.convert import keep
from services.ingest.extras import ExtraBudget
from services.ingest.flush import Account, Flush
from services.ingest.known import Known
from services.ingest.link import Link
from services.ingest.message import Decoded, Rejected, Rejection
from services.ingest.metrics import Metrics
from services.ingest.reference import Reference
from services.ingest.results import Results
from services.ingest.topics import shown
from services.store.backoff import Backoff
from services.store.errors import Failure, classify, explain

# A second look at what is stored settles it, unless others write the same devices all the time.
_LOOKS: Final = 3

Patience: TypeAlias = Callable[[float], bool]
"""Whether to go on waiting for a database that has been away for so many seconds."""
_LOOK_AGAIN_S: Final = 0.5
"""How long somebody with a patience waits at most before the next try."""


class DatabaseAwayError(Exception):
    """The database has been away for longer than the writer waits; `units` are not written."""

    def __init__(self, problem: str, units: Sequence[Decoded]) -> None:
        super().__init__(problem)
        self.units = units


class Writer:
    """Writes units on one connection, in the order they came.

    Writers with different devices may share what is known; each has its own connection, and waits for itself.
    """

    def __init__(
        self,
        link: Link,
        client: str,
        known: Known,
        reference: Reference,
        metrics: Metrics,
        backoff: Backoff,
        extras: ExtraBudget | None = None,
    ) -> None:
        self._link = link
        self._client = client
        self._known = known
        self._reference = reference
        self._metrics = metrics
        self._backoff = backoff
        self._extras = extras
        self._log = structlog.get_logger("write")
        self._failing_since = 0.0
        self.results = Results()
        """What devices are to be told of what was written."""
        self.problem: str | None = None
        """Why nothing can be written now, in a sentence."""

    async def write(self, units: Sequence[Decoded], patience: Patience | None = None) -> None:
        """Write units, each exactly once. Where a row is to blame it is found by halving, and refused.

        Raises DatabaseAwayError once the database has been away for too long; without `patience`: never.
        """
        if self._extras is not None:
            units = self._extras.within(units)
        todo = [units] if units else []
        while todo:
            part = todo.pop()
            try:
                await self._until_written(part, patience)
            except DatabaseAwayError as error:
                raise DatabaseAwayError(
                    str(error), [unit for each in (part, *reversed(todo)) for unit in each]
                ) from None
            except psycopg.Error as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    todo += [part[middle:], part[:middle]]
                else:
                    todo.append([self._refused(part[0], error)])

    async def _until_written(self, units: Sequence[Decoded], patience: Patience | None) -> None:
        """Try until it succeeds. Raises psycopg.Error where the rows are to blame, and DatabaseAwayError."""
        looks = 0
        while True:
            try:
                started = time.perf_counter()
                account = await self._transaction(units)
            except UniqueViolation as error:
                looks += 1
                self._known.forget(units)
                if looks >= _LOOKS:
                    await self._wait(error, patience)
            except psycopg.Error as error:
                if classify(error) is Failure.PERMANENT and not _only_rejected(units):
                    raise
                await self._wait(error, patience)
            else:
                self._written(account, units, time.perf_counter() - started)
                self.results.note(units, account, self._reference.listeners)
                return

    async def _transaction(self, units: Sequence[Decoded]) -> Account:
        async with self._link.transaction() as connection:
            return await Flush(connection, self._client, self._known, self._reference.live).write(units)

    def _written(self, account: Account, units: Sequence[Decoded], seconds: float) -> None:
        """The transaction is committed: what was learned in it is true."""
        self._known.learn(account.ids, account.newest)
        for converted in account.live:
            keep(converted)
        self._metrics.written(account, units, seconds)
        self._backoff.reset()
        if self.problem is not None:
            self._log.info("database back")
            self.problem = None

    async def _wait(self, error: psycopg.Error, patience: Patience | None) -> None:
        now = time.monotonic()
        if self.problem is None:
            self._failing_since = now
        self.problem = explain(error)
        if patience is not None and not patience(now - self._failing_since):
            raise DatabaseAwayError(self.problem, ())
        delay_s = self._backoff.next_s()
        if patience is not None:
            delay_s = min(delay_s, _LOOK_AGAIN_S)
        self._metrics.retries.inc()
        self._log.warning("not written", problem=self.problem, retry_in_s=round(delay_s, 1))
        await asyncio.sleep(delay_s)

    def _refused(self, unit: Decoded, error: psycopg.Error) -> Rejected:
        """This one is what the database does not take: it becomes a dead letter."""
        self._log.error("refused by the database", problem=explain(error), sqlstate=error.sqlstate)
        return Rejected(blame(error).of_element(unit.position), unit.message, unit.position)


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
