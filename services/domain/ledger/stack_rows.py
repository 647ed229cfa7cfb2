"""The rows of a judged hour: what is measured, what stands in, and what is reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from services.domain.ledger.emissions import Part
from services.domain.ledger.histories import CO2_ITEM, ItemKey
from services.domain.ledger.hours import from_us
from services.domain.ledger.rows import StackHour
from services.domain.ledger.stack_hour import JudgedHour, activity_of, item_key, measured_of, to_fill
from services.domain.ledger.stack_reporting import HEAT_ITEM, heat_input_mmbtu_h, reported
from services.domain.substitution import UNCONFIRMED, Policy, Substitute

Filled = Mapping[tuple[ItemKey, int], Substitute]
_OUT_OF_RANGE: Final = "inputs outside the range of the formula"


def settled(hour: JudgedHour, filled: Filled) -> tuple[Part, list[StackHour]]:
    """The part as it is reported, and the rows that say how."""
    substitutes = {item: filled[item_key(hour, item), hour.part.hour_us] for item in to_fill(hour)}
    substituted, reason = _substituted(hour, substitutes)
    activity = hour.measured if hour.measured is not None else substituted
    part = _part(hour, activity, reason, substituted=substituted is not None)
    rows = [_row(hour, item, substitutes.get(item)) for item in hour.policy.judged]
    per_unit = hour.part.conversion.factor.co2_kg_per_unit
    of_co2 = substitutes.get(CO2_ITEM) or _summary(substitutes.values())
    emission = of_co2._replace(
        value=None if substituted is None else substituted * per_unit,
        method=None if substituted is None else of_co2.method,
        reason=reason if activity is None else None,
    )
    rows.append(_row(hour, CO2_ITEM, emission))
    heat = _heat_row(hour, substitutes)
    return part, rows if heat is None else [*rows, heat]


def _substituted(hour: JudgedHour, substitutes: Mapping[str, Substitute]) -> tuple[float | None, str | None]:
    """The activity with what stands in; else the reason why there is none."""
    if hour.measured is not None:
        return None, None
    if not hour.lacking:
        return None, _OUT_OF_RANGE
    reason = f"no valid hour of {', '.join(hour.lacking)} ({hour.policy.validity})"
    if (emission := substitutes.get(CO2_ITEM)) is not None:
        if emission.value is None:
            return None, f"{reason}; {hour.policy.substitution}: {emission.reason}"
        return emission.value * hour.ran_h / hour.part.conversion.factor.co2_kg_per_unit, None
    values = _values(hour, substitutes)
    if isinstance(values, str):
        return None, f"{reason}; {values}" if values else reason
    activity = activity_of(hour.part.conversion, values, hour.ran_h)
    return activity, _OUT_OF_RANGE if activity is None else None


def _values(hour: JudgedHour, substitutes: Mapping[str, Substitute]) -> dict[str, float] | str:
    """The means the hour is computed with, measured or put in place; else why one is lacking: an empty text
    where there is no policy."""
    values = {each.quantity: each.value for each in hour.judged.samples}
    policy = hour.policy.substitution
    for name in hour.lacking:
        found = substitutes.get(name)
        if found is None:
            return "" if policy is Policy.NONE else f"{policy} provides nothing for {name}"
        if found.value is None:
            return f"{policy}: {found.reason}"
        values[name] = found.value
    return values


def _part(hour: JudgedHour, activity: float | None, reason: str | None, *, substituted: bool) -> Part:
    conversion = hour.part.conversion
    if substituted:
        # What stands in was not measured: nothing is known of its uncertainty.
        conversion = replace(conversion, activity_uncertainty_pct=None)
        if hour.policy.substitution in UNCONFIRMED:
            conversion = replace(conversion, factor=replace(conversion.factor, provisional=True))
    amount = hour.part.amount._replace(
        activity=activity, estimated=substituted, reason=reason or hour.part.amount.reason
    )
    return hour.part._replace(conversion=conversion, amount=amount)


def _row(hour: JudgedHour, item: str, substitute: Substitute | None) -> StackHour:
    return _stack_hour(hour, item, measured_of(hour, item), substitute or _NOTHING)


def _heat_row(hour: JudgedHour, substitutes: Mapping[str, Substitute]) -> StackHour | None:
    """The heat input, where the source names its fuel's F factors: measured where all it follows from is."""
    if hour.policy.f_factors is None:
        return None
    if hour.judged.ran_h == 0.0:
        return _stack_hour(hour, HEAT_ITEM, 0.0, _NOTHING)
    values = _values(hour, substitutes)
    if isinstance(values, str):
        return _stack_hour(hour, HEAT_ITEM, None, _NOTHING)
    mmbtu = heat_input_mmbtu_h(hour.part.conversion, values) * hour.ran_h
    if not hour.lacking:
        return _stack_hour(hour, HEAT_ITEM, mmbtu, _NOTHING)
    return _stack_hour(hour, HEAT_ITEM, None, _summary(substitutes.values())._replace(value=mmbtu))


def _stack_hour(hour: JudgedHour, item: str, measured: float | None, found: Substitute) -> StackHour:
    conversion = hour.part.conversion
    value = found.value if measured is None else measured
    return StackHour(
        conversion.source,
        conversion.device,
        item,
        from_us(hour.part.hour_us),
        hour.ran_h,
        measured,
        found.value,
        found.method,
        found.reason,
        found.availability_pct,
        found.gap_h,
        *reported(conversion, item, value, hour.ran_h),
    )


_NOTHING: Final = Substitute(None, None, None)


def _summary(substitutes: Iterable[Substitute]) -> Substitute:
    """Of one quantity its own; of several their methods."""
    found = list(substitutes)
    if len(found) == 1:
        return found[0]
    methods = dict.fromkeys(each.method for each in found if each.method)
    return Substitute(None, "; ".join(methods) or None, None)
