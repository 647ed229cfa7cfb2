"""`carbonflow calc mass-balance`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Computed, Metered, compute
from services.cli.calc.errors import CalculationError
from services.cli.calc.lines import Line, added, emitted, gases, lines
from services.cli.calc.show import show
from services.domain.ledger.uncertain import hour_uncertainty
from services.domain.registry.model import Method, Stream
from services.store.factors import shipped_factors

_MASS: Final = "mass_t"
_TEXT: Final = frozenset({"role", "carbonate"})
_KNOWN: Final = (_MASS, *(name for name in Stream.model_fields if name not in {"device", "quantity"}))


def mass_balance(
    stream: Annotated[
        list[str],
        typer.Option(help=f"Repeated; KEY=VALUE,... of {', '.join(_KNOWN)}. A stream is an input by itself."),
    ],
    factor_set: Annotated[
        str | None,
        typer.Option(help="CN_GUIDELINE_CARBONATE; without it stoichiometric.", show_default=False),
    ] = None,
    gwp_set: options.Gwp = None,
    activity_uncertainty_pct: Annotated[
        float | None, options.number("95 % uncertainty of each scale, each by itself.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Process CO2 from carbon in and out: (sum in x C - sum out x C) x 44/12, carbonates by stoichiometry.

    Example: carbonflow calc mass-balance --stream mass_t=1000,carbonate=CaCO3,purity=0.9
    """
    metered, streams = [], []
    for number, text in enumerate(stream, start=1):
        facts = _parsed(text)
        ref = f"beltscale/stream-{number}"
        device = {} if activity_uncertainty_pct is None else {"uncertainty_pct": activity_uncertainty_pct}
        metered.append(Metered(ref, _MASS, facts.pop(_MASS), facts=device))
        streams.append({"device": ref, "quantity": _MASS, **facts})
    facts = {"streams": streams} if factor_set is None else {"streams": streams, "factor_set": factor_set}
    case = Case(
        method=Method.MASS_BALANCE,
        carrier="carbon",
        metered=tuple(metered),
        facts=facts,
        site={} if gwp_set is None else {"gwp_set": gwp_set},
    )
    show("mass-balance", _lines(compute(case, shipped_factors(), options.day(None))), as_json=as_json)


def _parsed(text: str) -> dict[str, Any]:
    """A stream from its KEY=VALUE pairs. Raises typer.BadParameter."""
    found: dict[str, Any] = {}
    for pair in text.split(","):
        name, sign, value = pair.partition("=")
        if not sign or name not in _KNOWN:
            raise typer.BadParameter(f"{pair!r} is no KEY=VALUE of a stream; keys are {', '.join(_KNOWN)}.")
        try:
            found[name] = value if name in _TEXT else float(value)
        except ValueError:
            raise typer.BadParameter(f"{name} is {value!r}, no number.") from None
    if _MASS not in found:
        raise typer.BadParameter(f"the stream {text!r} has no {_MASS}.")
    return found


def _lines(parts: list[Computed]) -> Iterator[Line]:
    for number, part in enumerate(parts, start=1):
        for line in lines(part):
            yield line._replace(name=f"stream_{number}.{line.name}")
    total = added(gases(part) for part in parts)
    if total.co2 < 0.0:
        raise CalculationError("More carbon leaves than enters: an input is missing, or a value is wrong.")
    yield from emitted(total, parts[0].conversion.factor)
    of = hour_uncertainty([gases(part).co2 for part in parts], [part.conversion for part in parts])
    if of.whole_pct is not None:
        yield Line("uncertainty_pct", of.whole_pct, "%", "IPCC 2006 vol. 1 eq. 3.1 and 3.2")
