"""The shipped factor table, the demo's registry built from model objects, and registries of one source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.domain.arrays import column
from services.domain.conversion import Conversion, SourceKey, compile_conversions
from services.domain.factors import Factor, FactorBook, parse_factors_csv
from services.domain.registry.model import Registry

ROOT = Path(__file__).resolve().parents[2]
SINCE = "2020-01-01T00:00:00+08:00"
NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def factors() -> tuple[Factor, ...]:
    return parse_factors_csv((ROOT / "services/store/factors.csv").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def book(factors: tuple[Factor, ...]) -> FactorBook:
    return FactorBook(factors)


def _device(**facts: object) -> dict[str, object]:
    return {"facts": [{"from": SINCE, "interval_s": 30, **facts}]}


def _source(scope: int, method: str, carrier: str, **facts: object) -> dict[str, object]:
    return {"scope": scope, "method": method, "carrier": carrier, "facts": [{"from": SINCE, **facts}]}


def _floor() -> dict[str, object]:
    return _device(
        area="tower", carrier="electricity", energy_quantity="energy_import_kwh", submeter_of="meter/main"
    )


_CAMPUS = {
    "timezone": "Asia/Shanghai",
    "country": "CN",
    "region": "CN-SH",
    "areas": {"tower": {}, "boiler-house": {"type": "plant"}},
    "devices": {
        "meter/main": _device(area="tower", carrier="electricity", energy_quantity="energy_import_kwh"),
        "meter/floor-1": _floor(),
        "meter/floor-2": _floor(),
        "meter/floor-3": _floor(),
        "flowmeter/boiler-gas": _device(
            area="boiler-house", carrier="natural_gas", energy_quantity="volume_nm3", base_state="20C"
        ),
        "flowmeter/district-heat": _device(
            area="tower",
            carrier="heat",
            energy_quantity="volume_m3",
            pressure_reference="gauge",
            atmospheric_pressure_kpa=101.325,
        ),
    },
    "sources": {
        "grid-electricity": _source(
            2, "electricity", "electricity",
            area="tower", devices=["meter/main"], quantity="energy_import_kwh",
            factor_set="CN_MEE_PROVINCE", in_total=True,
        ),
        "boilers": _source(
            1, "fuel", "natural_gas",
            area="boiler-house", devices=["flowmeter/boiler-gas"], quantity="volume_nm3",
            factor_set="CN_NDRC_2.1", factor_base_state="0C", in_total=True,
        ),
        "district-heat": _source(
            2, "heat", "heat",
            area="tower", devices=["flowmeter/district-heat"], quantity="volume_m3",
            medium="hot_water_closed", factor_set="CN_GBT32150_2025", factor_fuel="heat_purchased",
            in_total=True,
        ),
    },
}  # fmt: skip

_PLANT = {
    "timezone": "Asia/Shanghai",
    "country": "CN",
    "region": "CN-SX",
    "areas": {"unit-1": {"type": "unit"}},
    "devices": {
        "beltscale/coal": _device(area="unit-1", carrier="bituminous_coal", energy_quantity="mass_t"),
        "beltscale/limestone": _device(area="unit-1"),
        "cems/stack-1": _device(area="unit-1", analyser="dry", duct_area_m2=15.9, gauges="instant"),
        "flowmeter/steam-sold": _device(
            area="unit-1",
            carrier="steam",
            energy_quantity="mass_t",
            pressure_reference="gauge",
            atmospheric_pressure_kpa=92.0,
        ),
        "meter/grid": _device(area="unit-1", carrier="electricity", energy_quantity="energy_import_kwh"),
    },
    "sources": {
        "coal": _source(
            1, "fuel", "bituminous_coal",
            area="unit-1", devices=["beltscale/coal"], quantity="mass_t",
            factor_set="CN_NDRC_2.1", in_total=True,
        ),
        "desulphurisation": _source(
            1, "mass_balance", "limestone",
            area="unit-1", in_total=True,
            streams=[{
                "device": "beltscale/limestone", "quantity": "mass_t", "role": "input",
                "carbonate": "CaCO3", "purity": 0.90, "conversion": 1.0,
            }],
        ),
        "stack": _source(
            1, "cems", "flue_gas",
            area="unit-1", devices=["cems/stack-1"], in_total=False, reconciles_with="coal",
        ),
        "steam-sold": _source(
            2, "heat", "steam",
            area="unit-1", devices=["flowmeter/steam-sold"], quantity="mass_t",
            medium="superheated_steam", factor_set="CN_GBT32150_2025", factor_fuel="heat_purchased",
            in_total=False,
        ),
        "grid-electricity": _source(
            2, "electricity", "electricity",
            area="unit-1", devices=["meter/grid"], quantity="energy_import_kwh",
            factor_set="CN_MEE_PROVINCE", in_total=True,
        ),
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def demo() -> Registry:
    """The registry of deploy/demo/registry.yaml, of all facts those that bear on conversions."""
    return Registry.model_validate({"version": 1, "sites": {"campus": _CAMPUS, "plant": _PLANT}})


def by_source(registry: Registry, book: FactorBook, at: datetime = NOW) -> dict[SourceKey, Conversion]:
    """Of two bases the first, which may count in a total."""
    found = compile_conversions(registry, book, at)
    return {each.source: each for conversions in found.values() for each in reversed(conversions)}


def rate_of(conversion: Conversion, x: float, *, live: bool = True, **inputs: float) -> float:
    """The activity (per hour) that `x` of the rate (or register) quantity stands for."""
    values = [column(inputs.get(name, math.nan)) for name in conversion.inputs]
    params = conversion.rate_params if live else conversion.params
    return float(conversion.formula.evaluate(column(x), values, [column(value) for value in params])[0])


def registry_of(
    kind: str = "flowmeter",
    method: str = "fuel",
    carrier: str = "natural_gas",
    *,
    device: Mapping[str, Any] | None = None,
    site: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Registry:
    """A site `s` with one device `kind/d` and one source `x` that uses it with these facts."""
    scope = 1 if method in {"fuel", "cems", "mass_balance"} else 2
    if method != "mass_balance":
        facts["devices"] = [f"{kind}/d"]
    return Registry.model_validate(
        {
            "version": 1,
            "sites": {
                "s": {
                    "timezone": "Asia/Shanghai",
                    "region": "CN-SH",
                    **(site or {}),
                    "devices": {f"{kind}/d": {"facts": [{"from": SINCE, **(device or {})}]}},
                    "sources": {
                        "x": {
                            "scope": scope,
                            "method": method,
                            "carrier": carrier,
                            "facts": [{"from": SINCE, **facts}],
                        }
                    },
                }
            },
        }
    )


def one(registry: Registry, book: FactorBook, at: datetime = NOW) -> Conversion:
    [conversion] = by_source(registry, book, at).values()
    return conversion
