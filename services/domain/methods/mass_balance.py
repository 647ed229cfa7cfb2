"""Process emissions by mass balance: E = (sum in x C - sum out x C) x 44/12, and carbonates by stoichiometry.

CO2 that leaves is no output. An output counts negative; that more carbon leaves than enters is for whoever
sums the streams to raise, not for a stream to hide.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan
from types import MappingProxyType
from typing import Final

from services.domain import activity
from services.domain.activity import Activity, Measure, Use
from services.domain.emission_factor import EmissionFactor, co2_only, missing
from services.domain.factors import CO2_PER_CARBON
from services.domain.methods import fuel
from services.domain.registry.model import SourceFacts, Stream

# IUPAC standard atomic weights of 2005 (five figures and more), as the guidelines' own factors were rounded
# from.
_C, _O, _CA, _MG, _NA = 12.0107, 15.9994, 40.078, 24.3050, 22.98976928
_CO2 = _C + 2.0 * _O
_CO3 = _C + 3.0 * _O

STOICHIOMETRIC: Final = MappingProxyType(
    {"CaCO3": _CO2 / (_CA + _CO3), "MgCO3": _CO2 / (_MG + _CO3), "Na2CO3": _CO2 / (2.0 * _NA + _CO3)}
)
"""t CO2 per t of pure carbonate: 0.43971, 0.52197, 0.41523."""

GUIDELINE_SET: Final = "CN_GUIDELINE_CARBONATE"
PRINTED: Final = MappingProxyType({"CaCO3": 0.440, "MgCO3": 0.522, "Na2CO3": 0.415})
"""The same as the Chinese guidelines print it (power generation: desulphurisation); for who must report
so."""


_VOLUME: Final = frozenset({Measure.LINE_VOLUME, Measure.BASE_VOLUME})


def carbonate_factor(carbonate: str, factor_set: str | None) -> float | str:
    """t CO2 per t: stoichiometric where the source names no factor set, as printed by GUIDELINE_SET; else a
    reason."""
    if factor_set is None:
        return STOICHIOMETRIC[carbonate]
    if factor_set == GUIDELINE_SET:
        return PRINTED[carbonate]
    return (
        f"There is no carbonate factor in set {factor_set}: name {GUIDELINE_SET}, or none for stoichiometry."
    )


def stream_factor(stream: Stream, factor_set: str | None) -> float | str:
    """t CO2 per t of the stream's mass, negative for an output; or the reason why it is unknown."""
    if (stream.carbonate is None) == (stream.carbon_fraction is None):
        return f"The stream of {stream.device} must name either a carbonate or a carbon fraction."
    if stream.carbonate is not None:
        per_t = carbonate_factor(stream.carbonate, factor_set)
        if isinstance(per_t, str):
            return per_t
    else:
        per_t = (stream.carbon_fraction or 0.0) * CO2_PER_CARBON
    sign = -1.0 if stream.role == "output" else 1.0
    return sign * per_t * stream.purity * stream.conversion


def convert(use: Use, streams: tuple[Stream, ...]) -> tuple[Activity, EmissionFactor]:
    """The device's mass [t] and the sum of the factors of its `streams`, all by the quantity `use` names.

    A limestone with some MgCO3 is two streams of one belt: one activity, two factors that add.
    """
    counted = _activity(use)
    if counted.missing_reason is not None:
        return counted, missing(counted.missing_reason)
    total = 0.0
    for stream in streams:
        per_t = stream_factor(stream, use.facts.factor_set)
        if isinstance(per_t, str):
            return counted, missing(per_t)
        total += per_t
    return counted, _factor(streams, use, total * 1000.0)


def _factor(streams: tuple[Stream, ...], use: Use, co2_kg_per_t: float) -> EmissionFactor:
    carbonates = [stream.carbonate for stream in streams if stream.carbonate is not None]
    if len(carbonates) < len(streams):
        return co2_only("carbon balance", co2_kg_per_t)
    # A carbonate gives off CO2 and nothing else: here the other gases are known, and none. By any warming
    # potentials that is the CO2e; but a number of CO2e always says by which, so the site must name them.
    gwp_set = use.site.gwp_set
    return replace(
        co2_only(f"{use.facts.factor_set or 'stoichiometric'}/{'+'.join(carbonates)}", co2_kg_per_t),
        ch4_kg_per_unit=0.0,
        n2o_kg_per_unit=0.0,
        co2e_kg_per_unit=nan if gwp_set is None else co2_kg_per_t,
        biogenic_co2_kg_per_unit=0.0,
        gwp_set=gwp_set,
    )


def with_density(facts: SourceFacts, stream: Stream) -> SourceFacts:
    """The source's facts with the density of one of its streams, as fuels name theirs."""
    if stream.density_t_per_m3 is None:
        return facts
    density = {
        "density_t_per_m3": stream.density_t_per_m3,
        "factor_base_state": stream.density_base_state,
    }
    return facts.model_copy(update=density)


def _activity(use: Use) -> Activity:
    measure = activity.measure_of(use.kind, use.quantity)
    if measure is Measure.MASS or (measure in _VOLUME and use.facts.density_t_per_m3 is not None):
        return fuel.mass(use)
    reason = f"{use.quantity} of a {use.kind} is no mass, nor a volume with a density."
    return activity.unknown(use.kind, use.quantity, "t", reason)
