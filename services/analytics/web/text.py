"""Numbers as a person reads them. What is unknown is an em dash, never 0."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import Final

DASH: Final = "—"

UNCERTAINTY: Final = "95 % interval, by what the registry says of meters and factors (IPCC approach 1)"
"""What an uncertainty on the board is."""

TOLERANCE: Final = "by the uncertainties of both routes together, 95 %"
"""What the tolerance between two routes is."""

_DIGITS: Final = 3
"""Significant digits shown of what is smaller than 100; the exact value is in the API."""
_AGES: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def amount_text(value: float | None) -> str:
    """Three significant digits, or all digits before the point where there are more: 1,234 and 0.0123."""
    if value is None or not isfinite(value):
        return DASH
    if value == 0:
        return "0"
    decimals = max(0, _DIGITS - 1 - floor(log10(abs(value))))
    return f"{value:,.{decimals}f}"


def count_text(value: int | None) -> str:
    """A count with its thousands apart."""
    return DASH if value is None else f"{value:,}"


def share_text(value: float | None) -> str:
    """A share of 0 to 1 as per cent, rounded down: 99.9 % is not all."""
    if value is None or not isfinite(value):
        return DASH
    return f"{floor(value * 100 + 1e-6)} %"


def difference_text(percent: float | None) -> str:
    """How much more or less, in per cent with its sign."""
    if percent is None or not isfinite(percent):
        return DASH
    return f"{percent:+.1f} %"


def uncertainty_text(percent: float | None) -> str:
    """The half width of an interval in per cent, to two digits: ± 5.4 %."""
    if percent is None or not isfinite(percent):
        return DASH
    return f"± {percent:.2g} %" if percent < 100 else f"± {percent:.0f} %"


def age_text(seconds: float | None) -> str:
    """How long ago, in the largest unit that fits. A device clock ahead of ours reads as 0 s."""
    if seconds is None or not isfinite(seconds):
        return DASH
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
