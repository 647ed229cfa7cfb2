"""`carbonflow calc cems`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from services.cli.calc import options
from services.cli.calc.case import Case, Computed, Metered, compute, given
from services.cli.calc.lines import Line, gases, lines
from services.cli.calc.show import show
from services.domain.arrays import FloatArray, column
from services.domain.methods import part75
from services.domain.registry.model import BaseState, Method
from services.domain.units import T_PER_SHORT_TON
from services.store.factors import shipped_factors


def cems(
    form: Annotated[Literal["hj75", "part75"], typer.Option(help="HJ 75, or 40 CFR 75 appendix F.")],
    analyser: Annotated[Literal["wet", "dry"], typer.Option(help="How CO2 or O2 is measured.")],
    co2_pct: Annotated[float | None, options.number("By volume.")] = None,
    o2_pct: Annotated[float | None, options.number("By volume, instead of CO2 (part75).")] = None,
    moisture_pct: Annotated[float | None, options.number("Of the stack gas, by volume.")] = None,
    velocity_m_s: Annotated[float | None, options.number("With --duct-area-m2 (hj75).")] = None,
    flow_nm3_h: Annotated[float | None, options.number("Dry flow (hj75).")] = None,
    flow_wet_nm3_h: Annotated[float | None, options.number("Wet flow.")] = None,
    flow_scf_h: Annotated[float | None, options.number("Wet flow at 68 degF (part75).")] = None,
    base_state: Annotated[
        BaseState | None, typer.Option(help="Of a flow in Nm3/h; 0C where not given.", show_default=False)
    ] = None,
    duct_area_m2: Annotated[float | None, options.number("Of the duct where the velocity is.")] = None,
    temperature_c: options.TemperatureC = None,
    barometric_pressure_pa: Annotated[float | None, options.number("Of the air.")] = None,
    static_pressure_pa: Annotated[float | None, options.number("Of the stack gas, gauge.")] = None,
    operating_fraction: Annotated[float | None, options.number("Of the hour; 1 where not given.")] = None,
    bias_adjustment_factor: Annotated[float | None, options.number("Of the flow.")] = None,
    fc: Annotated[float | None, options.number("scf CO2/mmBtu of the fuel (part75).")] = None,
    fd: Annotated[float | None, options.number("dscf/mmBtu of the fuel (part75).")] = None,
    activity_uncertainty_pct: options.ActivityPct = None,
    as_json: options.Json = False,
) -> None:
    """CO2 of a measured stack in one hour.

    Example: carbonflow calc cems --form part75 --analyser wet --co2-pct 16.1 --flow-scf-h 81546000
    """
    quantity, amount = options.only(
        velocity_m_s=velocity_m_s,
        flow_nm3_h=flow_nm3_h,
        flow_wet_nm3_h=flow_wet_nm3_h,
        flow_scf_h=flow_scf_h,
    )
    if quantity == "flow_scf_h":
        if form != "part75" or base_state is not None:
            raise typer.BadParameter("--flow-scf-h is of form part75, and at 68 degF.")
        quantity, amount = "flow_wet_nm3_h", amount / part75.SCF_PER_NM3
    options.only(co2_pct=co2_pct, o2_pct=o2_pct)
    rules = given(form=form, diluent="co2" if o2_pct is None else "o2")
    if fc is not None and fd is not None:
        rules["f_factors"] = {"fc_scf_per_mmbtu": fc, "fd_dscf_per_mmbtu": fd, "source": "command line"}
    metered = Metered(
        "cems/stack",
        quantity,
        amount,
        given(
            co2_pct=co2_pct,
            o2_pct=o2_pct,
            moisture_pct=moisture_pct,
            temperature_c=temperature_c,
            barometric_pressure_pa=barometric_pressure_pa,
            static_pressure_pa=static_pressure_pa,
            operating_fraction=operating_fraction,
        ),
        given(
            analyser=analyser,
            base_state=base_state,
            duct_area_m2=duct_area_m2,
            bias_adjustment_factor=bias_adjustment_factor,
        ),
    )
    uncertainty = options.uncertainty(activity_pct=activity_uncertainty_pct)
    facts = given(stack=rules, uncertainty=uncertainty)
    case = Case(method=Method.CEMS, carrier="flue_gas", metered=(metered,), facts=facts)
    [computed] = compute(case, shipped_factors(), options.day(None))
    show("cems", _lines(computed, flow_scf_h, fc, fd), as_json=as_json)


def _lines(
    computed: Computed, flow_scf_h: float | None, fc: float | None, fd: float | None
) -> Iterator[Line]:
    if flow_scf_h is not None:
        yield Line("flow_scf_h", flow_scf_h, "scf/h", "given")
    for line in lines(computed):
        is_scf = flow_scf_h is not None and line.name == computed.metered.quantity
        yield line._replace(by="68 degF to 0 degC") if is_scf else line
    rules = computed.use.facts.stack
    if rules is None or rules.form != "part75":
        return
    short_tons = gases(computed).co2 / 1000.0 / T_PER_SHORT_TON
    yield Line("co2_short_tons", short_tons, "short tons", "of the hour")
    reported = float(part75.rounded(column(short_tons), part75.MASS_STEP_SHORT_TONS_H)[0])
    yield Line("co2_short_tons_reported", reported, "short tons", "to 0.1, half away from zero")
    flow = column(computed.metered.x * part75.SCF_PER_NM3)
    inputs = {name: column(value) for name, value in computed.metered.inputs.items()}
    heat = _heat_input(flow, inputs, computed.use.device.analyser == "wet", fc, fd)
    if heat is not None:
        yield heat


def _heat_input(
    flow: FloatArray, inputs: dict[str, FloatArray], is_wet: bool, fc: float | None, fd: float | None
) -> Line | None:
    """Heat input by what was measured, where its F factor was given."""
    moisture = inputs.get("moisture_pct")
    if "co2_pct" in inputs and fc is not None:
        factors = part75.FFactors(fd=0.0, fc=fc)
        if is_wet:
            return _mmbtu(part75.heat_input_mmbtu_h(flow, inputs["co2_pct"], factors), "F-15")
        if moisture is not None:
            return _mmbtu(part75.heat_input_of_co2_dry(flow, inputs["co2_pct"], moisture, factors), "F-16")
    if "o2_pct" in inputs and fd is not None and moisture is not None:
        factors = part75.FFactors(fd=fd, fc=0.0)
        if is_wet:
            return _mmbtu(part75.heat_input_of_o2_wet(flow, inputs["o2_pct"], moisture, factors), "F-17")
        return _mmbtu(part75.heat_input_of_o2_dry(flow, inputs["o2_pct"], moisture, factors), "F-18")
    return None


def _mmbtu(value: FloatArray, equation: str) -> Line:
    return Line("heat_input_mmbtu_h", float(value[0]), "mmBtu/h", f"{equation}, 40 CFR 75 appendix F")
