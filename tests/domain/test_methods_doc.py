"""The worked examples of docs/methods.md, computed again and compared to the digits printed there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import pytest

from services.domain import liquids, steam
from services.domain.arrays import FloatArray, column
from services.domain.conditions import BASE_TEMPERATURE_K, base_state_ratio, volume_at_base
from services.domain.factors import CO2_PER_CARBON, FactorBook, Found
from services.domain.laboratory import Sample, as_received, ncv_as_received
from services.domain.ledger.balance import balanced
from services.domain.ledger.hours import to_us
from services.domain.methods import cems, heat, part75
from services.domain.methods.fuel_factor import emission_factor
from services.domain.methods.market import market_factor, share_of
from services.domain.methods.mass_balance import PRINTED, STOICHIOMETRIC
from services.domain.registry.model import (
    BaseState,
    Contract,
    FuelProperties,
    LabBasis,
    Method,
    PetroleumGroup,
    Stock,
)
from services.domain.stock import NO_STOCKS, stocks_of
from services.domain.substitution import History, Policy, fill
from services.domain.uncertainty import Summand, product_pct, total

PAGE = Path(__file__).resolve().parents[2] / "docs/methods.md"
Example: TypeAlias = Mapping[str, str]
Computed: TypeAlias = dict[str, float | str]


def _examples() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        title = re.match(r"\| Worked example: (.+?) \| \|$", line)
        row = re.match(r"\| (\w+) \| (.+?) \|$", line)
        if title:
            current = found.setdefault(title[1], {})
        elif current is not None and row:
            current[row[1]] = row[2]
        elif not line.startswith("|"):
            current = None
    return found


def _gas(given: Example, _book: FactorBook) -> Computed:
    def at(state: BaseState) -> float:
        found = volume_at_base(
            column(float(given["volume_m3"])),
            column(float(given["temperature_c"])),
            column(float(given["pressure_kpa_abs"])),
            BASE_TEMPERATURE_K[state],
        )
        return float(found[0])

    return {"at_20c_m3": at(BaseState.C20), "at_15c_m3": at(BaseState.C15), "at_0c_m3": at(BaseState.C0)}


def _fuel(given: Example, book: FactorBook) -> Computed:
    def t_co2(fuel: str, amount: str) -> float:
        found = book.find("CN_NDRC_2.1", fuel, None, date(2026, 1, 1))
        assert isinstance(found, Found)
        return emission_factor(found, None, None).co2_kg_per_unit * float(given[amount]) / 1000.0

    sample = Sample(moisture_pct=float(given["m_ar_pct"]), moisture_air_dried_pct=float(given["m_ad_pct"]))
    carbon = as_received(float(given["c_ad_pct"]), LabBasis.AIR_DRIED, sample)
    return {
        "t_co2": t_co2("bituminous_coal", "bituminous_coal_t"),
        "gas_t_co2": t_co2("natural_gas", "natural_gas_nm3"),
        "c_ar_pct": carbon,
        "t_co2_per_t": carbon / 100 * float(given["oxidation_rate"]) * 44 / 12,
    }


def _liquid(given: Example, book: FactorBook) -> Computed:
    value = {name: float(text) for name, text in given.items()}
    expansion = liquids.by_table(PetroleumGroup.PRODUCTS, value["density_t_per_m3"], value["density_at_c"])
    assert expansion is not None
    density = liquids.density_at(expansion, value["temperature_c"])
    diesel = book.find("CN_NDRC_2.1", "diesel", None, date(2026, 1, 1))
    assert isinstance(diesel, Found)
    mass_t = value["volume_m3"] * density
    return {
        "expansion_per_k": expansion.per_k,
        "volume_correction": density / value["density_t_per_m3"],
        "mass_t": mass_t,
        "t_co2": mass_t * emission_factor(diesel, None, None).co2_kg_per_unit / 1000.0,
    }


def _laboratory(given: Example, book: FactorBook) -> Computed:
    value = {name: float(text) for name, text in given.items()}
    sample = Sample(moisture_pct=value["m_ar_pct"], moisture_air_dried_pct=value["m_ad_pct"])
    coal = book.find("CN_NDRC_2.1", "bituminous_coal", None, date(2026, 1, 1))
    assert isinstance(coal, Found)
    properties = FuelProperties.model_validate(
        {
            "ncv_gj_per_t": value["ncv_ad_kj_per_kg"] / 1000.0,
            "ncv_basis": "ad",
            "moisture_pct": value["m_ar_pct"],
            "moisture_air_dried_pct": value["m_ad_pct"],
            "biogenic_fraction": value["biogenic_fraction"],
            "source": "worked example",
        }
    )
    factor = emission_factor(coal, properties, None)
    return {
        "ncv_ar_kj_per_kg": ncv_as_received(value["ncv_ad_kj_per_kg"], LabBasis.AIR_DRIED, sample),
        "t_co2": factor.co2_kg_per_unit * value["mass_t"] / 1000.0,
        "biogenic_t_co2": factor.biogenic_co2_kg_per_unit * value["mass_t"] / 1000.0,
        "ncv_mj_per_nm3_at_0c": value["ncv_mj_per_m3_at_20c"] * base_state_ratio(BaseState.C0, BaseState.C20),
    }


def _electricity(given: Example, book: FactorBook) -> Computed:
    on = date.fromisoformat(given["date"])
    found = book.find("CN_MEE_PROVINCE", "electricity", given["region"], on)
    assert isinstance(found, Found)
    assert found.factor.co2_kg_per_unit is not None
    return {
        "factor": found.factor.name,
        "provisional": "yes" if found.provisional else "no",
        "kg_co2": found.factor.co2_kg_per_unit * float(given["energy_kwh"]),
    }


def _market(given: Example, book: FactorBook) -> Computed:
    fuel = given["residual"].partition("/")[2]
    rest = book.find("CN_MEE_NATIONAL", fuel, "CN", date.fromisoformat(given["date"]))
    assert isinstance(rest, Found)
    contract = Contract.model_validate(
        {
            "contract": "PPA",
            "from": "2026-01-01T00:00:00Z",
            "until": "2027-01-01T00:00:00Z",
            "kwh": float(given["certificates_kwh"]),
            "of_kwh": float(given["purchase_kwh"]),
            "co2_kg_per_kwh": 0,
            "certificate": "GEC",
            "document": "binder",
        }
    )
    bare = contract.model_copy(update={"certificate": None})
    kwh = float(given["energy_kwh"])
    shown, unshown = (market_factor([each], None, rest, None) for each in (contract, bare))
    return {
        "share": share_of(contract),
        "residual": rest.factor.name,
        "kg_co2": kwh * shown.co2_kg_per_unit,
        "without_certificate_kg_co2": kwh * unshown.co2_kg_per_unit,
    }


def _steam(given: Example, _book: FactorBook) -> Computed:
    mpa = column(float(given["saturated_at_mpa"]))
    gj = float(heat.saturated_steam_by_pressure_gj(column(float(given["mass_t"])), mpa)[0])
    hot = (column(float(given["superheated_at_mpa"])), column(float(given["superheated_at_c"])))
    return {
        "enthalpy_kj_per_kg": float(steam.saturated_vapour_enthalpy_by_pressure(mpa)[0]),
        "heat_gj": gj,
        "t_co2": gj * 0.11,
        "superheated_kj_per_kg": float(steam.superheated_enthalpy(*hot)[0]),
    }


def _wet_steam(given: Example, _book: FactorBook) -> Computed:
    value = {name: column(float(text)) for name, text in given.items()}
    wet = value["pressure_mpa"], value["dryness_fraction"]
    steam_gj = float(heat.saturated_steam_by_pressure_gj(value["steam_t"], *wet)[0])
    condensate_gj = float(heat.hot_water_open_gj(value["condensate_t"], value["condensate_c"])[0])
    net_gj = steam_gj - condensate_gj
    return {
        "wet_kj_per_kg": float(steam.wet_steam_enthalpy_by_pressure(*wet)[0]),
        "steam_gj": steam_gj,
        "condensate_gj": condensate_gj,
        "net_gj": net_gj,
        "kg_coal_equivalent": net_gj * heat.COAL_EQUIVALENT_KG_PER_GJ,
    }


def _hot_water(given: Example, _book: FactorBook) -> Computed:
    names = ("volume_m3", "pressure_mpa", "supply_c", "return_c")
    volume, pressure, supply, back = (column(float(given[name])) for name in names)
    loop = volume, pressure, supply, back
    return {
        "heat_gj": float(heat.hot_water_closed_volume_gj(*loop)[0]),
        "meter_in_return_gj": float(heat.hot_water_closed_volume_gj(*loop, meter_in_return=column(1.0))[0]),
    }


def _stack(given: Example, _book: FactorBook) -> Computed:
    def flow_nm3_h(moisture_fraction: float) -> FloatArray:
        return cems.dry_flow_nm3_h(
            velocity_m_s=column(float(given["velocity_m_s"])),
            duct_area_m2=column(float(given["duct_area_m2"])),
            temperature_c=column(float(given["temperature_c"])),
            barometric_pressure_pa=column(float(given["barometric_pressure_pa"])),
            static_pressure_pa=column(float(given["static_pressure_pa"])),
            moisture_fraction=column(moisture_fraction),
        )

    co2 = column(float(given["co2_dry_pct"]))
    flow, wet = flow_nm3_h(float(given["moisture_pct"]) / 100), flow_nm3_h(0.0)
    return {
        "flow_nm3_h": float(flow[0]),
        "t_co2_h": float(cems.co2_t_h(flow, co2)[0]),
        "without_moisture_t_co2_h": float(cems.co2_t_h(wet, co2)[0]),
    }


def _appendix_f(given: Example, _book: FactorBook) -> Computed:
    value = {name: column(float(text)) for name, text in given.items()}
    gas = part75.UNCONFIRMED_F_FACTORS["natural_gas"]
    f11 = part75.co2_of_wet_analyser(value["f11_co2_pct"], value["f11_flow_scf_h"])
    f2 = part75.co2_of_dry_analyser(value["f2_co2_pct"], value["f2_flow_scf_h"], value["f2_moisture_pct"])
    f14a = part75.co2_dry_from_o2_dry(value["f14a_gas_o2_pct"], gas)
    return {
        "f11_short_tons_h": float(f11[0]),
        "f2_short_tons_h": float(f2[0]),
        "f14a_co2_pct": float(f14a[0]),
        **_heat_input(value),
    }


def _heat_input(value: Mapping[str, FloatArray]) -> Computed:
    f15 = part75.heat_input_mmbtu_h(
        value["f11_flow_scf_h"], value["f11_co2_pct"], part75.FFactors(np.nan, value["f15_fc"])
    )
    f18 = part75.heat_input_of_o2_dry(
        value["f2_flow_scf_h"],
        value["f18_o2_pct"],
        value["f2_moisture_pct"],
        part75.FFactors(value["f18_fd"], np.nan),
    )
    adjusted = part75.bias_adjusted(value["unadjusted_scf_h"], float(value["bias_adjustment_factor"][0]))
    return {
        "f15_mmbtu_h": float(f15[0]),
        "f18_mmbtu_h": float(f18[0]),
        "adjusted_scf_h": float(part75.rounded(adjusted, part75.FLOW_STEP_SCF_H)[0]),
    }


def _missing_hours(given: Example, _book: FactorBook) -> Computed:
    def of_gap(policy: Policy, before: list[float], gap: int, after: float, earlier: int = 0) -> float:
        """What stands in for a gap after these hours, and other missing ones before them."""
        values = [before[0]] * 9_000 * (earlier > 0) + [np.nan] * earlier + before + [np.nan] * gap + [after]
        hour_us = np.arange(len(values)) * 3_600_000_000
        end_us = int(hour_us[-1])
        history = History(hour_us, np.ones(len(values), np.bool_), np.array(values))
        [found] = fill(policy, "co2_pct", history, end_us - 3_600_000_000, end_us, None).values()
        assert found.value is not None
        return found.value

    first, step = float(given["rising_from_pct"]), float(given["rising_by_pct"])
    rising = [first + step * hour for hour in range(720)]
    year = [float(each) for each in given["eu_hours_co2_pct"].split()]
    before, after = float(given["before_co2_pct"]), float(given["after_co2_pct"])
    us = Policy.US_PART75
    return {
        "mean_co2_pct": of_gap(Policy.HJT75_2007, [before], 3, after),
        "eu_co2_pct": of_gap(Policy.EU_ART45, year, 1, np.nan),
        "p90_of_720_pct": of_gap(us, rising, 30, 1.0),
        "p95_of_720_pct": of_gap(us, rising, 30, 1.0, earlier=700),
        "maximum_of_720_pct": of_gap(us, rising, 30, 1.0, earlier=1500),
    }


def _mass_balance(given: Example, _book: FactorBook) -> Computed:
    stone_t = float(given["limestone_t"]) * float(given["purity"])
    carbonate = (
        float(given["caco3"]) * STOICHIOMETRIC["CaCO3"] + float(given["mgco3"]) * STOICHIOMETRIC["MgCO3"]
    )
    return {
        "printed_t_co2": stone_t * PRINTED["CaCO3"],
        "stoichiometric_t_co2": stone_t * STOICHIOMETRIC["CaCO3"],
        "kiln_t_co2": float(given["kiln_t"]) * carbonate * float(given["calcined"]),
    }


def _uncertainty(given: Example, _book: FactorBook) -> Computed:
    value = {name: float(text) for name, text in given.items()}
    parts = ("activity_pct", "ncv_pct", "carbon_content_pct", "oxidation_rate_pct")
    found = total(
        Summand(
            which,
            ("shared",),
            value[f"{which}_kg"],
            value[f"{which}_kg"] * value[f"{which}_activity_pct"] / 100,
            value[f"{which}_kg"] * value["shared_factor_pct"] / 100,
        )
        for which in ("first", "second")
    )
    assert found.uncertainty_pct is not None
    return {
        "product_pct": float(product_pct(*(value[name] for name in parts))),
        "sum_pct": found.uncertainty_pct,
    }


def _stock(given: Example, _book: FactorBook) -> Computed:
    value = {name: float(text) for name, text in given.items()}
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    piles = [
        Stock(
            material="coal",
            at=begin + timedelta(hours=hours),
            mass_t=value[name],
            carbon_fraction=value["coal_carbon"],
            document="survey",
        )
        for hours, name in ((0, "stock_before_t"), (1, "stock_after_t"))
    ]
    streams_kg = [
        value["coal_t"] * value["coal_carbon"] * CO2_PER_CARBON * 1000,
        -value["steel_t"] * value["steel_carbon"] * CO2_PER_CARBON * 1000,
    ]
    hour = to_us(begin), to_us(begin + timedelta(hours=1))
    found = {
        name: balanced(Method.MASS_BALANCE, sum(streams_kg), streams_kg, stocks, hour).co2_kg
        for name, stocks in (("t_co2", stocks_of(piles)), ("without_stock_t_co2", NO_STOCKS))
    }
    return {name: (kg or 0.0) / 1000 for name, kg in found.items()}


CASES: Final[Mapping[str, Callable[[Example, FactorBook], Computed]]] = MappingProxyType(
    {
        "gas volume": _gas,
        "liquid": _liquid,
        "fuel": _fuel,
        "laboratory": _laboratory,
        "electricity": _electricity,
        "market basis": _market,
        "steam": _steam,
        "wet steam and condensate": _wet_steam,
        "hot water": _hot_water,
        "stack": _stack,
        "appendix F": _appendix_f,
        "missing hours": _missing_hours,
        "mass balance": _mass_balance,
        "change of stock": _stock,
        "uncertainty": _uncertainty,
    }
)


def test_every_example_of_the_page_has_a_case() -> None:
    assert _examples().keys() == CASES.keys()


@pytest.mark.parametrize("title", CASES)
def test_example(title: str, book: FactorBook) -> None:
    printed = _examples()[title]
    computed = CASES[title](printed, book)
    assert computed.keys() <= printed.keys()
    for name, value in computed.items():
        shown = printed[name]
        digits = len(shown.partition(".")[2])
        assert (value if isinstance(value, str) else f"{value:.{digits}f}") == shown, name
