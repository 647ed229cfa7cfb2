"""`carbonflow calc uncertainty`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from services.cli.calc import options
from services.cli.calc.lines import Line
from services.cli.calc.show import show
from services.domain.uncertainty import Summand, product_pct, total

_TERM_KEYS: Final = ("activity", "factor", "by")


def uncertainty(
    part: Annotated[
        list[str] | None, typer.Option(help="Repeated; NAME=PCT of a factor of a product.")
    ] = None,
    term: Annotated[
        list[str] | None,
        typer.Option(
            help="Repeated; NAME=AMOUNT,activity=PCT,factor=PCT,by=FACTOR of a term of a sum. Terms of one "
            "NAME share a meter, those of one FACTOR a factor: these errors add up linearly."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Uncertainty of a product or of a sum, 95 %, by IPCC approach 1.

    Example: carbonflow calc uncertainty --part activity=0.5 --part ncv=1.5 --part carbon=2.0
    --part oxidation=0.5
    """
    if bool(part) == bool(term):
        raise typer.BadParameter("give either --part, of a product, or --term, of a sum.")
    lines = _product(part) if part else _sum(term or [])
    show("uncertainty", lines, as_json=as_json)


def _product(parts: list[str]) -> Iterator[Line]:
    named = [_pair(text) for text in parts]
    yield from (Line(name, value, "%", "given") for name, value in named)
    whole = float(product_pct(*(value for _, value in named)))
    yield Line("uncertainty_pct", whole, "%", "sqrt(U1^2 + ... + Un^2), IPCC 2006 vol. 1 eq. 3.1")


def _sum(terms: list[str]) -> Iterator[Line]:
    summands = [_summand(text) for text in terms]
    for each in summands:
        yield Line(str(each.source), each.amount, "", "given")
        yield Line(f"{each.source}.activity", each.activity_width, "", "half width of its meter")
        yield Line(f"{each.source}.factor", each.factor_width, "", f"half width by {each.factors[0]}")
    found = total(summands)
    yield Line("sum", found.amount, "", "")
    by = "sqrt((U1 x1)^2 + ...)/|x1 + ...|, IPCC 2006 vol. 1 eq. 3.2; what is shared linearly"
    yield Line("uncertainty_pct", found.uncertainty_pct, "%", by)


def _summand(text: str) -> Summand:
    head, *rest = text.split(",")
    name, amount = _pair(head)
    given = dict(each.partition("=")[::2] for each in rest)
    if strange := [key for key in given if key not in _TERM_KEYS]:
        raise typer.BadParameter(f"{strange[0]!r} is none of {', '.join(_TERM_KEYS)}.")
    if missing := [key for key in ("activity", "factor") if key not in given]:
        raise typer.BadParameter(f"the term {name} has no {missing[0]}; 0 is exact.")
    activity, factor = (_number(key, given[key]) for key in ("activity", "factor"))
    by = given.get("by", name)
    return Summand(name, (by,), amount, amount * activity / 100.0, amount * factor / 100.0)


def _pair(text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"{text!r} is no NAME=NUMBER.")
    return name, _number(name, value)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{name} is {text!r}, no number.") from None
