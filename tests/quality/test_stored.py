"""Findings in a real database: written with the ledger, gone when late data explain them, told in a view."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import T0, Database, database, reading, site_of

__all__ = ["database"]
pytestmark = pytest.mark.anyio

METER = DeviceKey("s", Kind.METER, "m")
H = timedelta(hours=1)
FACTS: dict[str, Any] = {
    "interval_s": 60,
    "rated_power_kw": 1000,
    "registers": {"energy_import_kwh": {"resolution": 0.01}},
}
FINDINGS = """
SELECT finding, quantity, from_time, to_time, readings, low, high FROM api.findings
WHERE finding <> 'stale' ORDER BY from_time, finding
"""


def minutes(numbers: range) -> list[Reading]:
    return [reading(METER, 60 * i, energy_import_kwh=100.0 + 2.5 * i) for i in numbers]


def at(minute: float) -> Any:
    return T0 + timedelta(minutes=minute)


async def test_a_gap_over_hours_is_one_finding_and_closes(database: Database) -> None:
    await database.apply({"s": site_of({"meter/m": FACTS})})
    await database.receive([*minutes(range(11)), *minutes(range(200, 211))])
    await database.run()
    assert await database.fetch(FINDINGS) == [("gap", None, at(10), at(200), 189, None, None)]
    assert await database.fetch("SELECT continues FROM core.finding_hour ORDER BY hour") == [
        (False,),
        (True,),
        (True,),
        (True,),
    ]
    # What the device kept comes late: the gap is two, then none.
    await database.receive(minutes(range(100, 106)))
    await database.run()
    assert [row[:5] for row in await database.fetch(FINDINGS)] == [
        ("gap", None, at(10), at(100), 89),
        ("gap", None, at(105), at(200), 94),
    ]
    await database.receive([*minutes(range(11, 100)), *minutes(range(106, 200))])
    await database.run()
    assert await database.fetch(FINDINGS) == []
