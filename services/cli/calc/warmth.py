"""`carbonflow calc steam` and `carbonflow calc heat`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Computed, Metered, compute, given
from services.cli.calc.lines import Line, added, emitted, gases, lines
from services.cli.calc.show import show
from services.domain.methods.heat import COAL_EQUIVALENT_KG_PER_GJ
from services.domain.registry.model import Medium, Method
from services.store.factors import shipped_factors

_BY: Final = {
    "pressure": Medium.SATURATED_STEAM_BY_PRESSURE,
    "temperature": Medium.SATURATED_STEAM_BY_TEMPERATURE,
}
FactorFuel = Annotated[
    str | None, typer.Option(help="The set's heat, such as heat_purchased.", show_default=False)
]


def steam(
    saturated_by: Annotated[
        Literal["pressure", "temperature"] | None,
        typer.Option(help="Saturated (or wet) steam; without it, superheated.", show_default=False),
    ] = None,
    mass_t: Annotated[
        float | None, typer.Option(help="Mass; 1 where neither it nor a volume is given.", show_default=False)
    ] = None,
    volume_m3: options.VolumeM3 = None,
    pressure_kpa: options.PressureKpa = None,
    gauge: options.Gauge = None,
    atmospheric_pressure_kpa: options.AtmosphericKpa = None,
    temperature_c: options.TemperatureC = None,
    dryness_fraction: Annotated[
        float | None, options.number("Vapour by mass of wet steam; 1 where not given.")
    ] = None,
    condensate_t: Annotated[float | None, options.number("Mass of the condensate that goes back.")] = None,
    condensate_temperature_c: Annotated[float | None, options.number("Its temperature.")] = None,
    factor_set: options.FactorSet = None,
    factor_fuel: FactorFuel = None,
    date: options.Day = None,
    activity_uncertainty_pct: options.ActivityPct = None,
    factor_uncertainty_pct: options.FactorPct = None,
    as_json: options.Json = False,
) -> None:
    """Enthalpy by IAPWS-IF97, heat and CO2 of steam.

    Example: carbonflow calc steam --saturated-by pressure --pressure-kpa 800 --absolute --mass-t 120.5
    --factor-set CN_GBT32150_2025 --factor-fuel heat_purchased
    """
    if mass_t is None and volume_m3 is None:
        mass_t = 1.0
    quantity, amount = options.only(mass_t=mass_t, volume_m3=volume_m3)
    medium = Medium.SUPERHEATED_STEAM if saturated_by is None else _BY[saturated_by]
    metered = Metered(
        "flowmeter/steam",
        quantity,
        amount,
        given(pressure_kpa=pressure_kpa, temperature_c=temperature_c),
        given(
            pressure_reference=options.pressure_reference(gauge),
            atmospheric_pressure_kpa=atmospheric_pressure_kpa,
        ),
    )
    facts = given(
        medium=medium,
        dryness_fraction=dryness_fraction,
        factor_set=factor_set,
        factor_fuel=factor_fuel,
        uncertainty=options.uncertainty(
            activity_pct=activity_uncertainty_pct, factor_pct=factor_uncertainty_pct
        ),
    )
    returned = () if condensate_t is None else (_condensate(condensate_t, condensate_temperature_c),)
    _show("steam", (metered, *returned), facts, date, as_json=as_json)


def _condensate(mass_t: float, temperature_c: float | None) -> Metered:
    inputs = given(temperature_c=temperature_c)
    return Metered("flowmeter/condensate", "mass_t", mass_t, inputs, returned=True)


def heat(
    medium: Annotated[
        Literal["hot_water_closed", "hot_water_open", "heat_meter"], typer.Option(help="What carries it.")
    ],
    mass_t: options.MassT = None,
    volume_m3: options.VolumeM3 = None,
    energy_gj: Annotated[float | None, options.number("What a heat meter shows.")] = None,
    supply_c: Annotated[float | None, options.number("Temperature of the supply.")] = None,
    return_c: Annotated[float | None, options.number("Temperature of the return of a closed loop.")] = None,
    meter_position: Annotated[
        Literal["supply", "return"] | None,
        typer.Option(help="Where the meter sits; in the supply where not given.", show_default=False),
    ] = None,
    pressure_kpa: options.PressureKpa = None,
    gauge: options.Gauge = None,
    atmospheric_pressure_kpa: options.AtmosphericKpa = None,
    factor_set: options.FactorSet = None,
    factor_fuel: FactorFuel = None,
    date: options.Day = None,
    activity_uncertainty_pct: options.ActivityPct = None,
    factor_uncertainty_pct: options.FactorPct = None,
    as_json: options.Json = False,
) -> None:
    """Heat and CO2 of hot water, or of what a heat meter shows.

    Example: carbonflow calc heat --medium hot_water_closed --volume-m3 100 --supply-c 95 --return-c 70
    --pressure-kpa 600 --absolute
    """
    quantity, amount = options.only(mass_t=mass_t, volume_m3=volume_m3, energy_gj=energy_gj)
    metered = Metered(
        "flowmeter/heat",
        quantity,
        amount,
        given(temperature_c=supply_c, return_temperature_c=return_c, pressure_kpa=pressure_kpa),
        given(
            pressure_reference=options.pressure_reference(gauge),
            atmospheric_pressure_kpa=atmospheric_pressure_kpa,
            meter_position=meter_position,
        ),
    )
    facts = given(
        medium=medium,
        factor_set=factor_set,
        factor_fuel=factor_fuel,
        uncertainty=options.uncertainty(
            activity_pct=activity_uncertainty_pct, factor_pct=factor_uncertainty_pct
        ),
    )
    _show("heat", (metered,), facts, date, as_json=as_json)


def _show(
    name: str, metered: tuple[Metered, ...], facts: dict[str, Any], day: datetime | None, *, as_json: bool
) -> None:
    case = Case(method=Method.HEAT, carrier=name, metered=metered, facts=facts)
    show(name, _lines(compute(case, shipped_factors(), options.day(day))), as_json=as_json)


def _lines(parts: list[Computed]) -> Iterator[Line]:
    drawn, *back = parts
    yield from lines(drawn)
    for part in back:
        yield from (line._replace(name=f"condensate.{line.name}") for line in lines(part))
    net_gj = sum(part.evaluated.activity for part in parts)
    if back:
        yield Line("net_gj", net_gj, "GJ", "less what goes back, against the same 20 degC")
        if drawn.use.facts.factor_set is not None:
            net = added(gases(part) for part in parts)
            yield from emitted(net, drawn.conversion.factor, "less what goes back")
    equivalent = net_gj * COAL_EQUIVALENT_KG_PER_GJ
    yield Line("coal_equivalent_kg", equivalent, "kgce", "34.12 kgce/GJ, GB/T 2589-2020")
