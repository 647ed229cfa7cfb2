"""Checks of what electricity is bought: contracts, the rest, and what is fed back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from services.domain.methods.market import is_shown, share_of
from services.domain.registry.facts import bases_of, begins, contracts_at, entry_in_force, source_facts_at
from services.domain.registry.model import Contract, MarketBasis, Method, Source, SourceFacts
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import SiteScope

_EXPORT: Final = "energy_export_kwh"
_LAST_BITS: Final = 1e-9


def check_market(scope: SiteScope) -> Iterator[Problem]:
    """What is wrong with the electricity sources of a site, beyond what all sources need."""
    for source_id, source in scope.site.sources.items():
        place = (*scope.place, "sources", source_id)
        if source.method is Method.ELECTRICITY:
            yield from _contracts(source, place)
            yield from _over_time(scope, source, place)
        elif source.contracts:
            message = f"has no effect on {source.method}, only on electricity: remove it."
            yield Problem((*place, "contracts"), message)


def _contracts(source: Source, place: Place) -> Iterator[Problem]:
    seen: set[tuple[str, datetime]] = set()
    for index, contract in enumerate(source.contracts):
        where = (*place, "contracts", index)
        if (contract.contract, contract.from_) in seen:
            yield Problem(where, f"has contract {contract.contract} from that instant on twice: remove one.")
        seen.add((contract.contract, contract.from_))
        yield from _contract(contract, where)


def _contract(contract: Contract, place: Place) -> Iterator[Problem]:
    if contract.until <= contract.from_:
        yield Problem((*place, "until"), "is not after `from`: it is the first instant no longer covered.")
    if (contract.share is None) == (contract.kwh is None):
        yield Problem(
            place, "must give either `share`, or `kwh` and `of_kwh`: what it covers is known by one."
        )
    elif contract.kwh is not None and contract.of_kwh is None:
        message = "has `kwh` without `of_kwh`, the purchase of the period that they are set against: add it."
        yield Problem(place, message)
    elif contract.of_kwh is not None and (contract.kwh or 0.0) > contract.of_kwh:
        message = f"covers {contract.kwh} kWh of {contract.of_kwh}: more than was purchased covers nothing."
        yield Problem((*place, "kwh"), message, warning=True)
    if contract.document is None:
        message = "names no `document`: without evidence it covers nothing, and its share counts as the rest."
        yield Problem(place, message, warning=True)
    elif not is_shown(contract):
        message = (
            "counts as zero and names no `certificate`: until it does it covers nothing, and its share "
            "counts as the rest."
        )
        yield Problem(place, message, warning=True)


def _over_time(scope: SiteScope, source: Source, place: Place) -> Iterator[Problem]:
    """What changes with facts and contracts; each lack once."""
    reported: set[str] = set()
    for at in _moments(source):
        facts = source_facts_at(source, at)
        if facts is None:
            continue
        where = (*place, "facts", entry_in_force(source.facts, at))
        for problem in _at(scope, source, facts, at, where):
            if problem.message not in reported:
                reported.add(problem.message)
                yield problem


def _moments(source: Source) -> list[datetime]:
    first = min(begins(source.facts))
    dates = {at for each in source.contracts for at in (each.from_, each.until) if at > first}
    return sorted(dates.union(begins(source.facts)))


def _at(
    scope: SiteScope, source: Source, facts: SourceFacts, at: datetime, place: Place
) -> Iterator[Problem]:
    if facts.quantity == _EXPORT and facts.in_total:
        message = (
            "counts what is fed back in the total: that is no purchase, and burning or buying it was counted "
            "already; set `in_total: false`."
        )
        yield Problem(place, message)
    if "market" not in bases_of(source, facts):
        if facts.total_basis == "market":
            message = (
                "is market, and the source has neither `contracts` nor `market`: there is no such basis."
            )
            yield Problem((*place, "total_basis"), message)
        return
    yield from _rest(scope, source, facts, at, place)


def _rest(
    scope: SiteScope, source: Source, facts: SourceFacts, at: datetime, place: Place
) -> Iterator[Problem]:
    contracts = contracts_at(source, at)
    shares = [share_of(contract) for contract in contracts]
    if sum(shares) > 1.0 + _LAST_BITS:
        names = ", ".join(contract.contract for contract in contracts)
        message = f"has contracts that together cover {sum(shares):.4g} times the purchase: {names}."
        yield Problem((*place[:-2], "contracts"), message)
    if facts.market is not None:
        yield from _named(scope, facts.market, (*place, "market"))
    covered = sum(share_of(contract) for contract in contracts if is_shown(contract))
    begun = facts.market is not None or any(each.from_ <= at for each in source.contracts)
    if begun and covered < 1.0 - _LAST_BITS and not _has_rest(facts.market):
        message = (
            "names no factor for what contracts do not cover (`market`: a residual `factor_set` or "
            "`supplier_co2_kg_per_kwh`): its market-based CO2 stays unknown."
        )
        yield Problem(place, message, warning=True)


def _has_rest(market: MarketBasis | None) -> bool:
    return market is not None and (market.factor_set or market.supplier_co2_kg_per_kwh) is not None


def _named(scope: SiteScope, market: MarketBasis, place: Place) -> Iterator[Problem]:
    if market.factor_set is not None and market.supplier_co2_kg_per_kwh is not None:
        yield Problem(place, "names a `factor_set` and `supplier_co2_kg_per_kwh`: the rest has one factor.")
    if market.supplier_co2_kg_per_kwh is not None and market.document is None:
        yield Problem(place, "has the supplier's figure without its `document`: name where it is from.")
    if None not in (scope.factors, market.factor_set) and market.factor_set not in (scope.factors or ()):
        message = f"is {market.factor_set}, which is not known: `carbonflow factors list` shows the sets."
        yield Problem((*place, "factor_set"), message)
