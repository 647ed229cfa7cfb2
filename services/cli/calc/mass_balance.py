"""`carbonflow calc mass-balance`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Computed, Metered, compute
from services.cli.calc.errors import CalculationError
from services.cli.calc.lines import Line, added, emitted, gases, lines
from services.cli.calc.show import show
from services.domain.ledger.balance import balanced
from services.domain.ledger.hours import to_us
from services.domain.ledger.uncertain import hour_uncertainty
from services.domain.registry.model import Method, Stream
from services.store.factors import shipped_factors

_AMOUNTS: Final = ("mass_t", "volume_m3")
_TEXT: Final = frozenset({"role", "carbonate"})
_STREAM: Final = (
    *_AMOUNTS,
    *(name for name in Stream.model_fields if name not in {"device", "quantity", "density_base_state"}),
)
_STOCK: Final = ("before_t", "after_t", "carbon_fraction")
# Any two: what the stock grew between them is what the balance is of.
_BEFORE: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AFTER: Final = datetime(2000, 1, 2, tzinfo=UTC)


def mass_balance(
    stream: Annotated[
        list[str],
        typer.Option(help=f"Repeated; KEY=VALUE,... of {', '.join(_STREAM)}. By itself an input."),
    ],
    stock: Annotated[
        list[str] | None, typer.Option(help=f"Repeated; KEY=VALUE,... of {', '.join(_STOCK)}.")
    ] = None,
    factor_set: Annotated[
        str | None,
        typer.Option(help="CN_GUIDELINE_CARBONATE; without it stoichiometric.", show_default=False),
    ] = None,
    gwp_set: options.Gwp = None,
    activity_uncertainty_pct: Annotated[
        float | None, options.number("95 % uncertainty of each meter, each by itself.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Process CO2 from carbon in and out: (sum in x C - sum out x C - change of stock) x 44/12, carbonates by
    stoichiometry.

    Example: carbonflow calc mass-balance --stream mass_t=1000,carbonate=CaCO3,purity=0.9
    """
    metered: list[Metered] = []
    streams: list[dict[str, Any]] = []
    for number, text in enumerate(stream, start=1):
        facts = _parsed(text, _STREAM)
        ref = f"flowmeter/stream-{number}"
        device = {} if activity_uncertainty_pct is None else {"uncertainty_pct": activity_uncertainty_pct}
        quantity, amount = _amount(text, facts)
        metered.append(Metered(ref, quantity, amount, facts=device))
        streams.append({"device": ref, "quantity": quantity, **facts})
    case = Case(
        method=Method.MASS_BALANCE,
        carrier="carbon",
        metered=tuple(metered),
        facts={"streams": streams} if factor_set is None else {"streams": streams, "factor_set": factor_set},
        site={} if gwp_set is None else {"gwp_set": gwp_set},
        stocks=tuple(each for number, text in enumerate(stock or ()) for each in _inventories(number, text)),
    )
    show("mass-balance", _lines(compute(case, shipped_factors(), options.day(None))), as_json=as_json)


def _parsed(text: str, known: Collection[str]) -> dict[str, Any]:
    """The KEY=VALUE pairs. Raises typer.BadParameter."""
    found: dict[str, Any] = {}
    for pair in text.split(","):
        name, sign, value = pair.partition("=")
        if not sign or name not in known:
            raise typer.BadParameter(f"{pair!r} is no KEY=VALUE; keys are {', '.join(known)}.")
        try:
            found[name] = value if name in _TEXT else float(value)
        except ValueError:
            raise typer.BadParameter(f"{name} is {value!r}, no number.") from None
    return found


def _amount(text: str, facts: dict[str, Any]) -> tuple[str, float]:
    """What of a stream was metered; taken out of its facts."""
    amounts = [name for name in _AMOUNTS if name in facts]
    if len(amounts) != 1:
        raise typer.BadParameter(f"the stream {text!r} must have one of {', '.join(_AMOUNTS)}.")
    return amounts[0], facts.pop(amounts[0])


def _inventories(number: int, text: str) -> Iterator[dict[str, Any]]:
    """Two inventories of a material, around the time of the balance."""
    found = _parsed(text, _STOCK)
    if lacking := [name for name in _STOCK if name not in found]:
        raise typer.BadParameter(f"the stock {text!r} has no {lacking[0]}.")
    for at, mass_t in ((_BEFORE, found["before_t"]), (_AFTER, found["after_t"])):
        yield {
            "material": f"stock-{number}",
            "at": at,
            "mass_t": mass_t,
            "carbon_fraction": found["carbon_fraction"],
            "document": "command line",
        }


def _lines(parts: list[Computed]) -> Iterator[Line]:
    for number, part in enumerate(parts, start=1):
        for line in lines(part):
            yield line._replace(name=f"stream_{number}.{line.name}")
    streams = [gases(part) for part in parts]
    total, conversion = added(streams), parts[0].conversion
    span = to_us(_BEFORE), to_us(_AFTER)
    streams_kg = [each.co2 for each in streams]
    left = balanced(Method.MASS_BALANCE, total.co2, streams_kg, conversion.stocks, span)
    if left.co2_kg is None:
        raise CalculationError(f"There is no result: {left.reason}.")
    if left.stock_kg is not None:
        yield Line("stock_co2_kg", left.stock_kg, "kg CO2", "what the carbon in stock grew x 44/12")
        total = total._replace(co2=left.co2_kg, co2e=total.co2e - left.stock_kg)
    yield from emitted(total, conversion.factor, "streams, less what went into stock")
    of = hour_uncertainty(streams_kg, [part.conversion for part in parts])
    if of.whole_pct is not None and left.stock_kg is None:
        yield Line("uncertainty_pct", of.whole_pct, "%", "IPCC 2006 vol. 1 eq. 3.1 and 3.2")
