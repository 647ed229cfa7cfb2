"""What a recipe says, as JSON that is the same whenever it is made of the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from math import isfinite
from typing import Any, Final

from services.domain.conversion import Conversion, Member
from services.domain.factors import Factor, FactorBook, Found
from services.domain.ledger.hours import from_us
from services.domain.ledger.rows import SourceBasis
from services.domain.methods import market
from services.domain.registry.facts import contracts_at
from services.domain.registry.model import DeviceFacts, Method, Site, SourceFacts, Stock
from services.domain.stack import StackPolicy
from services.domain.steps.factors import made_of
from services.domain.steps.formulas import described
from services.domain.stock import stocks_of

_NO_FACTS: Final = {"from_", "note"}
"""Since when a fact has been so does not change what it makes of an hour."""

Stocks = tuple[object, ...]


def document(basis: SourceBasis, site: Site, stretches: Sequence[Mapping[str, Any]], stocks: Stocks) -> str:
    """The whole recipe of a source's hour. Keys are sorted; null is unknown."""
    source = site.sources[basis.source]
    content: dict[str, Any] = {
        "site": basis.site,
        "source": basis.source,
        "basis": None if basis.basis == "none" else basis.basis,
        "method": source.method,
        "scope": source.scope,
        "carrier": source.carrier,
        "timezone": site.timezone,
        "region": site.region,
        "gwp_set": site.gwp_set,
        "stretches": stretches,
    }
    if stocks:
        changes, is_open = stocks
        content["stocks"] = {"changes": changes, "inventory_awaited": is_open}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def stocks_between(inventories: Sequence[Stock], begin_us: int, end_us: int) -> Stocks:
    """The changes of stock that fall into some time, and whether an inventory that bears on it is to come;
    empty where the source has no inventories."""
    if not inventories:
        return ()
    stocks = stocks_of(inventories)
    changes = tuple(
        (from_us(each.begin_us).isoformat(), from_us(each.end_us).isoformat(), each.co2_kg)
        for each in stocks.changes
        if each.begin_us < end_us and each.end_us > begin_us
    )
    return changes, stocks.is_open(end_us)


def stretch(
    site: Site,
    first: tuple[Conversion, Member],
    begins: datetime | None,
    at: datetime,
    parts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What is in force in one stretch of the hour; `begins` where it is not the first."""
    conversion, member = first
    content: dict[str, Any] = {
        "facts": _facts(member.use.facts),
        "in_total": conversion.in_total,
        "parts": parts,
    }
    if begins is not None:
        content["from"] = begins.isoformat()
    if conversion.basis == "market":
        contracts = contracts_at(site.sources[member.source], at)
        content["contracts"] = [each.model_dump(mode="json", exclude_none=True) for each in contracts]
    return content


def part(conversion: Conversion, member: Member, factors: FactorBook, at: datetime) -> dict[str, Any]:
    """What one device contributes, and how."""
    steps = described(conversion.formula, conversion.params)
    factor = {name: _known(value) for name, value in asdict(conversion.factor).items()}
    content: dict[str, Any] = {
        "device": member.device,
        "device_facts": _facts(member.use.device),
        "quantity": conversion.quantity,
        "formula": {
            "name": conversion.formula.name,
            "activity": steps[-1].by,
            "inputs": list(conversion.formula.inputs),
            "params": {
                name: _known(value)
                for name, value in zip(conversion.formula.params, conversion.params, strict=True)
            },
            "steps": [[each.name, each.unit, each.by] for each in steps[:-1]],
        },
        "activity_unit": conversion.activity_unit,
        "factor": {**factor, "made_of": made_of(member.use, conversion)},
        "published": [_published(each) for each in _used(conversion, member, factors, at)],
        "uncertainty_pct": [conversion.activity_uncertainty_pct, conversion.factor_uncertainty_pct],
    }
    if conversion.stack is not None:
        content["stack"] = _policy(conversion.stack)
    if conversion.evidence:
        content["stopped_evidence"] = [list(each) for each in conversion.evidence]
    if member.streams:
        content["streams"] = [each.model_dump(mode="json", exclude_none=True) for each in member.streams]
    if member.use.returned:
        content["returned"] = True
    return content


def _used(conversion: Conversion, member: Member, factors: FactorBook, at: datetime) -> Iterable[Factor]:
    """The published factors that the conversion's rests on."""
    if member.use.source.method in (Method.CEMS, Method.MASS_BALANCE):
        return
    found = member.use.found
    of_market = conversion.basis == "market"
    chosen: Found | str | None = market.residual(member.use, factors, at) if of_market else found
    if isinstance(chosen, Found):
        yield chosen.factor


def _published(factor: Factor) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(factor).items()}


def _policy(policy: StackPolicy) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(policy).items()}


def _facts(facts: SourceFacts | DeviceFacts) -> dict[str, Any]:
    return facts.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_NO_FACTS)


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _known(value)


def _known(value: object) -> object:
    """NaN, which JSON does not have, is unknown."""
    return None if isinstance(value, float) and not isfinite(value) else value
