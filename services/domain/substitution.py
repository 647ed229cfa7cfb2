"""What stands in for an hour that was not validly measured: the ladders of the rules, on hours alone.

A history is one item of one stack by the hour: a concentration, or the emission per hour of running. Hours in
which the unit stood still are no part of it: they are neither available nor missing, and a gap goes on over
them. What a policy does not provide for stays unknown, with the reason.

Sources: 40 CFR 75.31 to 75.33 (CO2); Regulation (EU) 2018/2066, article 45; HJ/T 75-2007, 7; HJ 75-2017
(unconfirmed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.domain.arrays import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_HOUR_US: Final = 3_600_000_000
REACH_US: Final = 26_280 * _HOUR_US
"""No look-back goes further: three years (75.32(a)(2))."""
_YEAR_US: Final = 8_760 * _HOUR_US
_US_HOURS: Final = 720
_US_AVAILABILITY_HOURS: Final = 8_760
_CN_AVAILABILITY_HOURS: Final = 2_160
"""Of running: about a quarter of a year, which the standard's capture rate is of."""


class Policy(StrEnum):
    """By whose rule missing hours are filled."""

    NONE = "none"
    US_PART75 = "us_part75"
    EU_ART45 = "eu_art45"
    HJT75_2007 = "hjt75_2007"
    HJ75_2017 = "hj75_2017"


UNCONFIRMED: Final = frozenset({Policy.HJ75_2017})
"""Whose results stay provisional."""
NEEDS_AFTER: Final = frozenset({Policy.US_PART75, Policy.HJT75_2007, Policy.HJ75_2017})
"""Which say nothing of a gap before it is closed."""
OF_EMISSION: Final = frozenset({Policy.HJ75_2017})
"""Which fill the emission of the hour, not a concentration."""
ITEMS: Final = MappingProxyType(
    {
        Policy.NONE: frozenset[str](),
        Policy.US_PART75: frozenset({"co2_pct", "o2_pct"}),
        Policy.EU_ART45: frozenset({"co2_pct"}),
        Policy.HJT75_2007: None,
        Policy.HJ75_2017: frozenset[str](),
    }
)
"""The quantities a policy fills; None: all. What else is missing leaves the hour unknown."""
_LOWEST_IS_WORST: Final = frozenset({"o2_pct"})
"""Where less of it means more CO2: the ladder is climbed downwards."""


class History(NamedTuple):
    """One item by the hour, ascending: of the look-back, of the gap, and up to the first valid hour after
    it."""

    hour_us: IntArray
    ran: BoolArray
    """Whether the unit ran in the hour."""
    value: FloatArray
    """NaN where there is no valid one."""


class Substitute(NamedTuple):
    """What is taken for the hours of a gap; `value` is None where the policy gives nothing, for `reason`."""

    value: float | None
    method: str | None
    reason: str | None
    availability_pct: float | None = None
    """At the last hour of the gap; None where the gap is not closed, or the policy does not ask."""
    gap_h: int | None = None
    """Hours of running in the gap; None as for the availability: no hour hangs on how a gap goes on."""


class _Gap(NamedTuple):
    """Missing hours in a row, and what lies around them."""

    valid: FloatArray
    """Valid values before it within the reach, ascending in time."""
    valid_us: IntArray
    before: float | None
    after: float | None
    begin_us: int
    hours: int
    availability: FloatArray
    """1 for a valid hour of running, 0 for a missing one, up to the last of the gap."""


def fill(
    policy: Policy, item: str, history: History, begin_us: int, end_us: int, maximum_potential: float | None
) -> dict[int, Substitute]:
    """By hour [microseconds since 1970] the substitutes of the missing hours at or after `begin_us` and
    before `end_us`. `maximum_potential` is the worst value the stack can have, in the item's unit."""
    sign = -1.0 if item in _LOWEST_IS_WORST else 1.0
    worst = None if maximum_potential is None else sign * maximum_potential
    found: dict[int, Substitute] = {}
    for hours, gap in _gaps(history._replace(value=sign * history.value), begin_us, end_us):
        made = _LADDERS[policy](gap, worst)
        value = None if made.value is None else sign * made.value
        substitute = made._replace(value=value, method=made.method and f"{policy}: {made.method}")
        found |= {hour: substitute for hour in hours.tolist() if begin_us <= hour < end_us}
    return found


def _gaps(history: History, begin_us: int, end_us: int) -> Iterator[tuple[IntArray, _Gap]]:
    """The gaps that have hours in the stretch."""
    hour_us, value = history.hour_us[history.ran], history.value[history.ran]
    missing = np.isnan(value)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]])))
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if hour_us[first] < end_us and hour_us[after - 1] >= begin_us:
            yield hour_us[first:after], _gap(hour_us, value, missing, first, after)


