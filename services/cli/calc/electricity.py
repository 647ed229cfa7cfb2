"""`carbonflow calc electricity`."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Metered, compute, given
from services.cli.calc.lines import lines
from services.cli.calc.show import show
from services.domain.registry.model import Method
from services.store.factors import shipped_factors


def electricity(
    energy_kwh: Annotated[float, typer.Option(help="Energy drawn from the grid.")],
    factor_set: Annotated[str, typer.Option(help="Set, or series of yearly sets, of the shipped table.")],
    region: options.Region = None,
    factor_fuel: Annotated[
        str | None, typer.Option(help="One of several averages of a grid.", show_default=False)
    ] = None,
    date: options.Day = None,
    gwp_set: options.Gwp = None,
    activity_uncertainty_pct: options.ActivityPct = None,
    factor_uncertainty_pct: options.FactorPct = None,
    as_json: options.Json = False,
) -> None:
    """CO2 of purchased electricity by the grid factor of place and year.

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
            uncertainty=options.uncertainty(
                activity_pct=activity_uncertainty_pct, factor_pct=factor_uncertainty_pct
            ),
        ),
        site=given(gwp_set=gwp_set),
    )
    found = compute(case, shipped_factors(), options.day(date))
    show("electricity", (line for each in found for line in lines(each)), as_json=as_json)
