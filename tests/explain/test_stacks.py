"""Hours of judged stacks: what was measured, what stands in, and both come out again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.domain.quantities import Status
from services.domain.reading import Reading
from tests.explain.conftest import Database, Explain
from tests.ledger.conftest import T0, approx, site_of
from tests.ledger.test_stack_hours import CO2, FLOW, KG_PER_H, at, minutes, stack

pytestmark = pytest.mark.anyio
H = timedelta(hours=1)


def hour(number: int, co2_pct: float = CO2, status: Any = Status.VALID) -> list[Reading]:
    return [at(60 * number + minute, status, co2_pct=co2_pct) for minute in range(60)]


async def prepared(database: Database, **rules: Any) -> None:
    given = stack(hour_validity="45min", **rules)
    await database.apply({"s": site_of(given["devices"], given["sources"], given["timezone"])})
    failing = [row for number in (1, 2) for row in hour(number, status={"co2_pct": "fault"})]
    await database.receive([*hour(0), *failing, *hour(3, 14.0), *minutes([240])])
    await database.run()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("hjt75_2007", "hjt75_2007: mean of the hours before and after"),
        ("us_part75", "us_part75: mean of the hours before and after, first 720 h"),
    ],
)
async def test_substitution_is_told(database: Database, explain: Explain, policy: str, expected: str) -> None:
    await prepared(database, substitution=policy)
    [(source,)] = await database.fetch("SELECT DISTINCT source FROM api.emissions_hourly")
    for number in range(4):
        told = await explain(source, T0 + number * H)
        assert (told.reproduced, told.reasons) == (True, [])
    told = await explain(source, T0 + H)
    lines = {line.name: line for line in told.lines}
    assert lines["co2_pct"].value == approx(12.0)
    assert lines["co2_pct"].by.startswith(expected)
    assert lines["co2_pct"].by.endswith("gap of 2 h")
    assert (lines["flow_nm3_h"].value, lines["hour_validity"].value) == (FLOW, "45min")
    assert (lines["substitution"].value, lines["estimated"].value) == (policy, "yes")
    assert lines["co2_kg"].value == approx(1.2 * KG_PER_H)
    rows = await database.fetch("SELECT name, value, by FROM api.explain('s', %s, %s)", source, T0 + H)
    [(value, by)] = [(value, by) for name, value, by in rows if name == "co2_pct" and "substituted" in by]
    assert value == approx(12.0)
    assert expected in by


async def test_what_nothing_stands_in_for_is_unknown(database: Database, explain: Explain) -> None:
    await prepared(database, substitution="us_part75")
    [(source,)] = await database.fetch("SELECT DISTINCT source FROM api.emissions_hourly")
    await database.fetch("SELECT 1")
    told = await explain(source, T0 + 4 * H)
    assert told.reproduced is True
    assert {line.name: line.value for line in told.lines}["co2_kg"] is not None