def _gap(hour_us: IntArray, value: FloatArray, missing: BoolArray, first: int, after: int) -> _Gap:
    begin_us = int(hour_us[first])
    low = int(np.searchsorted(hour_us, begin_us - REACH_US, "left"))
    known = low + np.flatnonzero(~missing[low:first])
    oldest = int(np.searchsorted(hour_us, hour_us[after - 1] - REACH_US, "left"))
    return _Gap(
        valid=value[known],
        valid_us=hour_us[known],
        before=float(value[known[-1]]) if len(known) else None,
        after=float(value[after]) if after < len(value) else None,
        begin_us=begin_us,
        hours=after - first,
        availability=np.where(missing[oldest:after], 0.0, 1.0),
    )


_OPEN: Final = Substitute(None, None, "the gap is not closed")


def _us(gap: _Gap, maximum_potential: float | None) -> Substitute:
    """75.33(b); in the first 720 valid hours 75.31(b)."""
    if gap.after is None:
        return _OPEN
    available = _available_pct(gap, _US_AVAILABILITY_HOURS)
    if len(gap.valid) < _US_HOURS:
        return _mean(gap, available, "mean of the hours before and after, first 720 h")
    last = gap.valid[-_US_HOURS:]
    if available < 80.0:
        if maximum_potential is None:
            return _unknown(gap, available, "availability below 80 % and no maximum potential is named")
        return Substitute(maximum_potential, "maximum potential", None, available, gap.hours)
    if available < 90.0:
        return Substitute(float(last.max()), "maximum of 720 h", None, available, gap.hours)
    percent, short = (90, 24) if available >= 95.0 else (95, 8)
    mean = _mean(gap, available, "mean of the hours before and after")
    if gap.hours <= short or mean.value is None:
        return mean
    percentile = _percentile(last, percent)
    if mean.value >= percentile:
        return mean
    return Substitute(percentile, f"{percent}th percentile of 720 h", None, available, gap.hours)


def _eu(gap: _Gap, _maximum_potential: float | None) -> Substitute:
    """Article 45(3): mean + 2 sigma. The reporting period is not over: that of the year before the gap."""
    year = gap.valid[np.searchsorted(gap.valid_us, gap.begin_us - _YEAR_US, "left") :]
    if len(year) < 2:
        return Substitute(None, None, "fewer than 2 valid hours in the year before the gap")
    value = float(np.mean(year) + 2.0 * np.std(year, ddof=1))
    return Substitute(value, "mean + 2 sigma of the year before", None)


def _cn_2007(gap: _Gap, _maximum_potential: float | None) -> Substitute:
    if gap.after is None:
        return _OPEN
    available = _available_pct(gap, _CN_AVAILABILITY_HOURS)
    if gap.hours > 24:
        return _unknown(gap, available, "a gap above 24 h, for which HJ/T 75-2007 has no mean")
    return _mean(gap, available, "mean of the hours before and after")


def _cn_2017(gap: _Gap, _maximum_potential: float | None) -> Substitute:
    """Maxima of the emission before; unconfirmed."""
    if gap.after is None:
        return _OPEN
    available = _available_pct(gap, _CN_AVAILABILITY_HOURS)
    if not len(gap.valid):
        return _unknown(gap, available, "no valid hour before the gap")
    if available < 75.0:
        return _unknown(gap, available, "availability below 75 %")
    hours = 2160 if available < 90.0 else 180 if gap.hours <= 24 else 720
    return Substitute(float(gap.valid[-hours:].max()), f"maximum of {hours} h", None, available, gap.hours)


def _none(_gap: _Gap, _maximum_potential: float | None) -> Substitute:
    return Substitute(None, None, "no substitution")


_LADDERS: Final[MappingProxyType[Policy, Callable[[_Gap, float | None], Substitute]]] = MappingProxyType(
    {
        Policy.NONE: _none,
        Policy.US_PART75: _us,
        Policy.EU_ART45: _eu,
        Policy.HJT75_2007: _cn_2007,
        Policy.HJ75_2017: _cn_2017,
    }
)


def _mean(gap: _Gap, available: float, method: str) -> Substitute:
    if gap.before is None or gap.after is None:
        return _unknown(gap, available, "no valid hour before the gap")
    return Substitute(0.5 * (gap.before + gap.after), method, None, available, gap.hours)


def _unknown(gap: _Gap, available: float, reason: str) -> Substitute:
    return Substitute(None, None, reason, available, gap.hours)


def _available_pct(gap: _Gap, hours: int) -> float:
    """The share of the last hours of running that are valid, at the last hour of the gap (75.32)."""
    counted = gap.availability[-hours:]
    return 100.0 * float(counted.sum()) / len(counted)


def _percentile(values: FloatArray, percent: int) -> float:
    """The smallest value that at least so many per cent of the values do not exceed: no interpolation."""
    rank = ceil(len(values) * percent / 100)
    return float(np.sort(values)[rank - 1])
