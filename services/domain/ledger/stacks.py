"""The hours of judged stacks, by the book: valid ones from the means of their quantities, missing ones from
what the source's policy puts in their place.

An hour is one number: the formula at the hour's means, times how long the unit ran. It follows the facts in
force when it begins; a bias adjustment or another policy counts from the next hour on. An hour after which
nobody has been heard is not over: it is told as far as it is known, and not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import column
from services.domain.conversion import Conversion, SourceKey
from services.domain.ledger.emissions import Heard, Part, exists
from services.domain.ledger.histories import CO2_ITEM, ItemKey, history_of, joined
from services.domain.ledger.hours import from_us
from services.domain.ledger.judgement import Judgement
from services.domain.ledger.rows import StackHour, known
from services.domain.ledger.stack_reporting import reported
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey
from services.domain.stack import StackPolicy
from services.domain.substitution import (
    ITEMS,
    NEEDS_AFTER,
    OF_EMISSION,
    UNCONFIRMED,
    History,
    Policy,
    Substitute,
    fill,
)

_OUT_OF_RANGE: Final = "inputs outside the range of the formula"


class _Hour(NamedTuple):
    """A judged hour: the part it begins with, and the share of it in which the source counts."""

    part: Part
    judged: Judgement
    policy: StackPolicy
    share: float
    measured: float | None
    """The activity where every judged quantity is valid."""
    lacking: tuple[str, ...]
    """The judged quantities that are not valid."""

    @property
    def ran_h(self) -> float:
        """How long the unit ran while the source counted."""
        return self.judged.ran_h * self.share


Filled = Mapping[tuple[ItemKey, int], Substitute]


class Prepared(NamedTuple):
    """Parts, with the hours of judged stacks apart."""

    others: list[Part]
    hours: list[_Hour]


def prepare(parts: Iterable[Part], heard: Mapping[SourceKey, Heard]) -> Prepared:
    """The parts, judged: what was measured, and what is missing."""
    every = list(parts)
    judged = {_stack_hour(part) for part in every if part.judged is not None}
    if not judged:
        return Prepared(every, [])
    others: list[Part] = []
    of_hour: defaultdict[tuple[object, ...], list[Part]] = defaultdict(list)
    for part in every:
        key = _stack_hour(part)
        (of_hour[key] if key in judged else others).append(part)
    hours: list[_Hour] = []
    for together in of_hour.values():
        first = min(together, key=lambda part: part.epoch)
        if first.judged is not None and _is_over(first, heard.get(first.conversion.source)):
            hours.append(_hour(first, first.judged, together))
        else:
            others += together
    return Prepared(others, hours)


def wanted(prepared: Prepared) -> dict[ItemKey, bool]:
    """The items of which hours outside the windows are asked for; and whether they are even where no valid
    hour comes after the windows, for a gap may be closed within them, or need not be."""
    first: dict[ItemKey, int] = {}
    for hour in prepared.hours:
        for item in _wanted(hour):
            key = _key(hour, item)
            first[key] = min(hour.part.hour_us, first.get(key, hour.part.hour_us))
    result = dict.fromkeys(first, False)
    for hour in prepared.hours:
        for item in (CO2_ITEM, *hour.policy.judged):
            key = _key(hour, item)
            if key in first and hour.part.hour_us >= first[key]:
                closes = hour.judged.ran_h > 0.0 and _measured(hour, item) is not None
                result[key] |= closes or hour.policy.substitution not in NEEDS_AFTER
    return result


def settle(
    prepared: Prepared, stored: Mapping[ItemKey, History], windows: Mapping[SourceKey, Window]
) -> tuple[list[Part], list[StackHour]]:
    """The parts with the hours of judged stacks made by their policies, and the rows of these.

    `stored` are the hours of the ledger from which missing ones follow, by item; those within the sources'
    `windows` are made here.
    """
    filled = _fill(prepared.hours, stored, windows)
    made = [_settled(hour, filled) for hour in prepared.hours]
    return [*prepared.others, *(part for part, _ in made)], [row for _, rows in made for row in rows]


def _stack_hour(part: Part) -> tuple[SourceKey, DeviceKey, int]:
    return part.conversion.source, part.conversion.device, part.hour_us


def _is_over(part: Part, heard: Heard | None) -> bool:
    """Whether the hour has a row, and its end has passed when the source was last heard."""
    return heard is not None and exists([part], heard) and part.end_us <= heard.last_us


def _hour(first: Part, judged: Judgement, together: Sequence[Part]) -> _Hour:
    policy = first.conversion.stack
    assert policy is not None, "only hours with a policy are judged"
    length_us = sum(part.amount.length_us for part in together)
    amount = first.amount._replace(
        length_us=length_us, covered_us=sum(part.amount.covered_us for part in together)
    )
    share = length_us / (first.end_us - first.hour_us)
    samples = {each.quantity: each for each in judged.samples}
    if judged.ran_h == 0.0:
        return _Hour(first._replace(amount=amount), judged, policy, share, 0.0, ())
    lacking = tuple(name for name in policy.judged if not samples[name].valid)
    values = {name: each.value for name, each in samples.items()}
    measured = None if lacking else _activity(first.conversion, values, judged.ran_h * share)
    return _Hour(first._replace(amount=amount), judged, policy, share, measured, lacking)


def _activity(conversion: Conversion, values: Mapping[str, float], hours: float) -> float | None:
    """By the formula at these values, over so many hours; None outside its range."""
    inputs = [column(values.get(name, nan)) for name in conversion.inputs]
    params = [column(each) for each in conversion.params]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rate = conversion.formula.evaluate(column(values[conversion.quantity]), inputs, params)
    return known(float(rate[0]) * hours) if np.isfinite(rate[0]) else None


def _fill(
    hours: Sequence[_Hour], stored: Mapping[ItemKey, History], windows: Mapping[SourceKey, Window]
) -> Filled:
    """What stands in for the missing items of the hours."""
    missing: defaultdict[tuple[ItemKey, Policy, float | None], list[int]] = defaultdict(list)
    for hour in hours:
        for item in _wanted(hour):
            key = _key(hour, item)
            worst = dict(hour.policy.maximum_potential).get(item)
            missing[key, hour.policy.substitution, worst].append(hour.part.hour_us)
    histories = _histories(hours, {key for key, _, _ in missing}, stored, windows)
    return {
        (key, hour_us): substitute
        for (key, policy, worst), wanted in missing.items()
        for hour_us, substitute in fill(
            policy, key.item, histories[key], min(wanted), max(wanted) + 1, worst
        ).items()
        if hour_us in set(wanted)
    }


def _wanted(hour: _Hour) -> tuple[str, ...]:
    """The items to put in place."""
    if not hour.lacking or hour.policy.substitution is Policy.NONE:
        return ()
    if hour.policy.substitution in OF_EMISSION:
        return (CO2_ITEM,)
    fillable = ITEMS[hour.policy.substitution]
    return tuple(name for name in hour.lacking if fillable is None or name in fillable)


def _key(hour: _Hour, item: str) -> ItemKey:
    return ItemKey(hour.part.conversion.source, hour.part.conversion.device, item)


def _histories(
    hours: Sequence[_Hour],
    keys: Iterable[ItemKey],
    stored: Mapping[ItemKey, History],
    windows: Mapping[SourceKey, Window],
) -> dict[ItemKey, History]:
    """What is stored outside the windows, and what was measured within them."""
    own: dict[ItemKey, list[tuple[int, float, float | None]]] = {key: [] for key in keys}
    for hour in hours:
        for item in (CO2_ITEM, *hour.policy.judged):
            if (key := _key(hour, item)) in own:
                own[key].append((hour.part.hour_us, hour.ran_h, _measured(hour, item)))
    return {key: joined(stored.get(key), windows[key.source], _made(key, rows)) for key, rows in own.items()}


def _made(key: ItemKey, rows: list[tuple[int, float, float | None]]) -> History:
    hour_us, ran_h, measured = zip(*rows, strict=True)
    return history_of(
        key.item, np.array(hour_us, np.int64), np.array(ran_h), np.array(measured, dtype=np.float64)
    )


def _measured(hour: _Hour, item: str) -> float | None:
    """The mean of a valid quantity, while the unit ran; or the emission [kg]."""
    if item == CO2_ITEM:
        return None if hour.measured is None else hour.measured * hour.part.conversion.factor.co2_kg_per_unit
    if hour.judged.ran_h == 0.0:
        return None
    return next((each.value for each in hour.judged.samples if each.quantity == item and each.valid), None)


def _settled(hour: _Hour, filled: Filled) -> tuple[Part, list[StackHour]]:
    """The part as it is reported, and the rows that say how."""
    substitutes = {item: filled[_key(hour, item), hour.part.hour_us] for item in _wanted(hour)}
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
    return part, rows


def _substituted(hour: _Hour, substitutes: Mapping[str, Substitute]) -> tuple[float | None, str | None]:
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
    values = {each.quantity: each.value for each in hour.judged.samples}
    for name in hour.lacking:
        found = substitutes.get(name)
        if found is None and hour.policy.substitution is not Policy.NONE:
            return None, f"{reason}; {hour.policy.substitution} provides nothing for {name}"
        if found is None or found.value is None:
            return None, reason if found is None else f"{reason}; {hour.policy.substitution}: {found.reason}"
        values[name] = found.value
    activity = _activity(hour.part.conversion, values, hour.ran_h)
    return activity, _OUT_OF_RANGE if activity is None else None


def _part(hour: _Hour, activity: float | None, reason: str | None, *, substituted: bool) -> Part:
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


def _row(hour: _Hour, item: str, substitute: Substitute | None) -> StackHour:
    conversion, measured = hour.part.conversion, _measured(hour, item)
    found = substitute or _NOTHING
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
