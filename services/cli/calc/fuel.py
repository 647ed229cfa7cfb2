"""`carbonflow calc fuel`."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Metered, compute, given
from services.cli.calc.lines import lines
from services.cli.calc.show import show
from services.domain.registry.model import BaseState, LabBasis, Method, PetroleumGroup
from services.store.factors import shipped_factors


def fuel(
    fuel: Annotated[str, typer.Option(help="Fuel, as in the factor table: bituminous_coal.")],
    factor_set: options.FactorSet = None,
    mass_t: options.MassT = None,
    volume_m3: options.VolumeM3 = None,
    volume_nm3: Annotated[float | None, options.number("Volume at --base-state.")] = None,
    base_state: options.Base = None,
    factor_base_state: Annotated[
        BaseState | None, typer.Option(help="State of a factor per gas volume.", show_default=False)
    ] = None,
    pressure_kpa: options.PressureKpa = None,
    gauge: options.Gauge = None,
    atmospheric_pressure_kpa: options.AtmosphericKpa = None,
    temperature_c: options.TemperatureC = None,
    compressibility_ratio: options.Compressibility = None,
    density_t_per_m3: Annotated[float | None, options.number("Density.")] = None,
    density_at_c: Annotated[float | None, options.number("Temperature of a liquid's density.")] = None,
    expansion_per_k: Annotated[float | None, options.number("Cubic expansion of the liquid.")] = None,
    petroleum_group: Annotated[
        PetroleumGroup | None, typer.Option(help="Expansion by ISO 91-1.", show_default=False)
    ] = None,
    ncv_gj_per_unit: Annotated[float | None, options.number("NCV per unit of the factor.")] = None,
    ncv_gj_per_t: Annotated[float | None, options.number("Measured NCV.")] = None,
    ncv_mj_per_m3: Annotated[float | None, options.number("Measured NCV of a gas.")] = None,
    ncv_basis: Annotated[
        LabBasis | None,
        typer.Option(help="Basis of the NCV; else as metered.", show_default=False),
    ] = None,
    hhv_gj_per_t: Annotated[float | None, options.number("Measured HHV, for sets by HHV.")] = None,
    hhv_mj_per_m3: Annotated[float | None, options.number("Measured HHV of a gas.")] = None,
    hhv_basis: Annotated[
        LabBasis | None, typer.Option(help="Basis of the HHV; else as metered.", show_default=False)
    ] = None,
    carbon_content_t_per_gj: Annotated[float | None, options.number("Carbon per energy.")] = None,
    carbon_pct: Annotated[float | None, options.number("Measured carbon by mass.")] = None,
    carbon_basis: Annotated[
        LabBasis | None, typer.Option(help="Basis of --carbon-pct.", show_default=False)
    ] = None,
    carbon_kg_per_m3: Annotated[float | None, options.number("Measured carbon of a gas.")] = None,
    lab_base_state: Annotated[
        BaseState | None, typer.Option(help="State of the laboratory's m3.", show_default=False)
    ] = None,
    moisture_pct: Annotated[float | None, options.number("Total moisture as received.")] = None,
    moisture_air_dried_pct: Annotated[float | None, options.number("Moisture, air-dried.")] = None,
    ash_dry_pct: Annotated[float | None, options.number("Ash, dry.")] = None,
    oxidation_rate: Annotated[float | None, options.number("Share of the carbon oxidised.")] = None,
    biogenic_fraction: Annotated[float | None, options.number("Biogenic share of the carbon.")] = None,
    date: options.Day = None,
    gwp_set: options.Gwp = None,
    activity_uncertainty_pct: options.ActivityPct = None,
    factor_uncertainty_pct: options.FactorPct = None,
    ncv_uncertainty_pct: Annotated[float | None, options.number("95 %.")] = None,
    carbon_content_uncertainty_pct: Annotated[float | None, options.number("95 %.")] = None,
    oxidation_rate_uncertainty_pct: Annotated[float | None, options.number("95 %.")] = None,
    as_json: options.Json = False,
) -> None:
    """CO2 of a burned fuel: by mass or volume, published factors or laboratory values.

    Example: carbonflow calc fuel --fuel bituminous_coal --factor-set CN_NDRC_2.1 --mass-t 1
    """
    quantity, amount = options.only(mass_t=mass_t, volume_m3=volume_m3, volume_nm3=volume_nm3)
    laboratory = given(
        ncv_gj_per_unit=ncv_gj_per_unit,
        ncv_gj_per_t=ncv_gj_per_t,
        ncv_mj_per_m3=ncv_mj_per_m3,
        ncv_basis=ncv_basis,
        hhv_gj_per_t=hhv_gj_per_t,
        hhv_mj_per_m3=hhv_mj_per_m3,
        hhv_basis=hhv_basis,
        carbon_content_t_per_gj=carbon_content_t_per_gj,
        carbon_pct=carbon_pct,
        carbon_basis=carbon_basis,
        carbon_kg_per_m3=carbon_kg_per_m3,
        base_state=lab_base_state,
        moisture_pct=moisture_pct,
        moisture_air_dried_pct=moisture_air_dried_pct,
        ash_dry_pct=ash_dry_pct,
        oxidation_rate=oxidation_rate,
        biogenic_fraction=biogenic_fraction,
    )
    metered = Metered(
        ref="flowmeter/fuel",
        quantity=quantity,
        x=amount,
        inputs=given(pressure_kpa=pressure_kpa, temperature_c=temperature_c),
        facts=given(
            base_state=base_state,
            pressure_reference=options.pressure_reference(gauge),
            atmospheric_pressure_kpa=atmospheric_pressure_kpa,
            compressibility_ratio=compressibility_ratio,
        ),
    )
    case = Case(
        method=Method.FUEL,
        carrier=fuel,
        metered=(metered,),
        facts=given(
            factor_set=factor_set,
            factor_base_state=factor_base_state,
            density_t_per_m3=density_t_per_m3,
            density_at_c=density_at_c,
            expansion_per_k=expansion_per_k,
            petroleum_group=petroleum_group,
            fuel={**laboratory, "source": "command line"} if laboratory else None,
            uncertainty=options.uncertainty(
                activity_pct=activity_uncertainty_pct,
                factor_pct=factor_uncertainty_pct,
                ncv_pct=ncv_uncertainty_pct,
                carbon_content_pct=carbon_content_uncertainty_pct,
                oxidation_rate_pct=oxidation_rate_uncertainty_pct,
            ),
        ),
        site=given(gwp_set=gwp_set),
    )
    [computed] = compute(case, shipped_factors(), options.day(date))
    show("fuel", lines(computed), as_json=as_json)
