"""Purchased electricity, market-based: what contracts cover at their own factor, the rest at the residual one
(GHG Protocol Scope 2 Guidance, chapter 6: contractual instruments before the residual mix).

A contract covers a share of every kilowatt-hour of its period: the share it names, or its kWh over the
purchase they are set against. So amounts of energy are matched over the period, as certificates are, and each
hour's number hangs on nothing but the hour. Zero-rated counts only what a certificate and a document show; a
contract without its evidence covers nothing, and its share is part of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from math import isnan, nan
from typing import Final
from zoneinfo import ZoneInfo

from services.domain.activity import Use
from services.domain.emission_factor import EmissionFactor, co2_only, missing, of_energy
from services.domain.factors import FactorBook, Found
from services.domain.registry.facts import contracts_at
from services.domain.registry.model import Contract, MarketBasis
from services.domain.units import GJ_PER_KWH

_NO_REST: Final = (
    "the source's `market` names no factor for it: a residual `factor_set` or `supplier_co2_kg_per_kwh`."
)
_LAST_BITS: Final = 1e-9
"""Shares that add up to one do so but for their last bits."""


def share_of(contract: Contract) -> float:
    """The share of the purchase that a contract covers, 0 to 1; NaN where it names neither a share nor kWh of
    a purchase."""
    if contract.share is not None:
        return contract.share
    if contract.kwh is None or contract.of_kwh is None:
        return nan
    return min(contract.kwh / contract.of_kwh, 1.0)


def is_shown(contract: Contract) -> bool:
    """Whether a contract has its evidence: a document, and where it counts as zero also the certificates."""
    if contract.document is None:
        return False
    return contract.co2_kg_per_kwh > 0.0 or contract.certificate is not None


def convert(use: Use, factors: FactorBook, at: datetime) -> EmissionFactor:
    """The market-based factor per kWh of a source's purchase at an instant."""
    rest = residual(use, factors, at)
    return market_factor(contracts_at(use.source, at), use.facts.market, rest, use.site.gwp_set)


def residual(use: Use, factors: FactorBook, at: datetime) -> Found | str | None:
    """The published factor of what no contract covers, or the reason why there is none; None where the
    registry names no set."""
    basis = use.facts.market
    if basis is None or basis.factor_set is None:
        return None
    region = basis.region or use.facts.region or use.site.region
    on = at.astimezone(ZoneInfo(use.site.timezone)).date()
    return factors.find(basis.factor_set, basis.factor_fuel or use.source.carrier, region, on)


def market_factor(
    contracts: Sequence[Contract], basis: MarketBasis | None, rest: Found | str | None, gwp_set: str | None
) -> EmissionFactor:
    """The factor per kWh of a purchase under `contracts`, all in force; `rest` is the published residual
    factor, or the reason why there is none, and None where the registry names no set."""
    shown = [contract for contract in contracts if is_shown(contract)]
    if not shown:
        return _marked(_of_rest(1.0, basis, rest, gwp_set), contracts)
    covered = sum(share_of(contract) for contract in shown)
    if isnan(covered):
        return _unknown("A contract names neither its share nor the kWh of a purchase.")
    if covered > 1.0 + _LAST_BITS:
        return _unknown(f"Contracts cover {covered:.1%} of the purchase.")
    names = [_told(contract) for contract in shown]
    co2_kg = sum(share_of(contract) * contract.co2_kg_per_kwh for contract in shown)
    if covered >= 1.0 - _LAST_BITS:
        return _marked(_under_contract(names, co2_kg), contracts)
    remaining = _of_rest(1.0 - covered, basis, rest, gwp_set)
    if remaining.missing_reason is not None:
        return _unknown(remaining.missing_reason)
    co2_kg += (1.0 - covered) * remaining.co2_kg_per_unit
    return _marked(_under_contract([*names, f"rest {remaining.name}"], co2_kg), contracts, remaining)


def _of_rest(
    share: float, basis: MarketBasis | None, rest: Found | str | None, gwp_set: str | None
) -> EmissionFactor:
    """The factor of what no contract covers."""
    if basis is not None and basis.supplier_co2_kg_per_kwh is not None:
        supplier = co2_only(f"supplier ({basis.document})", basis.supplier_co2_kg_per_kwh)
        return replace(supplier, energy_kwh_per_unit=1.0)
    if rest is None:
        return _unknown(f"No evidenced contract covers {share:.1%} of the purchase, and {_NO_REST}")
    if isinstance(rest, str):
        return _unknown(rest)
    return of_energy(rest, gwp_set, GJ_PER_KWH, 1.0)


def _under_contract(names: Iterable[str], co2_kg_per_kwh: float) -> EmissionFactor:
    """A supplier's figure is CO2: the other gases are unknown."""
    return replace(co2_only("; ".join(names), co2_kg_per_kwh), energy_kwh_per_unit=1.0)


def _told(contract: Contract) -> str:
    certificate = "" if contract.certificate is None else f", {contract.certificate}"
    return f"contract {contract.contract} {share_of(contract):.4g}{certificate}"


def _marked(
    factor: EmissionFactor, contracts: Sequence[Contract], rest: EmissionFactor | None = None
) -> EmissionFactor:
    """Provisional while evidence, or the purchase that kWh are set against, is still to come."""
    awaited = [contract for contract in contracts if not is_shown(contract)]
    forecast = any(contract.kwh is not None and not contract.settled for contract in contracts)
    name = factor.name
    if awaited and name is not None:
        name += "; without evidence: " + ", ".join(contract.contract for contract in awaited)
    provisional = factor.provisional or bool(awaited) or forecast or (rest is not None and rest.provisional)
    return replace(factor, name=name, provisional=provisional)


def _unknown(reason: str) -> EmissionFactor:
    return missing(reason, energy_kwh_per_unit=1.0)
