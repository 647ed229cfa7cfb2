"""Real readings pass without a false alarm. The files are not part of the repository."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.domain.ledger.hours import to_us
from services.domain.ledger.kernel import compute
from services.domain.ledger.readings import readings_of
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import MakeWorld, factors, reading, world

__all__ = ["factors", "world"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
UCI = DATA / "uci_household_power_2007-02-01_02.txt"
EPA = DATA / "epa_orispl58054_stack_flow_2021q4.csv"
METER = DeviceKey("s", Kind.METER, "main")
STACK = DeviceKey("s", Kind.CEMS, "st01")


def judged(world: MakeWorld, facts: dict[str, Any], rows: Sequence[Reading]) -> list[Finding]:
    """The findings of one device whose readings come two seconds after their time."""
    key = rows[0].device
    here = world({f"{key.kind}/{key.device}": facts})
    received = np.array([to_us(row.time) + 2_000_000 for row in rows], np.int64)
    windows, _ = here.windows(rows)
    return compute(here.plan, [readings_of(key.kind, [key], rows, received)], windows, {}).findings


def household() -> Iterator[Reading]:
    """Minutes of a French household, of today; the register is their sum."""
    energy_kwh = 0.0
    with UCI.open(encoding="ascii") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=";")):
            time = datetime.fromisoformat(row["Date"]).replace(tzinfo=UTC) + timedelta(days=7000)
            energy_kwh += float(row["Global_active_power"]) / 60
            yield reading(
                METER,
                time,
                energy_import_kwh=round(energy_kwh, 3),
                power_kw=float(row["Global_active_power"]),
                voltage_v=float(row["Voltage"]),
                current_a=float(row["Global_intensity"]),
                reactive_power_kvar=float(row["Global_reactive_power"]),
            )._replace(seq=number)


@pytest.mark.skipif(not UCI.exists(), reason="the household's readings are not here")
def test_a_household(world: MakeWorld) -> None:
    facts = {
        "interval_s": 60,
        "rated_power_kw": 12,
        "registers": {"energy_import_kwh": {"resolution": 0.001}},
    }
    rows = list(household())
    assert len(rows) == 2881
    assert judged(world, facts, rows) == []
    # It would have been found there.
    stuck = [
        row._replace(values=(*row.values[:4], 240.06, *row.values[5:])) if 1000 <= i < 1070 else row
        for i, row in enumerate(rows)
    ]
    found = judged(world, facts, stuck)
    assert {each.kind for each in found} == {FindingKind.STUCK}
    assert {(each.low, each.high) for each in found} == {(240.06, 240.06)}


@pytest.mark.skipif(not EPA.exists(), reason="the stack's hours are not here")
def test_a_stack(world: MakeWorld) -> None:
    with EPA.open(encoding="ascii") as file:
        rows = [
            reading(
                STACK,
                datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
                + timedelta(hours=int(row["hour"]) + 6),
                flow_wet_nm3_h=float(row["adjusted_scfh"]) * 0.028316846592 * 273.15 / 293.15,
            )
            for row in csv.DictReader(file)
        ]
    assert len(rows) == 1785
    assert judged(world, {"interval_s": 3600, "gauges": "interval_mean"}, rows) == []
    assert {each.kind for each in judged(world, {"interval_s": 3600}, rows[:50] + rows[60:])} == {
        FindingKind.GAP
    }
