"""How long an answer to `explain` takes, warm: the recomputing of the hour included, and in SQL alone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from services.analytics.explain import Explainer
from services.domain.reading import Reading
from services.store.pool import connect
from tests.ledger.conftest import T0, Database, reading, site_of
from tests.ledger.test_emission_hours import HJ75
from tests.ledger.test_recompute import BELT, CEMS, GAS, LIME, METER, PLANT, STEAM

_INTERVAL_S: Final = 30
_HOURS: Final = 12
_SOURCES: Final = ("grid", "boiler", "steam", "coal", "lime", "stack")


class Found(NamedTuple):
    """Milliseconds, 95 of 100 answers are faster."""

    p95_ms: float
    sql_p95_ms: float


def _readings() -> Iterator[Reading]:
    for number in range(_HOURS * 3600 // _INTERVAL_S):
        at = number * _INTERVAL_S
        yield reading(METER, at, energy_import_kwh=0.25 * number, power_kw=30.0)
        yield reading(GAS, at, volume_nm3=2.5 * number)
        yield reading(STEAM, at, mass_t=0.5 * number, pressure_kpa=800.0 + number % 7)
        yield reading(BELT, at, mass_t=0.2 * number)
        yield reading(LIME, at, mass_t=0.1 * number)
        yield reading(CEMS, at, **HJ75)


def _plant() -> dict[str, object]:
    devices = {
        ref: {**device["facts"][0], "interval_s": _INTERVAL_S} for ref, device in PLANT["devices"].items()
    }
    return site_of(devices) | {"sources": PLANT["sources"]}


async def measure(database_url: str, times: int) -> Found:
    """Each source in turn, some hour of it. Raises AssertionError where an hour is not reproduced."""
    async with await connect(database_url, name="benchmark") as connection:
        database = Database(connection)
        await database.apply({"s": _plant()})
        await database.receive(_readings())
        await database.run()
        explainer = Explainer()
        whole, alone = [], []
        for number in range(times + len(_SOURCES)):
            source, hour = _SOURCES[number % len(_SOURCES)], T0 + timedelta(hours=1 + number % (_HOURS - 2))
            began = time.perf_counter()
            told = await explainer.explain(connection, "s", source, hour)
            whole.append(time.perf_counter() - began)
            assert told.reproduced, told.reasons
            began = time.perf_counter()
            await database.fetch("SELECT * FROM api.explain('s', %s, %s)", source, hour)
            alone.append(time.perf_counter() - began)
    return Found(*(_p95_ms(each[len(_SOURCES) :]) for each in (whole, alone)))


def _p95_ms(seconds: list[float]) -> float:
    return 1000.0 * sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]
