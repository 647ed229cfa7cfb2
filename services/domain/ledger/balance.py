"""What comes out of an hour's carbon: the sum of its streams and of its change of stock, or an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.domain.registry.model import Method
from services.domain.stock import Stocks

_LAST_BITS: Final = 1e-9
"""What enters and leaves in equal amounts leaves nothing but rounding."""


class Balance(NamedTuple):
    """kg CO2 of an hour; None for `reason`."""

    co2_kg: float | None
    stock_kg: float | None
    """How much the carbon in stock grew, as CO2; None where no inventory tells."""
    reason: str | None = None


def balanced(
    method: Method, co2_kg: float | None, streams_kg: Sequence[float], stocks: Stocks, hour: tuple[int, int]
) -> Balance:
    """The hour's sum `co2_kg` of its streams, less what went into stock.

    More carbon out than in is no emission and no zero: a stream is not metered, a carbon content is wrong or
    a change of stock is not told. Nobody knows which, so the hour is unknown.
    """
    if method is not Method.MASS_BALANCE or co2_kg is None:
        return Balance(co2_kg, None)
    stock_kg = stocks.growth_kg(*hour)
    terms = [*streams_kg] if stock_kg is None else [*streams_kg, -stock_kg]
    left_kg = co2_kg if stock_kg is None else co2_kg - stock_kg
    entered_kg = sum(term for term in terms if term > 0.0)
    if left_kg >= 0.0:
        return Balance(left_kg, stock_kg)
    if -left_kg <= _LAST_BITS * entered_kg:
        return Balance(0.0, stock_kg)
    gone_kg = entered_kg - left_kg
    reason = (
        f"more carbon leaves than enters: {entered_kg / 1000:.6g} t CO2 in, {gone_kg / 1000:.6g} t out; "
        "a stream or a change of stock is missing, or a carbon content is wrong"
    )
    return Balance(None, stock_kg, reason)
