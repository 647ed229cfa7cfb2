"""Steps of measured stacks."""

from __future__ import annotations

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.methods import cems, part75
from services.domain.part75_formulas import ran
from services.domain.steps.step import Step, Values, step
from services.domain.units import T_PER_SHORT_TON

_MASS = "Q CO2/100 (44/22.4)/1000"


def hj75(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.HJ75`."""
    moisture = values["moisture_pct"] / 100.0
    flow = cems.dry_flow_nm3_h(
        x * values["scale"],
        values["duct_area_m2"],
        values["temperature_c"],
        values["barometric_pressure_pa"],
        values["static_pressure_pa"],
        moisture,
    )
    is_wet = values["analyser_wet"] != 0.0
    co2_dry = np.where(is_wet, cems.dry_concentration(values["co2_pct"], moisture), values["co2_pct"])
    rate = cems.co2_t_h(flow, co2_dry)
    return [
        step("dry_share", cems.dry_share(moisture), "", "1 - Xsw"),
        step(
            "flow_nm3_h",
            flow,
            "Nm3/h",
            "Qsn = 3600 F Vs 273/(273 + ts) (Ba + Ps)/101325 (1 - Xsw), HJ 75-2017 annex C",
        ),
        step("co2_dry_pct", co2_dry, "%", "C_wet/(1 - Xsw)" if is_wet.any() else "as measured, dry"),
        *_ran(rate, values, _MASS),
    ]


def hj75_flow(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.HJ75_FLOW`."""
    flow_wet, analyser_wet = values["flow_wet"] != 0.0, values["analyser_wet"] != 0.0
    share = cems.dry_share(values["moisture_pct"] / 100.0)
    ratio = np.where(flow_wet == analyser_wet, 1.0, np.where(flow_wet, share, 1.0 / share))
    flow = x * values["scale"] * ratio
    return [
        step("moisture_ratio", ratio, "", "1 - Xsw, 1/(1 - Xsw), or 1 where flow and analyser agree"),
        step("flow_nm3_h", flow, "Nm3/h", "on the analyser's basis, 0 degC"),
        *_ran(cems.co2_t_h(flow, values["co2_pct"]), values, _MASS),
    ]


def part75_f11(x: FloatArray, values: Values) -> list[Step]:
    """Of `part75_formulas.CO2_WET`."""
    flow = x * values["scale"]
    rate = part75.co2_of_wet_analyser(values["co2_pct"], flow)
    return [_flow(flow), *_ran(rate, values, "F-11: 5.7e-7 CO2w Q, 40 CFR 75 appendix F")]


def part75_f2(x: FloatArray, values: Values) -> list[Step]:
    """Of `part75_formulas.CO2_DRY`."""
    flow = x * values["scale"]
    rate = part75.co2_of_dry_analyser(values["co2_pct"], flow, values["moisture_pct"])
    return [_flow(flow), *_ran(rate, values, "F-2: 5.7e-7 CO2d Q (100 - H2O)/100, 40 CFR 75 appendix F")]


def part75_f14a(x: FloatArray, values: Values) -> list[Step]:
    """Of `part75_formulas.O2_DRY`."""
    co2 = part75.co2_dry_from_o2_dry(values["o2_pct"], part75.FFactors(values["fd"], values["fc"]))
    flow = x * values["scale"]
    rate = part75.co2_of_dry_analyser(co2, flow, values["moisture_pct"])
    return [
        step("co2_dry_pct", co2, "%", "F-14A: 100 (Fc/Fd)(20.9 - O2d)/20.9"),
        _flow(flow),
        *_ran(rate, values, "F-2: 5.7e-7 CO2d Q (100 - H2O)/100, 40 CFR 75 appendix F"),
    ]


def part75_f14b(x: FloatArray, values: Values) -> list[Step]:
    """Of `part75_formulas.O2_WET`."""
    factors = part75.FFactors(values["fd"], values["fc"])
    co2 = part75.co2_wet_from_o2_wet(values["o2_pct"], values["moisture_pct"], factors)
    flow = x * values["scale"]
    return [
        step("co2_wet_pct", co2, "%", "F-14B: 100/20.9 (Fc/Fd)(20.9 (100 - H2O)/100 - O2w), at least 0"),
        _flow(flow),
        *_ran(part75.co2_of_wet_analyser(co2, flow), values, "F-11: 5.7e-7 CO2w Q, 40 CFR 75 appendix F"),
    ]


def _flow(flow: FloatArray) -> Step:
    # The formulas carry short tons to t within the flow's scale.
    return step("flow_scf_h", flow / T_PER_SHORT_TON, "scf/h", "wet, 68 degF, bias adjusted")


def _ran(rate: FloatArray, values: Values, by: str) -> list[Step]:
    fraction = ran(values["operating_fraction"])
    return [
        step("co2_t_per_h", rate, "t/h", by),
        step("operating_fraction", fraction, "", "of the hour; 1 where not said"),
        step("activity", rate * fraction, "t CO2", "rate x operating fraction, over one hour"),
    ]
