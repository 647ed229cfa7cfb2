"""The hours of the emission sources: the sums over their devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from services.domain.conversion import Conversion, SourceKey
from services.domain.ledger.activities import NO_FACTOR, Amount
from services.domain.ledger.balance import balanced
from services.domain.ledger.contributions import contributions
from services.domain.ledger.hours import from_us
from services.domain.ledger.judgement import Judgement
from services.domain.ledger.rows import EmissionHour, SourceBasis, total
from services.domain.ledger.uncertain import UNKNOWN, hour_uncertainty


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


_ORDER: Final = attrgetter("order")


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
    hours: defaultdict[SourceBasis, defaultdict[int, list[Part]]] = defaultdict(lambda: defaultdict(list))
    for part in parts:
        hours[basis_of(part.conversion)][part.hour_us].append(part)
    rows = []
    for basis, of_basis in sorted(hours.items()):
        of_source = heard.get(SourceKey(basis.site, basis.source))
        for _, of_hour in sorted(of_basis.items()):
            if exists(of_hour, of_source):
                rows.append(_row(basis, sorted(of_hour, key=_ORDER) if len(of_hour) > 1 else of_hour))
    return rows


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
    activities = [part.amount.activity or 0.0 for part in counted]
    factors = [part.conversion.factor for part in parts]
    counting = [part.conversion.factor for part in counted]
    co2_parts_kg = [x * each.co2_kg_per_unit for x, each in zip(activities, counting, strict=True)]
    co2_kg = total(co2_parts_kg)
    if co2_kg is None and missing is None:
        missing = next((each.missing_reason for each in factors if each.missing_reason), NO_FACTOR)
    hour = parts[0].hour_us, parts[0].end_us
    co2_kg, stock_kg, alarm = balanced(first.method, co2_kg, co2_parts_kg, first.stocks, hour)
    co2e_kg = (
        None if alarm else _less(_sum(activities, [each.co2e_kg_per_unit for each in counting]), stock_kg)
    )
    uncertainty = UNKNOWN
    if co2_kg is not None and stock_kg is None:
        uncertainty = hour_uncertainty(co2_parts_kg, [part.conversion for part in counted])
    return EmissionHour(
        source=basis,
        hour=from_us(parts[0].hour_us),
        area=first.area,
        activity=total(activities),
        activity_unit=first.activity_unit,
        co2_kg=co2_kg,
        ch4_kg=_sum(activities, [each.ch4_kg_per_unit for each in counting]),
        n2o_kg=_sum(activities, [each.n2o_kg_per_unit for each in counting]),
        co2e_kg=co2e_kg,
        biogenic_co2_kg=_sum(activities, [each.biogenic_co2_kg_per_unit for each in counting]),
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


def _less(kg: float | None, stock_kg: float | None) -> float | None:
    return kg if kg is None or stock_kg is None else kg - stock_kg


def _missing(parts: Sequence[Part]) -> str | None:
    """Why the hour is unknown: a device of which nothing is known in it; named where there are several."""
    if all(part.amount.activity is not None for part in parts):
        return None
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


def _sum(activities: Sequence[float], per_unit: Sequence[float]) -> float | None:
    """Activity times factor, over the parts; None where one is not known."""
    return total([activity * each for activity, each in zip(activities, per_unit, strict=True)])


def _joined(names: Iterable[str | None]) -> str | None:
    """The names, each once, in order; None where there is none."""
    return ", ".join(dict.fromkeys(name for name in names if name)) or None
