"""What ingest tells Prometheus of itself. No label comes from a topic."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.domain.outcome import Reason
from services.ingest.flush import Account

_SIZES = (1, 10, 100, 500, 1000, 2500, 5000, 10_000, 20_000, 50_000)
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one ingest process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._received = self._counter(
            "received", "Readings, or messages that hold none, committed in any outcome"
        )
        self._stored = self._counter("stored", "Readings stored or merged into a stored one")
        self._duplicate = self._counter("duplicate", "Readings and dead letters that were kept already")
        self._rejected = Counter(
            "carbonflow_ingest_rejected", "Readings kept as dead letters", ["reason"], registry=self.registry
        )
        for reason in Reason:
            self._rejected.labels(reason)
        self._unknown_fields = self._counter(
            "unknown_fields", "Readings with fields that the contract does not know"
        )
        self._unknown_dropped = self._counter(
            "unknown_fields_dropped", "Readings whose unknown fields were too large to keep"
        )
        self.retries = self._counter("retries", "Transactions that failed and are tried again")
        self.results = self._counter("results", "Messages that told devices what became of their readings")
        self.results_dropped = self._counter(
            "results_dropped",
            "Such messages that were dropped: the broker was away, or slow to read",
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

    def written(self, account: Account, units: int, seconds: float) -> None:
        """A transaction is committed."""
        rejected = account.rejected.total()
        self._received.inc(account.stored + account.duplicate + rejected)
        self._stored.inc(account.stored)
        self._duplicate.inc(account.duplicate)
        for reason, count in account.rejected.items():
            self._rejected.labels(reason).inc(count)
        self._unknown_fields.inc(account.with_unknown_fields)
        self._unknown_dropped.inc(account.unknown_fields_dropped)
        self._batch.observe(units)
        self._commit.observe(seconds)

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"carbonflow_ingest_{name}", description, registry=self.registry).set_function(value)

    def _counter(self, name: str, description: str) -> Counter:
        return Counter(f"carbonflow_ingest_{name}", description, registry=self.registry)
