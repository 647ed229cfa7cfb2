"""The rate of a counter that is looked at now and then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.analytics.web.rate import RateMeter

START = datetime(2026, 11, 22, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("looks", "rate"),
    [
        ([(0, 100)], None),
        ([(0, 100), (0.5, 200)], None),
        ([(0, 100), (10, 300)], 20.0),
        ([(0, 100), (10, 100)], 0.0),
        # What is older than a minute no longer counts.
        ([(0, 0), (50, 5000), (100, 5100)], 2.0),
        # Nothing to compare with for a minute.
        ([(0, 0), (61, 6100)], None),
        # The counter or the clock began anew.
        ([(0, 500), (10, 20)], None),
        ([(0, 500), (10, 20), (20, 120)], 10.0),
        ([(10, 500), (5, 600)], None),
    ],
)
def test_rate(looks: list[tuple[float, int]], rate: float | None) -> None:
    meter = RateMeter()
    found = [meter.add(START + timedelta(seconds=at), count) for at, count in looks]
    assert found[-1] == rate
