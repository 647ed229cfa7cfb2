"""A registry of one source, made of what was given, and what the product computes with it.

The registry is compiled as the live stream's and the ledger's is, so that `calc` has no choice of its own of
formula, factor or reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Final, NamedTuple

import typer
from pydantic import ValidationError

from services.domain.activity import Use
from services.domain.conversion import Conversion, compile_conversions, members
from services.domain.factors import Factor, FactorBook
from services.domain.registry.model import Method, Registry, Stream
from services.domain.steps.formulas import Evaluated, evaluate

_SINCE: Final = "1990-01-01T00:00:00Z"
_UNTIL: Final = "2200-01-01T00:00:00Z"
_SITE: Final = "calc"
_SOURCE: Final = "calc"
_SCOPES: Final = {Method.ELECTRICITY: 2, Method.HEAT: 2}


@dataclass(frozen=True, slots=True)
class Metered:
    """What one device measured: `x` of `quantity`, an amount or a rate, and what goes with it."""

    ref: str
    quantity: str
    x: float
    inputs: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    returned: bool = False
    """Whether it meters condensate that goes back."""


@dataclass(frozen=True, slots=True)
class Case:
    """One emission source, with the facts of the registry that were given."""

    method: Method
    carrier: str
    metered: tuple[Metered, ...]
    facts: Mapping[str, Any]
    site: Mapping[str, Any] = field(default_factory=dict)
    contracts: tuple[Mapping[str, Any], ...] = ()
    stocks: tuple[Mapping[str, Any], ...] = ()


class Computed(NamedTuple):
    """One device's part of the source by one basis."""

    metered: Metered
    use: Use
    streams: tuple[Stream, ...]
    conversion: Conversion
    evaluated: Evaluated


def given(**values: Any) -> dict[str, Any]:
    """The values that were given."""
    return {name: value for name, value in values.items() if value is not None}


def compute(case: Case, factors: Sequence[Factor], on: date) -> list[Computed]:
    """What each device contributes on the date. Raises typer.BadParameter where the facts are none."""
    registry = _registry(case)
    at = datetime.combine(on, time(12), UTC)
    book = FactorBook(factors)
    uses = {member.device: member for member in members(registry.sites[_SITE], book, at)}
    compiled = compile_conversions(registry, book, at)
    found: list[Computed] = []
    for metered in case.metered:
        member = uses[metered.ref]
        for device, conversions in compiled.items():
            if f"{device.kind}/{device.device}" != metered.ref:
                continue
            for conversion in conversions:
                evaluated = evaluate(conversion.formula, metered.x, metered.inputs, conversion.params)
                found.append(Computed(metered, member.use, member.streams, conversion, evaluated))
    return found


def _registry(case: Case) -> Registry:
    source: dict[str, Any] = {"from": _SINCE, **case.facts}
    if case.method is not Method.MASS_BALANCE:
        drawn = [each for each in case.metered if not each.returned]
        source |= {"devices": [each.ref for each in drawn], "quantity": drawn[0].quantity}
    if back := [each for each in case.metered if each.returned]:
        source["condensate"] = [{"device": each.ref, "quantity": each.quantity} for each in back]
    site = {
        "timezone": "UTC",
        **case.site,
        "devices": {each.ref: {"facts": [{"from": _SINCE, **each.facts}]} for each in case.metered},
        "sources": {
            _SOURCE: {
                "scope": _SCOPES.get(case.method, 1),
                "method": case.method,
                "carrier": case.carrier,
                "facts": [source],
                "stocks": list(case.stocks),
                "contracts": [{"from": _SINCE, "until": _UNTIL, **each} for each in case.contracts],
            }
        },
    }
    try:
        return Registry.model_validate({"version": 1, "sites": {_SITE: site}})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = next((str(part) for part in reversed(first["loc"]) if isinstance(part, str)), "value")
        raise typer.BadParameter(f"{name} is {first['input']!r}: {first['msg'].lower()}.") from error
