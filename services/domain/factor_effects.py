"""What new records of factors would make of hours that are stored: the factor that each source would have,
over which time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import isnan, nan
from typing import NamedTuple, TypeAlias

from services.domain.conversion import Conversion, SourceKey, change_points, compile_conversions
from services.domain.factor_changes import concerned, first_difference
from services.domain.factors import FactorBook
from services.domain.registry.model import Registry

_SEVERAL = "Its devices have several factors: what they add up to is known once the hours are computed."
_OTHER_ACTIVITY = "Its activity is counted in another way: it is known once the hours are computed."


class Effect(NamedTuple):
    """A source on one basis over a time in which later factors change it."""

    source: SourceKey
    basis: str
    """location, market or none."""
    begin: datetime
    end: datetime
    co2_kg_per_unit: float
    """Of the activity as stored; NaN where unknown, for `reason`."""
    reason: str | None = None


_Key: TypeAlias = tuple[SourceKey, str]


def effects(registry: Registry, before: FactorBook, after: FactorBook, until: datetime) -> list[Effect]:
    """What differs by the later factors before `until`, by source and in order of time.

    A formula is linear and a factor a number per unit of activity: CO2 of a stored hour would be its stored
    activity times the new factor. It is not so where several devices have several factors, or where the new
    factor counts the activity in another way; then it is said so.
    """
    found: list[Effect] = []
    for site_id, site in concerned(registry, before, after).items():
        alone = Registry(version=1, sites={site_id: site})
        since = first_difference(before, after, until)
        points = {since}
        for book in (before, after):
            points.update(change_points(alone, book, since, until))
        ordered = sorted(points)
        for begin, end in zip(ordered, [*ordered[1:], until], strict=True):
            found += _of_time(alone, before, after, begin, end)
    return sorted(found, key=lambda each: (each.source, each.basis, each.begin))


def _of_time(
    registry: Registry, before: FactorBook, after: FactorBook, begin: datetime, end: datetime
) -> Iterator[Effect]:
    one, other = _by_source(registry, before, begin), _by_source(registry, after, begin)
    for key, conversions in other.items():
        was = one.get(key, ())
        if repr(conversions) == repr(was):  # as text an unknown number equals itself
            continue
        if not (_unknown(was) and _unknown(conversions)):
            yield Effect(*key, begin, end, *_factor(was, conversions))


def _unknown(conversions: Sequence[Conversion]) -> bool:
    return all(isnan(each.factor.co2_kg_per_unit) for each in conversions)


def _by_source(registry: Registry, book: FactorBook, at: datetime) -> Mapping[_Key, Sequence[Conversion]]:
    found: defaultdict[_Key, list[Conversion]] = defaultdict(list)
    for conversions in compile_conversions(registry, book, at).values():
        for each in conversions:
            found[each.source, each.basis or "none"].append(each)
    return found


def _factor(before: Sequence[Conversion], after: Sequence[Conversion]) -> tuple[float, str | None]:
    missing = next((each.factor.missing_reason for each in after if each.factor.missing_reason), None)
    if missing is not None:
        return nan, missing
    if [_activity(each) for each in before] != [_activity(each) for each in after]:
        return nan, _OTHER_ACTIVITY
    per_unit = {each.factor.co2_kg_per_unit for each in after}
    return (per_unit.pop(), None) if len(per_unit) == 1 else (nan, _SEVERAL)


def _activity(conversion: Conversion) -> str:
    return repr(
        (
            conversion.device,
            conversion.quantity,
            conversion.formula,
            conversion.params,
            conversion.activity_unit,
        )
    )
