"""The demo's judgement of itself: what was published against what is stored, the ledger against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

import polars as pl

from services.store.audit import LedgerSum, Totals

LINEAR_TOLERANCE_PCT: Final = 0.01
"""Where the method is linear in a register: only its resolution stands between ledger and truth."""
OTHER_TOLERANCE_PCT: Final = 0.5
"""Where several gauges enter: sampling and noise."""


VALUES: Final = pl.Schema(
    [
        ("site", pl.String()),
        ("kind", pl.String()),
        ("device", pl.String()),
        ("time", pl.Datetime("us", "UTC")),
        ("quantity", pl.String()),
        ("value", pl.Float64()),
    ]
)
"""The columns of published and stored values: one row a value, as in `api.readings`."""
_KEY: Final = ("site", "kind", "device", "time", "quantity")


@dataclass(frozen=True)
class Published:
    """What the fleet says it did in this run."""

    units: int
    injected_bad: int
    values: pl.DataFrame
    """Of the schema VALUES."""
    bad: Mapping[tuple[str, str], int]
    """Units that must become dead letters, by topic and reason."""
    truth_co2_kg: Mapping[tuple[str, str], float]
    """Of each (site, source), over the time from its first to its last stored register."""
    linear: frozenset[tuple[str, str]]
    """The sources whose method is linear in a register."""


@dataclass(frozen=True)
class Stored:
    """What the database says."""

    counted: Totals
    values: pl.DataFrame
    """Of the schema VALUES."""
    by_kind: Mapping[str, int]
    dead_letters: Mapping[tuple[str, str], int]
    ledger: Iterable[LedgerSum]


@dataclass(frozen=True)
class SourceResult:
    """One source's CO2 in the ledger beside the simulators' own."""

    co2_kg: float | None
    truth_co2_kg: float
    error_pct: float | None


@dataclass
class Verdict:
    """The result in the form of the contract, and what does not hold, a sentence each."""

    published: int
    received: int
    stored: int
    duplicate: int
    rejected: int
    injected_bad: int
    kinds: Mapping[str, int]
    sources: dict[str, SourceResult] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.failures

    def as_json(self) -> dict[str, object]:
        """The contract's line of JSON."""
        content = asdict(self)
        failures = content.pop("failures")
        return {**content, "ok": self.ok, "failures": failures}


def judge(published: Published, stored: Stored) -> Verdict:
    """Hold what is stored, and what the ledger made of it, against what was published."""
    verdict = Verdict(
        published=published.units,
        received=stored.counted.received,
        stored=stored.counted.stored,
        duplicate=stored.counted.duplicate,
        rejected=stored.counted.rejected,
        injected_bad=published.injected_bad,
        kinds=dict(stored.by_kind),
    )
    verdict.failures += _account(published, stored)
    verdict.failures += _values(published.values, stored.values)
    verdict.failures += _dead_letters(published.bad, stored.dead_letters)
    _emissions(verdict, published, stored.ledger)
    return verdict


def _account(published: Published, stored: Stored) -> list[str]:
    counted = stored.counted
    failures = []
    if counted.received != published.units:
        failures.append(f"{published.units} units were published, but {counted.received} received.")
    if counted.received != counted.stored + counted.duplicate + counted.rejected:
        failures.append(f"Received is not stored + duplicate + rejected: {counted}.")
    if counted.rejected != published.injected_bad:
        failures.append(f"{published.injected_bad} bad units were injected, but {counted.rejected} rejected.")
    return failures


def _values(published: pl.DataFrame, stored: pl.DataFrame) -> list[str]:
    both = published.join(stored, on=_KEY, how="inner", suffix="_stored")
    differences = (
        ("published values are not stored", published.join(stored, on=_KEY, how="anti")),
        ("stored values were not published", stored.join(published, on=_KEY, how="anti")),
        ("values are stored as others", both.filter(pl.col("value").ne_missing(pl.col("value_stored")))),
        ("values are stored twice", stored.filter(stored.select(_KEY).is_duplicated())),
    )
    return [f"{len(rows)} {what}, such as {_named(rows)}." for what, rows in differences if len(rows)]


def _named(rows: pl.DataFrame) -> str:
    first = rows.sort(_KEY).row(0, named=True)
    key = f"{first['site']}/{first['kind']}/{first['device']} at {first['time'].isoformat()}"
    became = f", stored {first['value_stored']}" if "value_stored" in first else ""
    return f"{key}: {first['quantity']} {first['value']}{became}"


def _dead_letters(expected: Mapping[tuple[str, str], int], kept: Mapping[tuple[str, str], int]) -> list[str]:
    return [
        f"{expected.get(each, 0)} units of {each[0]} should be rejected as {each[1]}, "
        f"but {kept.get(each, 0)} were."
        for each in sorted(expected.keys() | kept.keys())
        if expected.get(each, 0) != kept.get(each, 0)
    ]


def _emissions(verdict: Verdict, published: Published, ledger: Iterable[LedgerSum]) -> None:
    sums = {(row.site, row.source): row.co2_kg for row in ledger}
    for key, truth in sorted(published.truth_co2_kg.items()):
        name = "/".join(key)
        result = _compared(sums.get(key), truth)
        verdict.sources[name] = result
        allowed = LINEAR_TOLERANCE_PCT if key in published.linear else OTHER_TOLERANCE_PCT
        if result.error_pct is None:
            verdict.failures.append(f"The ledger does not know the CO2 of {name}.")
        elif abs(result.error_pct) >= allowed:
            verdict.failures.append(
                f"The CO2 of {name} is {result.error_pct:+.4f} % off the truth; allowed is {allowed} %."
            )


def _compared(co2_kg: float | None, truth_co2_kg: float) -> SourceResult:
    if co2_kg is None or truth_co2_kg == 0:
        return SourceResult(co2_kg, truth_co2_kg, None)
    return SourceResult(co2_kg, truth_co2_kg, 100 * (co2_kg - truth_co2_kg) / truth_co2_kg)
