"""The demo's judgement of itself: what was published against what is stored, the ledger against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from services.store.audit import LedgerSum, StoredValue, Totals

LINEAR_TOLERANCE_PCT: Final = 0.01
"""Where the method is linear in a register: only its resolution stands between ledger and truth."""
OTHER_TOLERANCE_PCT: Final = 0.5
"""Where several gauges enter: sampling and noise."""


class ReadingKey(NamedTuple):
    site: str
    kind: str
    device: str
    time: datetime


Values: TypeAlias = Mapping[str, float]


@dataclass(frozen=True)
class Published:
    """What the fleet says it did in this run."""

    units: int
    injected_bad: int
    readings: Mapping[ReadingKey, Values]
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
    readings: Mapping[ReadingKey, Values]
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
    verdict.failures += _readings(published.readings, stored.readings)
    verdict.failures += _dead_letters(published.bad, stored.dead_letters)
    _emissions(verdict, published, stored.ledger)
    return verdict


def gather(values: Iterable[StoredValue]) -> dict[ReadingKey, dict[str, float]]:
    """The rows of `api.readings`, put together again as readings."""
    readings: dict[ReadingKey, dict[str, float]] = {}
    for value in values:
        key = ReadingKey(value.site, value.kind, value.device, value.time)
        readings.setdefault(key, {})[value.quantity] = value.value
    return readings


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


def _readings(published: Mapping[ReadingKey, Values], stored: Mapping[ReadingKey, Values]) -> list[str]:
    failures = []
    if missing := published.keys() - stored.keys():
        failures.append(f"{len(missing)} published readings are not stored, such as {_named(min(missing))}.")
    if extra := stored.keys() - published.keys():
        failures.append(f"{len(extra)} stored readings were not published, such as {_named(min(extra))}.")
    different = [key for key in published.keys() & stored.keys() if published[key] != stored[key]]
    if different:
        example = min(different)
        failures.append(
            f"{len(different)} readings are stored with other values, such as {_named(example)}: "
            f"published {dict(published[example])}, stored {dict(stored[example])}."
        )
    return failures


def _named(key: ReadingKey) -> str:
    return f"{key.site}/{key.kind}/{key.device} at {key.time.isoformat()}"


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
