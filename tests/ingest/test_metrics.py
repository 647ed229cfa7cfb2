"""What is counted of a transaction."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from services.domain.outcome import Reason
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from services.ingest.flush import Account
from services.ingest.message import Decoded, Message, Received, Rejected, Rejection
from services.ingest.metrics import Metrics

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVICE = DeviceKey("site", Kind.METER, "m1")


def reading(received_s: float, measured_s: float) -> Received:
    """Received and measured so many seconds before NOW."""
    message = Message("t", b"{}", 1, NOW - timedelta(seconds=received_s))
    return Received(*Reading(DEVICE, NOW - timedelta(seconds=measured_s), None, (1.0,)), message, None)


def rejected(received_s: float) -> Rejected:
    message = Message("t", b"{", 1, NOW - timedelta(seconds=received_s))
    return Rejected(Rejection(Reason.NOT_JSON, "No."), message, None)


def sums(metrics: Metrics, name: str) -> dict[str, float]:
    """Count and sum of a histogram, by label."""
    found = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name in (f"{name}_count", f"{name}_sum"):
                key = "_".join([sample.name.rpartition("_")[2], *sample.labels.values()])
                found[key] = sample.value
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"carbonflow_ingest_{name}", labels)
    assert found is not None
    return found


def test_outcomes_are_counted_by_reason() -> None:
    metrics = Metrics(lambda: NOW)
    account = Account(stored=3, duplicate=2, rejected=Counter({Reason.NOT_JSON: 4}))
    metrics.written(account, [reading(1, 1)] * 9, 0.02)
    assert value(metrics, "received_total") == 9
    assert value(metrics, "stored_total") == 3
    assert value(metrics, "duplicate_total") == 2
    assert value(metrics, "rejected_total", reason="not_json") == 4
    assert value(metrics, "rejected_total", reason="future") == 0
    assert sums(metrics, "carbonflow_ingest_batch_readings") == {"count": 1, "sum": 9}
    assert sums(metrics, "carbonflow_ingest_commit_seconds") == {"count": 1, "sum": 0.02}


def test_ages_are_those_of_the_oldest_and_the_newest() -> None:
    metrics = Metrics(lambda: NOW)
    metrics.written(Account(), [reading(3, 4), reading(2, 2), reading(0.5, 0.75)], 0.1)
    assert sums(metrics, "carbonflow_ingest_age_seconds") == {
        "count_oldest": 1,
        "sum_oldest": 3,
        "count_newest": 1,
        "sum_newest": 0.5,
    }
    assert sums(metrics, "carbonflow_ingest_reading_age_seconds") == {"count": 1, "sum": 0.75}


@pytest.mark.parametrize(
    ("last", "counted"),
    [
        (reading(1, 60.9), 1),
        (reading(1, 61.1), 0),
        (reading(1, -58), 1),
        (reading(1, -60), 0),
        (rejected(1), 0),
        (reading(3600, 3601), 1),
    ],
    ids=["late", "too late", "ahead", "too far ahead", "no reading", "waited for the database"],
)
def test_only_a_ts_near_its_receipt_says_how_long_a_reading_takes(last: Decoded, counted: int) -> None:
    metrics = Metrics(lambda: NOW)
    metrics.written(Account(), [last], 0.1)
    assert sums(metrics, "carbonflow_ingest_reading_age_seconds")["count"] == counted
    assert sums(metrics, "carbonflow_ingest_age_seconds")["count_newest"] == 1
