"""What the registry says of the uncertainty of an activity and of a factor, 95 %, in per cent. None is
unknown: nothing is assumed."""

from __future__ import annotations

import numpy as np

from services.domain.activity import Use
from services.domain.formulas import Formula
from services.domain.methods.mass_balance import stream_factor
from services.domain.registry.model import FuelProperties, Method, Stream
from services.domain.uncertainty import product_pct, sum_pct


def activity_pct(use: Use, formula: Formula) -> float | None:
    """Of the activity of one device in one source: what the source states, else what the device does, else
    the device's accuracy class.

    A class is a limit of error, which is taken for the 95 % interval as EU 2018/2066 Art. 28(2) allows: an
    error equally likely anywhere within the limits keeps within 0.95 of them in 95 of 100 cases. It is of
    what the device counts alone: where the activity also hangs on other sensors or on a density, the class
    does not do.
    """
    stated = use.facts.uncertainty
    if stated is not None and stated.activity_pct is not None:
        return stated.activity_pct
    if use.device.uncertainty_pct is not None:
        return use.device.uncertainty_pct
    if set(formula.inputs) - formula.optional or use.facts.density_t_per_m3 is not None:
        return None
    return use.device.accuracy_pct


def factor_pct(use: Use, streams: tuple[Stream, ...]) -> float | None:
    """Of the factor of one device in one source. A measured stack has none to be uncertain of."""
    if use.source.method is Method.CEMS:
        return 0.0
    if use.source.method is Method.MASS_BALANCE:
        return _of_streams(use, streams)
    stated = use.facts.uncertainty
    if stated is None:
        return None
    if stated.factor_pct is not None:
        return stated.factor_pct
    parts = [getattr(stated, name) for name in factor_parts(use.facts.fuel)]
    return None if None in parts else float(product_pct(*parts))


def factor_parts(fuel: FuelProperties | None) -> tuple[str, ...]:
    """The uncertainties that make a fuel's: where the laboratory gives the carbon by itself, the NCV has no
    part in it."""
    if fuel is not None and (fuel.carbon_pct is not None or fuel.carbon_kg_per_m3 is not None):
        return ("carbon_content_pct", "oxidation_rate_pct")
    return ("ncv_pct", "carbon_content_pct", "oxidation_rate_pct")


def market_factor_pct(use: Use) -> float | None:
    """Of the market-based factor of purchased electricity."""
    stated = use.facts.uncertainty
    return None if stated is None else stated.market_factor_pct


def _of_streams(use: Use, streams: tuple[Stream, ...]) -> float | None:
    """Of the sum of the streams' factors, each uncertain by itself."""
    per_t: list[float] = []
    parts: list[float] = []
    for stream in streams:
        factor = stream_factor(stream, use.facts.factor_set)
        if isinstance(factor, str) or stream.uncertainty_pct is None:
            return None
        per_t.append(factor)
        parts.append(stream.uncertainty_pct)
    pct = float(sum_pct(np.array(per_t), np.array(parts)))
    return None if np.isnan(pct) else pct
