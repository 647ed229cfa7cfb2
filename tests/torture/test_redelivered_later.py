"""What is delivered again after the answer to its COMMIT was lost must end as it did the first time.

Found while the torture was made; its own messages keep away from these limits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from msgspec.structs import replace

from services.ingest.message import Message
from tests.ingest.conftest import Database
from tests.ingest.test_write import LIMITS, NOW, at, message, written


def too_early(site: str) -> Message:
    """A reading of a clock that is a second too far ahead."""
    return message(site, at(-LIMITS.future_s - 1, power_kw=1))


def just_in_time(site: str) -> Message:
    """A reading that is one second younger than what is too old."""
    return message(site, at(LIMITS.too_old_s - 1, power_kw=1))


@pytest.mark.parametrize("first", [too_early, just_in_time])
@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="judged by the clock anew: both a reading and a dead letter"
)
def test_a_limit_that_passes_between_two_deliveries(
    first: Callable[[str], Message], database_url: str, site_id: str
) -> None:
    delivered = first(site_id)
    again = replace(delivered, received_at=NOW + timedelta(seconds=5), redelivered=True)
    written(database_url, [delivered], [again])
    with closing(Database(database_url)) as database:
        totals = database.totals()
    assert (totals["stored"] + totals["rejected"], totals["duplicate"]) == (1, 1)
