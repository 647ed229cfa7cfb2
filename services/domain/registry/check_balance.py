"""Checks of mass balances: what a stream is metered by, and inventories of what lies in stock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from services.domain.registry.model import Method, Source, Stream
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import SiteScope

_MASS: Final = frozenset({"mass_t", "mass_flow_t_h", "rate_t_h"})
_LINE_VOLUME: Final = frozenset({"volume_m3", "flow_m3_h"})
_BASE_VOLUME: Final = frozenset({"volume_nm3", "flow_nm3_h"})


def check_stocks(scope: SiteScope) -> Iterator[Problem]:
    """What is wrong with the inventories of a site's sources."""
    for source_id, source in scope.site.sources.items():
        place = (*scope.place, "sources", source_id, "stocks")
        if source.stocks and source.method is not Method.MASS_BALANCE:
            yield Problem(place, f"has no effect on {source.method}, only on mass_balance: remove it.")
        yield from _twice(source, place)


def _twice(source: Source, place: Place) -> Iterator[Problem]:
    seen: set[tuple[str, datetime]] = set()
    for index, stock in enumerate(source.stocks):
        if (stock.material, stock.at) in seen:
            message = f"is a second inventory of {stock.material} at that instant: remove one."
            yield Problem((*place, index, "at"), message)
        seen.add((stock.material, stock.at))


def stream_amount(stream: Stream, place: Place) -> Iterator[Problem]:
    """What is wrong with what a carbon stream is metered by: a mass, or a volume and its density."""
    where = (*place, "quantity")
    if stream.quantity in _MASS:
        if stream.density_t_per_m3 is not None:
            yield Problem((*place, "density_t_per_m3"), f"has no effect on {stream.quantity}: remove it.")
    elif stream.quantity not in _LINE_VOLUME | _BASE_VOLUME:
        message = f"is {stream.quantity}: a carbon stream is a mass, such as mass_t, or a volume."
        yield Problem(where, message)
    elif stream.density_t_per_m3 is None:
        message = (
            f"is {stream.quantity}: a carbon stream is a mass, such as mass_t; of a volume give "
            "`density_t_per_m3`, too."
        )
        yield Problem(where, message)
    elif stream.quantity in _BASE_VOLUME and stream.density_base_state is None:
        message = f"is {stream.quantity}: name the base state of its density, `density_base_state`."
        yield Problem(where, message)
