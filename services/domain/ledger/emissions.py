"""The hours of the emission sources: the sums over their devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.domain.conversion import Conversion, SourceKey
from services.domain.ledger.activities import NO_FACTOR, Amount
from services.domain.ledger.balance import balanced
from services.domain.ledger.contributions import contributions
from services.domain.ledger.hours import from_us
from services.domain.ledger.judgement import Judgement
from services.domain.ledger.rows import EmissionHour, SourceBasis, total
from services.domain.ledger.uncertain import UNKNOWN, HourUncertainty, hour_uncertainty


class Part(NamedTuple):
    """What one device contributes to one source in one hour, or in a part of it between change points."""

    hour_us: int
    end_us: int
    epoch: int
    conversion: Conversion
    amount: Amount
    judged: Judgement | None = None
    """Of a stack whose hours are judged: what its hour rests on."""

    @property
    def order(self) -> tuple[object, ...]:
        return (self.conversion.device, self.conversion.quantity, self.epoch)


class Heard(NamedTuple):
    """The first and the last reading of a device, whatever its status, microseconds since 1970."""

    first_us: int
    last_us: int


def basis_of(conversion: Conversion) -> SourceBasis:
    """The key of the hours that a conversion contributes to, but for the hour."""
    return SourceBasis(conversion.source.site, conversion.source.source, conversion.basis or "none")


def emission_hours(parts: Iterable[Part], heard: Mapping[SourceKey, Heard]) -> list[EmissionHour]:
    """The rows of all hours between a source's first and last reading, and of those in which something is
    held beyond them; `parts` must hold every device of the source. Devices are added up in their order."""
    hours: dict[tuple[SourceBasis, int], list[Part]] = {}
    for part in parts:
        hours.setdefault((basis_of(part.conversion), part.hour_us), []).append(part)
    return [
        _row(basis, sorted(hours[basis, hour_us], key=lambda part: part.order))
        for basis, hour_us in sorted(hours)
        if exists(hours[basis, hour_us], heard.get(SourceKey(basis.site, basis.source)))
    ]


class _OfHour(Protocol):
    """A part of any kind."""

    @property
    def hour_us(self) -> int: ...
    @property
    def end_us(self) -> int: ...
    @property
    def amount(self) -> Amount: ...


def exists(parts: Sequence[_OfHour], heard: Heard | None) -> bool:
    """Whether the hour of the parts has a row."""
    if any(part.amount.activity is not None for part in parts):
        return True
    return heard is not None and heard.first_us < parts[0].end_us and heard.last_us >= parts[0].hour_us


def _row(basis: SourceBasis, parts: Sequence[Part]) -> EmissionHour:
    first = min(parts, key=lambda part: part.epoch).conversion
    missing = _missing(parts)
    counted = [] if missing else [part for part in parts if part.amount.activity is not None]
    factors = [part.conversion.factor for part in parts]
    co2_kg = _sum(counted, "co2_kg_per_unit")
    if co2_kg is None and missing is None:
        missing = next((each.missing_reason for each in factors if each.missing_reason), NO_FACTOR)
    hour = parts[0].hour_us, parts[0].end_us
    co2_kg, stock_kg, alarm = balanced(first.method, co2_kg, _co2_kg(counted), first.stocks, hour)
    co2e_kg = None if alarm else _less(_sum(counted, "co2e_kg_per_unit"), stock_kg)
    uncertainty = UNKNOWN if co2_kg is None or stock_kg is not None else _uncertainty(counted)
    return EmissionHour(
        source=basis,
        hour=from_us(parts[0].hour_us),
        area=first.area,
        activity=total([part.amount.activity or 0.0 for part in counted]),
        activity_unit=first.activity_unit,
        co2_kg=co2_kg,
        ch4_kg=_sum(counted, "ch4_kg_per_unit"),
        n2o_kg=_sum(counted, "n2o_kg_per_unit"),
        co2e_kg=co2e_kg,
        biogenic_co2_kg=_sum(counted, "biogenic_co2_kg_per_unit"),
        gwp_set=None if co2e_kg is None else _joined(each.gwp_set for each in factors),
        factor=_joined(each.name for each in factors),
        factor_provisional=any(each.provisional for each in factors) or first.stocks.is_open(hour[1]),
        in_total=first.in_total,
        uncertainty_pct=uncertainty.whole_pct,
        coverage=sum(part.amount.covered_us for part in parts) / sum(part.amount.length_us for part in parts),
        estimated=stock_kg is not None or any(part.amount.estimated for part in counted),
        missing_reason=alarm or missing if co2_kg is None else None,
        activity_uncertainty_pct=uncertainty.activity_pct,
        factor_uncertainty_pct=uncertainty.factor_pct,
        parts=contributions(parts),
    )


def _uncertainty(counted: Sequence[Part]) -> HourUncertainty:
    return hour_uncertainty(_co2_kg(counted), [part.conversion for part in counted])


def _co2_kg(counted: Sequence[Part]) -> list[float]:
    return [(part.amount.activity or 0.0) * part.conversion.factor.co2_kg_per_unit for part in counted]


def _less(kg: float | None, stock_kg: float | None) -> float | None:
    return kg if kg is None or stock_kg is None else kg - stock_kg


def _missing(parts: Sequence[Part]) -> str | None:
    """Why the hour is unknown: a device of which nothing is known in it; named where there are several."""
    quantities = {(part.conversion.device, part.conversion.quantity) for part in parts}
    told = {
        (part.conversion.device, part.conversion.quantity)
        for part in parts
        if part.amount.activity is not None
    }
    for part in parts:
        device = part.conversion.device
        if (device, part.conversion.quantity) in told:
            continue
        reason = part.amount.reason
        if reason == NO_FACTOR:
            reason = part.conversion.factor.missing_reason or reason
        return reason if len(quantities) == 1 else f"{device.kind}/{device.device}: {reason}"
    return None


def _sum(counted: Sequence[Part], per_unit: str) -> float | None:
    """Activity times factor, over the parts; None where one is not known."""
    return total(
        [(part.amount.activity or 0.0) * getattr(part.conversion.factor, per_unit) for part in counted]
    )


def _joined(names: Iterable[str | None]) -> str | None:
    """The names, each once, in order; None where there is none."""
    return ", ".join(dict.fromkeys(name for name in names if name)) or None
