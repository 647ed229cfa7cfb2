"""What is delivered again after the answer to its COMMIT was lost ends as it did the first time."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest
from msgspec.structs import replace

from services.ingest.flush import MAX_NEW_DEVICES_PER_HOUR
from services.ingest.message import Message
from tests.ingest.conftest import Database
from tests.ingest.test_write import LIMITS, NOW, at, message, written

SOON = NOW + timedelta(seconds=5)
TOO_EARLY = at(-LIMITS.future_s - 1, power_kw=1)
"""Of a clock that is a second too far ahead."""
JUST_IN_TIME = at(LIMITS.too_old_s - 1, power_kw=1)
"""One second younger than what is too old."""
ITS_REST = at(LIMITS.too_old_s - 1, voltage_v=230)


def again(delivered: Message) -> Message:
    return replace(delivered, received_at=SOON, redelivered=True)


@pytest.mark.parametrize(
    ("payload", "outcomes"),
    [
        (TOO_EARLY, {"rejected": 1, "duplicate": 1}),
        (JUST_IN_TIME, {"stored": 1, "duplicate": 1}),
        ([JUST_IN_TIME, at(1, power_kw=2), TOO_EARLY], {"stored": 2, "rejected": 1, "duplicate": 3}),
        ([JUST_IN_TIME, ITS_REST], {"stored": 2, "duplicate": 2}),
    ],
)
def test_a_limit_that_passes_between_two_deliveries(
    payload: object, outcomes: dict[str, int], database_url: str, site_id: str
) -> None:
    delivered = message(site_id, payload)
    written(database_url, [delivered], [again(delivered)])
    with closing(Database(database_url)) as database:
        totals = database.totals()
    assert {name: count for name, count in totals.items() if count and name != "received"} == outcomes


def test_what_was_not_kept_the_first_time_is_judged_now(database_url: str, site_id: str) -> None:
    early, late = message(site_id, TOO_EARLY), message(site_id, JUST_IN_TIME)
    written(database_url, [again(early)], [again(late)])
    with closing(Database(database_url)) as database:
        assert database.totals() == {"received": 2, "stored": 1, "duplicate": 0, "rejected": 1}
        assert database.reasons() == {"too_old": 1}


def test_what_was_beyond_the_quota_stays_a_dead_letter(database_url: str, site_id: str) -> None:
    crowd = [message(site_id, at(1, power_kw=1), f"m{n}") for n in range(MAX_NEW_DEVICES_PER_HOUR + 1)]
    written(database_url, crowd)
    with closing(Database(database_url)) as database:
        assert database.reasons() == {"quota": 1}
        database.rows("UPDATE core.device SET first_seen = first_seen - interval '2 hours'")
        written(database_url, [again(crowd[-1])])
        assert database.reasons() == {"quota": 1}
        assert database.totals()["duplicate"] == 1
