"""The demo's comparison finds every kind of difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from services.cli.demo.verdict import VALUES, Published, Stored, judge
from services.store.audit import LedgerSum, Totals

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = ("campus", "meter", "main", NOON, "energy_import_kwh", 10.5)
SOURCE = ("campus", "grid-electricity")
BAD = ("telemetry/v1/campus/meter/main", "bad_field")


def table(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), VALUES, orient="row")


PUBLISHED = Published(
    units=3,
    injected_bad=1,
    values=table(ROW),
    bad={BAD: 1},
    truth_co2_kg={SOURCE: 100.0},
    linear=frozenset({SOURCE}),
)
STORED = Stored(
    counted=Totals(received=3, stored=1, duplicate=1, rejected=1),
    values=table(ROW),
    by_kind={"meter": 1},
    dead_letters={BAD: 1},
    ledger=[LedgerSum("campus", "grid-electricity", "electricity", 100.005)],
)


def test_everything_agrees() -> None:
    verdict = judge(PUBLISHED, STORED)
    assert verdict.failures == []
    assert verdict.as_json() == {
        "published": 3,
        "received": 3,
        "stored": 1,
        "duplicate": 1,
        "rejected": 1,
        "injected_bad": 1,
        "kinds": {"meter": 1},
        "sources": {
            "campus/grid-electricity": {
                "co2_kg": 100.005,
                "truth_co2_kg": 100.0,
                "error_pct": pytest.approx(0.005),
            }
        },
        "failures": [],
        "ok": True,
    }


def _lost(stored: Stored) -> Stored:
    return replace(stored, values=table())


def _invented(stored: Stored) -> Stored:
    return replace(stored, values=table(ROW, (*ROW[:3], NOON.replace(minute=1), "power_kw", 1.0)))


def _altered(stored: Stored) -> Stored:
    return replace(stored, values=table((*ROW[:5], 10.500000001)))


def _doubled(stored: Stored) -> Stored:
    return replace(stored, values=table(ROW, ROW))


def _uncounted(stored: Stored) -> Stored:
    return replace(stored, counted=Totals(received=2, stored=1, duplicate=1, rejected=0))


def _other_reason(stored: Stored) -> Stored:
    return replace(stored, dead_letters={(BAD[0], "not_json"): 1})


def _ledger_off(stored: Stored) -> Stored:
    return replace(stored, ledger=[LedgerSum(*SOURCE, "electricity", 100.02)])


def _ledger_unknown(stored: Stored) -> Stored:
    return replace(stored, ledger=[LedgerSum(*SOURCE, "electricity", None)])


def _ledger_empty(stored: Stored) -> Stored:
    return replace(stored, ledger=[])


@pytest.mark.parametrize(
    ("spoil", "complaints"),
    [
        (
            _lost,
            ["1 published values are not stored, such as campus/meter/main at 2026-03-01T12:00:00+00:00"],
        ),
        (_invented, ["1 stored values were not published, such as campus/meter/main"]),
        (_altered, ["energy_import_kwh 10.5, stored 10.500000001"]),
        (_doubled, ["2 values are stored twice"]),
        (_uncounted, ["but 2 received", "but 0 rejected"]),
        (_other_reason, ["should be rejected as bad_field", "should be rejected as not_json"]),
        (_ledger_off, ["+0.0200 % off the truth"]),
        (_ledger_unknown, ["does not know the CO2 of campus/grid-electricity"]),
        (_ledger_empty, ["does not know the CO2 of campus/grid-electricity"]),
    ],
)
def test_a_difference_is_found(spoil: Callable[[Stored], Stored], complaints: list[str]) -> None:
    verdict = judge(PUBLISHED, spoil(STORED))
    assert not verdict.ok
    assert len(verdict.failures) == len(complaints)
    for failure, complaint in zip(verdict.failures, complaints, strict=True):
        assert complaint in failure


def test_a_method_that_is_not_linear_may_be_further_off() -> None:
    published = replace(PUBLISHED, linear=frozenset())
    assert judge(published, replace(STORED, ledger=[LedgerSum(*SOURCE, "cems", 100.49)])).ok
    assert not judge(published, replace(STORED, ledger=[LedgerSum(*SOURCE, "cems", 100.51)])).ok
