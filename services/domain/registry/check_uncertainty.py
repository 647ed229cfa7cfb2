"""Checks of the uncertainties that sources state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.domain.registry.facts import source_facts_at
from services.domain.registry.model import Method, Uncertainties
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import SiteScope
from services.domain.uncertainties import factor_parts

_PARTS: Final = ("ncv_pct", "carbon_content_pct", "oxidation_rate_pct")
_NO_FACTOR: Final = {
    Method.CEMS: "has no effect on cems, which multiplies by no factor: name activity_pct alone.",
    Method.MASS_BALANCE: "has no effect on mass_balance: give each stream its own uncertainty_pct.",
}


def check_uncertainties(scope: SiteScope) -> Iterator[Problem]:
    """What of the uncertainties of a site's sources is without effect, contradictory or half."""
    for source_id, source in scope.site.sources.items():
        for index, entry in enumerate(source.facts):
            if entry.uncertainty is not None:
                place = (*scope.place, "sources", source_id, "facts", index, "uncertainty")
                merged = source_facts_at(source, entry.from_)
                needed = factor_parts(None if merged is None else merged.fuel)
                yield from _stated(source.method, entry.uncertainty, needed, place)


def _stated(
    method: Method, stated: Uncertainties, needed: tuple[str, ...], place: Place
) -> Iterator[Problem]:
    parts = [name for name in _PARTS if getattr(stated, name) is not None]
    if method is not Method.ELECTRICITY and stated.market_factor_pct is not None:
        yield Problem((*place, "market_factor_pct"), f"has no effect on {method}, only on electricity.")
    for name in ("factor_pct", *_PARTS):
        if method in _NO_FACTOR and getattr(stated, name) is not None:
            yield Problem((*place, name), _NO_FACTOR[method])
    if method in _NO_FACTOR:
        return
    if method is not Method.FUEL:
        for name in parts:
            yield Problem((*place, name), f"has no effect on {method}, only on fuel: name factor_pct.")
    elif parts and stated.factor_pct is not None:
        yield Problem((*place, "factor_pct"), "is given beside its own parts: keep the one or the others.")
    elif parts and not set(needed) <= set(parts):
        lacking = ", ".join(name for name in needed if name not in parts)
        message = f"lacks {lacking}: the factor's uncertainty stays unknown; 0 is exact."
        yield Problem(place, message, warning=True)
