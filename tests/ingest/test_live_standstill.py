"""A stack that says `stopped`: live, as in the ledger, zero only where its readings show it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.conversion import SourceKey
from services.domain.factors import FactorBook
from services.domain.ledger.hours import HOUR_US, to_us
from services.domain.ledger.kernel import compute
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import readings_of
from services.domain.ledger.track import Window
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References, keep
from services.store.reading_columns import columns_of
from tests.ingest.test_write import NOW

STACK = DeviceKey("site", Kind.CEMS, "stack")
SINCE = "2020-01-01T00:00:00Z"
EVIDENCE: dict[str, Any] = {"o2_pct": {"at_least": 19}, "temperature_c": {"at_most": 60}}
BOOK = FactorBook(())
STOPPED = STATUS_CODES[Status.STOPPED]


def registry(evidence: dict[str, Any]) -> Registry:
    source: dict[str, Any] = {"from": SINCE, "devices": ["cems/stack"], "quantity": "flow_nm3_h"}
    source["stack"] = {"stopped_evidence": evidence}
    device = {"from": SINCE, "interval_s": 60, "analyser": "dry"}
    site = {
        "timezone": "UTC",
        "devices": {"cems/stack": {"facts": [device]}},
        "sources": {"co2": {"scope": 1, "method": "cems", "carrier": "flue_gas", "facts": [source]}},
    }
    return Registry.model_validate({"version": 1, "sites": {"site": site}})


def reading(second: float, status: int = 0, named: str | None = None, **values: float | None) -> Reading:
    measured = tuple(values.get(name) for name in NAMES[Kind.CEMS])
    return Reading(STACK, NOW + timedelta(seconds=second), None, measured, status, named)


def rates(evidence: dict[str, Any], *batches: Sequence[Reading]) -> list[float | None]:
    references = References(registry(evidence), BOOK, {STACK: 1}, {SourceKey("site", "co2"): 10})
    live = LiveConverter(references, NOW)
    found: list[float | None] = []
    for batch in batches:
        times = np.array([to_us(each.time) for each in batch], np.int64)
        ids = np.ones(len(batch), np.int64)
        selection = live.select(columns_of(Kind.CEMS, ids, times, times, list(batch)))
        assert selection is not None
        converted = live.convert(selection)
        keep(converted)
        for block in converted.blocks:
            found += [None if np.isnan(rate) else float(rate) for rate in block.co2_kg_per_h]
    return found


RUNNING: dict[str, Any] = {"flow_nm3_h": 1e6, "co2_pct": 10.0, "o2_pct": 8.0, "temperature_c": 120.0}
COLD: dict[str, Any] = {"flow_nm3_h": 9e4, "co2_pct": 0.1, "o2_pct": 20.5, "temperature_c": 30.0}
PER_H = pytest.approx(1e6 * 0.1 * 44 / 22.4)


def test_zero_with_evidence_and_unknown_without() -> None:
    rows = [reading(0, **RUNNING), reading(60, STOPPED, **COLD), reading(120, **RUNNING)]
    assert rates(EVIDENCE, rows) == [PER_H, 0.0, PER_H]
    assert rates({}, rows) == [PER_H, None, PER_H]
    warm = reading(60, STOPPED, **{**COLD, "temperature_c": 61.0})
    silent = reading(60, STOPPED, **{**COLD, "temperature_c": None})
    for no_evidence in (warm, silent, reading(60, STATUS_CODES[Status.FAULT], **COLD)):
        assert rates(EVIDENCE, [no_evidence]) == [None]


def test_a_standstill_is_held_as_values_are() -> None:
    stood = [reading(0, STOPPED, **COLD)]
    assert rates(EVIDENCE, stood, [reading(60, co2_pct=9.0)]) == [0.0, 0.0]
    assert rates(EVIDENCE, stood, [reading(300, co2_pct=9.0)]) == [0.0]  # and no row without a flow


def some_readings(seed: int) -> list[Reading]:
    chance = random.Random(seed)
    rows = []
    for second in range(0, 3600, 60):
        kind = chance.choice(["runs", "runs", "stands", "warm", "named", "fault", "without flow"])
        values = dict(RUNNING if kind in ("runs", "fault") else COLD)
        status = {"runs": 0, "named": 0, "fault": STATUS_CODES[Status.FAULT]}.get(kind, STOPPED)
        if kind == "warm":
            values["temperature_c"] = 90.0
        if kind == "without flow":
            del values["flow_nm3_h"]
        named = '{"flow_nm3_h":"stopped"}' if kind == "named" else None
        rows.append(reading(second, status, named, **values))
    return rows


@given(seed=st.integers(0, 10**6), cut=st.integers(1, 59))
@settings(max_examples=30, deadline=None)
def test_live_rates_are_those_of_the_ledger(seed: int, cut: int) -> None:
    """The ledger's hour is the sum of the minutes that the live rates last: 60 s each."""
    rows = some_readings(seed)
    live = rates(EVIDENCE, rows[:cut], rows[cut:])
    assert len(live) == len(rows)
    known = [rate for rate in live if rate is not None]
    plan = Plan(registry(EVIDENCE), BOOK)
    begin = to_us(NOW)
    window = Window(begin - begin % HOUR_US, begin - begin % HOUR_US + 2 * HOUR_US)
    after = reading(3600, STATUS_CODES[Status.FAULT], **RUNNING)
    ledger = compute(
        plan,
        [readings_of(Kind.CEMS, [STACK], [*rows, after])],
        {STACK: window},
        {SourceKey("site", "co2"): window},
    )
    co2_kg = sum(row.co2_kg or 0.0 for row in ledger.emission_hours)
    assert co2_kg == pytest.approx(sum(known) / 60)
    assert sum(row.coverage for row in ledger.emission_hours) == pytest.approx(len(known) / 60)
