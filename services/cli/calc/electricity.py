"""`carbonflow calc electricity`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Computed, Metered, compute, given
from services.cli.calc.lines import Line, lines
from services.cli.calc.show import show
from services.domain.registry.model import Contract, Method
from services.store.factors import shipped_factors

_CONTRACT: Final = tuple(name for name in Contract.model_fields if name not in {"from_", "until"})


def electricity(
    energy_kwh: Annotated[float, typer.Option(help="Energy drawn from the grid.")],
    factor_set: Annotated[str, typer.Option(help="Set, or series of yearly sets, of the shipped table.")],
    region: options.Region = None,
    factor_fuel: Annotated[
        str | None, typer.Option(help="One of several averages of a grid.", show_default=False)
    ] = None,
    contract: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeated; market basis: KEY=VALUE,... of {', '.join(_CONTRACT)}."),
    ] = None,
    market_factor_set: Annotated[
        str | None, typer.Option(help="Residual set of the market basis.", show_default=False)
    ] = None,
    market_factor_fuel: Annotated[
        str | None, typer.Option(help="One of several averages of it.", show_default=False)
    ] = None,
    market_region: Annotated[
        str | None, typer.Option(help="Its place, where not --region.", show_default=False)
    ] = None,
    supplier_co2_kg_per_kwh: Annotated[
        float | None, options.number("The supplier's own figure for the rest.")
    ] = None,
    date: options.Day = None,
    gwp_set: options.Gwp = None,
    activity_uncertainty_pct: options.ActivityPct = None,
    factor_uncertainty_pct: options.FactorPct = None,
    as_json: options.Json = False,
) -> None:
    """CO2 of purchased electricity by the grid factor of place and year, and by contracts.

    Example: carbonflow calc electricity --energy-kwh 1000 --factor-set CN_MEE_PROVINCE --region CN-SH
    --date 2026-05-01
    """
    case = Case(
        method=Method.ELECTRICITY,
        carrier="electricity",
        metered=(Metered("meter/grid", "energy_import_kwh", energy_kwh),),
        facts=given(
            factor_set=factor_set,
            factor_fuel=factor_fuel,
            region=region,
            market=_market(market_factor_set, market_factor_fuel, market_region, supplier_co2_kg_per_kwh),
            uncertainty=options.uncertainty(
                activity_pct=activity_uncertainty_pct, factor_pct=factor_uncertainty_pct
            ),
        ),
        site=given(gwp_set=gwp_set),
        contracts=tuple(_contract(text) for text in contract or ()),
    )
    show("electricity", _lines(compute(case, shipped_factors(), options.day(date))), as_json=as_json)


def _market(
    factor_set: str | None, factor_fuel: str | None, region: str | None, supplier: float | None
) -> dict[str, object] | None:
    found = given(
        factor_set=factor_set,
        factor_fuel=factor_fuel,
        region=region,
        supplier_co2_kg_per_kwh=supplier,
        document=None if supplier is None else "command line",
    )
    return found or None


def _contract(text: str) -> dict[str, object]:
    """A contract from its KEY=VALUE pairs. Raises typer.BadParameter."""
    found = dict(pair.partition("=")[::2] for pair in text.split(","))
    if strange := [name for name in found if name not in _CONTRACT]:
        raise typer.BadParameter(f"{strange[0]!r} is no key of a contract; keys are {', '.join(_CONTRACT)}.")
    return {"contract": "command line", **found}


def _lines(parts: list[Computed]) -> Iterator[Line]:
    """Each basis; where there are two, under its name."""
    for part in parts:
        prefix = f"{part.conversion.basis}." if len(parts) > 1 else ""
        yield from (line._replace(name=prefix + line.name) for line in lines(part))
