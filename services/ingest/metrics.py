"""What ingest tells Prometheus of itself. No label comes from a topic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.domain.outcome import Reason
from services.ingest.flush import Account
from services.ingest.message import Decoded, Received

_SIZES = (1, 10, 100, 500, 1000, 2500, 5000, 10_000, 20_000, 50_000)
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# What waited for a database that was away is hours old.
_AGES = (*_SECONDS[2:], 60, 300, 1800, 7200, 28_800)

CLOSE_S: Final = 60.0
"""A `ts` so near to when its message was received is of a device that sends what it has just measured and
whose clock is right, about: others say nothing of how long a reading takes."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Metrics:
    """The metrics of one ingest process, in a registry of their own. The `clock` tells when a commit was."""

    def __init__(self, clock: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self.registry = CollectorRegistry()
        self._received = self._counter(
            "received", "Readings, or messages that hold none, committed in any outcome"
        )
        self._stored = self._counter("stored", "Readings stored or merged into a stored one")
        self._duplicate = self._counter("duplicate", "Readings and dead letters that were kept already")
        self._rejected = Counter(
            "carbonflow_ingest_rejected",
            "Readings kept as dead letters, by reason",
            ["reason"],
            registry=self.registry,
        )
        for reason in Reason:
            self._rejected.labels(reason)
        self._unknown_fields = self._counter(
            "unknown_fields", "Readings with fields that the contract does not know"
        )
        self._unknown_dropped = self._counter(
            "unknown_fields_dropped",
            "Readings whose unknown fields were too large to keep, or too many",
        )
        self.retries = self._counter("retries", "Transactions that failed and are tried again")
        self.results = self._counter("results", "Messages that told devices what became of their readings")
        self.results_dropped = self._counter(
            "results_dropped",
            "Messages that would have told devices so, dropped: the broker was away, or slow to read",
        )
        self.connections = self._counter(
            "connections", "Times that ingest got its subscription at the broker: once, and once a reconnect"
        )
        self._batch = Histogram(
            "carbonflow_ingest_batch_readings",
            "Units in one transaction",
            registry=self.registry,
            buckets=_SIZES,
        )
        self._commit = Histogram(
            "carbonflow_ingest_commit_seconds",
            "Time from the beginning of a transaction to its commit",
            registry=self.registry,
            buckets=_SECONDS,
        )

        ages = Histogram(
            "carbonflow_ingest_age_seconds",
            "Time from the receipt of a transaction's message to its commit, of its oldest and newest",
            ["of"],
            registry=self.registry,
            buckets=_AGES,
        )
        self._oldest, self._newest = ages.labels("oldest"), ages.labels("newest")
        self._reading_age = Histogram(
            "carbonflow_ingest_reading_age_seconds",
            "Time from the ts of a transaction's newest reading to its commit, where it came within "
            f"{CLOSE_S:.0f} s of its ts",
            registry=self.registry,
            buckets=_AGES,
        )

    def written(self, account: Account, units: Sequence[Decoded], seconds: float) -> None:
        """A transaction of these units, in the order they came, is committed."""
        rejected = account.rejected.total()
        self._received.inc(account.stored + account.duplicate + rejected)
        self._stored.inc(account.stored)
        self._duplicate.inc(account.duplicate)
        for reason, count in account.rejected.items():
            self._rejected.labels(reason).inc(count)
        self._unknown_fields.inc(account.with_unknown_fields)
        self._unknown_dropped.inc(account.unknown_fields_dropped)
        self._batch.observe(len(units))
        self._commit.observe(seconds)
        self._observe_ages(units[0], units[-1])

    def _observe_ages(self, first: Decoded, last: Decoded) -> None:
        """Of two units, not of all: at 50,000 readings a second each observation would be felt."""
        now = self._clock()
        received_at = last.message.received_at
        self._oldest.observe((now - first.message.received_at).total_seconds())
        self._newest.observe((now - received_at).total_seconds())
        if isinstance(last, Received):
            time = last.reading.time
            if abs((received_at - time).total_seconds()) <= CLOSE_S:
                self._reading_age.observe((now - time).total_seconds())

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"carbonflow_ingest_{name}", description, registry=self.registry).set_function(value)

    def _counter(self, name: str, description: str) -> Counter:
        return Counter(f"carbonflow_ingest_{name}", description, registry=self.registry)
