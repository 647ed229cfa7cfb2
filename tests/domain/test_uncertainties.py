"""What the registry states of uncertainty, and what of it a conversion carries."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.domain.conversion import compile_conversions
from services.domain.factors import FactorBook
from services.domain.registry.diff import refusals, touched
from services.domain.registry.model import Registry
from services.domain.registry.parse import parse
from services.domain.registry.projection import device_key
from tests.domain.conftest import NOW, ROOT, by_source, one, registry_of

DEMO = ROOT / "deploy" / "demo" / "registry.yaml"
GAS: dict[str, Any] = {
    "quantity": "volume_nm3",
    "factor_set": "CN_NDRC_2.1",
    "factor_base_state": "0C",
    "in_total": True,
}
GRID: dict[str, Any] = {"quantity": "energy_import_kwh", "factor_set": "CN_MEE_PROVINCE", "in_total": True}
PARTS = {"ncv_pct": 1.5, "carbon_content_pct": 2.0, "oxidation_rate_pct": 0.5, "source": "test"}


def gas(device: dict[str, Any] | None = None, **facts: Any) -> Registry:
    return registry_of(device={"base_state": "20C", **(device or {})}, **GAS, **facts)


def stated(registry: Registry, book: FactorBook) -> tuple[float | None, float | None]:
    conversion = one(registry, book)
    return conversion.activity_uncertainty_pct, conversion.factor_uncertainty_pct


@pytest.mark.parametrize(
    ("device", "uncertainty", "expected"),
    [
        ({}, None, (None, None)),  # nothing is assumed
        ({"accuracy_pct": 1.0}, None, (1.0, None)),
        ({"accuracy_pct": 1.0, "uncertainty_pct": 0.7}, None, (0.7, None)),
        ({"accuracy_pct": 1.0, "uncertainty_pct": 0.7}, {"activity_pct": 2.0}, (2.0, None)),
        ({"accuracy_pct": 1.0}, {"factor_pct": 4.0}, (1.0, 4.0)),
        ({"accuracy_pct": 0.5}, PARTS, (0.5, math.sqrt(1.5**2 + 2**2 + 0.5**2))),
        ({"accuracy_pct": 0.5}, {"ncv_pct": 1.5, "carbon_content_pct": 2.0}, (0.5, None)),
    ],
)
def test_a_fuels(
    device: dict[str, Any],
    uncertainty: dict[str, Any] | None,
    expected: tuple[float | None, float | None],
    book: FactorBook,
) -> None:
    facts = {} if uncertainty is None else {"uncertainty": {"source": "test", **uncertainty}}
    assert stated(gas(device, **facts), book) == pytest.approx(expected, nan_ok=True)


def test_a_class_is_of_what_the_device_counts_alone(book: FactorBook) -> None:
    line = {
        "accuracy_pct": 1.0,
        "pressure_reference": "absolute",
    }
    by_line = registry_of(device=line, **{**GAS, "quantity": "volume_m3"})
    assert stated(by_line, book) == (None, None)
    assert stated(gas({"accuracy_pct": 1.0}, density_t_per_m3=0.7), book) == (None, None)
    stack = registry_of(
        "cems", "cems", "flue_gas", device={"analyser": "dry", "duct_area_m2": 10, "accuracy_pct": 2.0}
    )
    assert stated(stack, book) == (None, 0.0)
    assessed = registry_of(
        "cems",
        "cems",
        "flue_gas",
        device={"analyser": "dry", "duct_area_m2": 10},
        uncertainty={"activity_pct": 7.5, "source": "test"},
    )
    assert stated(assessed, book) == (7.5, 0.0)


def test_electricity(book: FactorBook) -> None:
    grid = registry_of(
        "meter",
        "electricity",
        "electricity",
        device={"accuracy_pct": 0.5},
        uncertainty={"factor_pct": 5.0, "source": "test"},
        **GRID,
    )
    assert stated(grid, book) == (0.5, 5.0)


def test_the_market_basis_has_its_own(book: FactorBook) -> None:
    stated_of = {"factor_pct": 5.0, "market_factor_pct": 2.0, "source": "test"}
    market = {"supplier_co2_kg_per_kwh": 0.3, "document": "letter"}
    for uncertainty, expected in (
        (stated_of, {"location": 5.0, "market": 2.0}),
        ({"factor_pct": 5.0, "source": "test"}, {"location": 5.0, "market": None}),
    ):
        registry = registry_of(
            "meter", "electricity", "electricity", uncertainty=uncertainty, market=market, **GRID
        )
        [conversions] = compile_conversions(registry, book, NOW).values()
        assert {each.basis: each.factor_uncertainty_pct for each in conversions} == expected


def test_carbon_measured_by_itself_needs_no_ncv(book: FactorBook) -> None:
    coal = registry_of(
        carrier="bituminous_coal",
        quantity="mass_t",
        device={"accuracy_pct": 0.5},
        factor_set="CN_NDRC_2.1",
        fuel={"carbon_pct": 52.0, "source": "laboratory"},
        uncertainty={"carbon_content_pct": 1.2, "oxidation_rate_pct": 0.5, "source": "test"},
    )
    assert stated(coal, book) == pytest.approx((0.5, 1.3))


def limestone(*streams: dict[str, Any]) -> Registry:
    return registry_of(
        "beltscale",
        "mass_balance",
        "limestone",
        device={"accuracy_pct": 0.5},
        streams=[{"device": "beltscale/d", "quantity": "mass_t", **stream} for stream in streams],
    )


def test_streams_of_one_scale(book: FactorBook) -> None:
    one_stream = limestone({"carbonate": "CaCO3", "purity": 0.9, "uncertainty_pct": 2.0})
    assert stated(one_stream, book) == pytest.approx((0.5, 2.0))
    two = limestone(
        {"carbon_fraction": 0.3, "uncertainty_pct": 2.0},
        {"carbon_fraction": 0.1, "uncertainty_pct": 6.0},
    )
    assert stated(two, book) == pytest.approx((0.5, math.hypot(0.3 * 2, 0.1 * 6) / 0.4))
    half = limestone({"carbon_fraction": 0.3, "uncertainty_pct": 2.0}, {"carbon_fraction": 0.1})
    assert stated(half, book) == (0.5, None)


def test_a_change_of_what_is_stated_reopens_hours_and_needs_its_date() -> None:
    before = gas({"accuracy_pct": 1.0}, uncertainty={"factor_pct": 4.0, "source": "test"})
    device = device_key("s", "flowmeter/d")
    since = before.sites["s"].devices["flowmeter/d"].facts[0].from_
    for after in (
        gas({"accuracy_pct": 2.0}, uncertainty={"factor_pct": 4.0, "source": "test"}),
        gas({"accuracy_pct": 1.0, "uncertainty_pct": 0.7}, uncertainty={"factor_pct": 4.0, "source": "test"}),
        gas({"accuracy_pct": 1.0}, uncertainty={"factor_pct": 3.0, "source": "test"}),
    ):
        assert touched(before, after) == {device: since}
        assert len(refusals(before, after, {device: NOW})) == 1


def test_the_demo_states_what_every_source_needs(book: FactorBook) -> None:
    registry = parse(DEMO.read_text(encoding="utf-8"), DEMO.name).registry
    for source, conversion in by_source(registry, book).items():
        assert conversion.activity_uncertainty_pct is not None, source
        assert conversion.factor_uncertainty_pct is not None, source
