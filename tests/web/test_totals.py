"""Totals over days with their uncertainty, over a real database."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.web.test_api import get, refusal

if TYPE_CHECKING:
    from tests.web.conftest import Seed

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)  # Monday noon in Shanghai
DAY = {"from": "2026-03-02", "to": "2026-03-03"}


def put(
    seed: Seed,
    source: int,
    hour: datetime,
    co2_kg: float | None,
    of: tuple[float | None, float | None] = (None, None),
    **others: object,
) -> None:
    whole = None if None in of else math.hypot(*(part or 0.0 for part in of))
    seed.emission_hour(
        source,
        hour,
        co2_kg,
        uncertainty_pct=whole,
        activity_uncertainty_pct=of[0],
        factor_uncertainty_pct=of[1],
        **others,
    )


async def test_what_shares_a_meter_or_a_factor_errs_together(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    seed.site("plant")
    boilers = seed.source("campus", "boilers", [])
    kitchen = seed.source("campus", "kitchen", [])
    other = seed.source("plant", "boilers", [])
    for hour in range(2):
        put(seed, boilers, NOON + hour * HOUR, 100.0, (1.0, 4.0), factor="gas")
    put(seed, kitchen, NOON, 50.0, (2.0, 4.0), factor="gas")
    put(seed, other, NOON, 300.0, (1.0, 3.0), factor="coal")
    put(seed, boilers, NOON - 13 * HOUR, 999.0, (1.0, 4.0), factor="gas")  # Sunday on the site's calendar
    put(seed, boilers, NOON + 3 * HOUR, 999.0, (1.0, 4.0), factor="gas", in_total=False)
    answer = await get(web, "/api/v1/totals", **DAY)
    campus = math.hypot(200 * 1.0, 50 * 2.0, 250 * 4.0) / 250
    assert [each["site"] for each in answer["sites"]] == ["campus", "plant"]
    assert answer["sites"][0] == {
        "site": "campus",
        "co2_kg": 250.0,
        "uncertainty_pct": pytest.approx(campus),
        "assessed_co2_kg": 250.0,
        "assessed_uncertainty_pct": pytest.approx(campus),
        "hours": 3,
        "unknown_hours": 0,
    }
    both = math.hypot(campus * 250, math.hypot(1.0, 3.0) * 300) / 550
    assert answer["total"]["uncertainty_pct"] == pytest.approx(both)
    assert (await get(web, "/api/v1/totals", site="plant", **DAY))["total"]["co2_kg"] == 300.0


async def test_a_part_without_uncertainty_leaves_the_whole_without(
    web: httpx.AsyncClient, seed: Seed
) -> None:
    seed.site("campus")
    boilers = seed.source("campus", "boilers", [])
    put(seed, boilers, NOON, 100.0, (3.0, 4.0), factor="gas")
    put(seed, boilers, NOON + HOUR, None)
    put(seed, boilers, NOON + 2 * HOUR, 0.0)
    total = (await get(web, "/api/v1/totals", **DAY))["total"]
    assert (total["uncertainty_pct"], total["hours"], total["unknown_hours"]) == (pytest.approx(5.0), 3, 1)
    put(seed, boilers, NOON + 3 * HOUR, 10.0, (3.0, None), factor="gas")
    total = (await get(web, "/api/v1/totals", **DAY))["total"]
    assert (total["co2_kg"], total["uncertainty_pct"]) == (110.0, None)
    assert (total["assessed_co2_kg"], total["assessed_uncertainty_pct"]) == (100.0, pytest.approx(5.0))


async def test_hours_tell_both_parts(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    put(seed, seed.source("campus", "boilers", []), NOON, 100.0, (3.0, 4.0), factor="gas")
    [row] = (
        await get(web, "/api/v1/emissions", **{"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"})
    )["rows"]
    parts = (row["activity_uncertainty_pct"], row["factor_uncertainty_pct"], row["uncertainty_pct"])
    assert parts == (3.0, 4.0, 5.0)


async def test_nothing_is_not_zero(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    answer = await get(web, "/api/v1/totals", **DAY)
    assert (answer["sites"], answer["total"]["co2_kg"]) == ([], None)
    assert "no date" in await refusal(web, "/api/v1/totals", 422, **{"from": "2026-03-02T00:00:00Z"})
