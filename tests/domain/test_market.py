"""Electricity on two bases: what contracts cover, by which evidence, and the rest."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.conversion import Conversion, change_points, compile_conversions
from services.domain.factors import FactorBook
from services.domain.methods.market import market_factor, share_of
from services.domain.registry.model import Contract, MarketBasis, Registry
from tests.domain.conftest import NOW, registry_of

GREEN: dict[str, Any] = {
    "contract": "PPA-7",
    "from": "2026-01-01T00:00:00+08:00",
    "until": "2027-01-01T00:00:00+08:00",
    "co2_kg_per_kwh": 0,
    "certificate": "GEC 1 to 400",
    "document": "binder 3",
}
RESIDUAL = {
    "factor_set": "CN_MEE_NATIONAL",
    "factor_fuel": "electricity_national_excl_market_nonfossil",
    "region": "CN",
}
SUPPLIER = {"supplier_co2_kg_per_kwh": 0.4, "document": "letter of 2026-02-01"}


def bought(*contracts: dict[str, Any], **facts: Any) -> Registry:
    registry = registry_of(
        "meter",
        "electricity",
        "electricity",
        quantity="energy_import_kwh",
        factor_set="CN_MEE_PROVINCE",
        in_total=True,
        **facts,
    )
    document = registry.model_dump(by_alias=True, exclude_unset=True)
    document["sites"]["s"]["sources"]["x"]["contracts"] = list(contracts)
    return Registry.model_validate(document)


def by_basis(registry: Registry, book: FactorBook, at: datetime = NOW) -> dict[str | None, Conversion]:
    [conversions] = compile_conversions(registry, book, at).values()
    return {each.basis: each for each in conversions}


def on_market(book: FactorBook, *contracts: dict[str, Any], at: datetime = NOW, **facts: Any) -> Conversion:
    return by_basis(bought(*contracts, **facts), book, at)["market"]


def test_without_a_word_of_the_market_there_is_one_basis(book: FactorBook) -> None:
    assert list(by_basis(bought(), book)) == ["location"]


@pytest.mark.parametrize(("total_basis", "counts"), [(None, "location"), ("market", "market")])
def test_both_bases_count_the_same_energy_and_one_of_them_in_the_total(
    book: FactorBook, total_basis: str | None, counts: str
) -> None:
    found = by_basis(bought({**GREEN, "share": 0.4}, market=RESIDUAL, total_basis=total_basis), book)
    location, market = found["location"], found["market"]
    assert {basis: each.in_total for basis, each in found.items()} == {
        "location": counts == "location",
        "market": counts == "market",
    }
    assert (location.formula, location.params) == (market.formula, market.params)
    assert location.factor.co2_kg_per_unit == 0.5737  # Shanghai 2023
    # 2023's average without what was traded as non-fossil: 0.6096.
    assert market.factor.co2_kg_per_unit == pytest.approx(0.6 * 0.6096)
    assert market.factor.name == (
        "contract PPA-7 0.4, GEC 1 to 400; "
        "rest CN_MEE_NATIONAL_2023/electricity_national_excl_market_nonfossil"
    )
    assert market.factor.provisional, "2026's factor is not published yet"
    assert market.factor.energy_kwh_per_unit == 1.0
    assert math.isnan(market.factor.ch4_kg_per_unit)


def test_without_contracts_the_rest_is_all(book: FactorBook) -> None:
    residual = on_market(book, market=RESIDUAL).factor
    assert residual.co2_kg_per_unit == 0.6096
    assert residual.name == "CN_MEE_NATIONAL_2023/electricity_national_excl_market_nonfossil"
    supplier = on_market(book, market=SUPPLIER).factor
    assert (supplier.co2_kg_per_unit, supplier.name) == (0.4, "supplier (letter of 2026-02-01)")
    assert not supplier.provisional


@pytest.mark.parametrize("lacking", ["certificate", "document"])
def test_nothing_is_zero_without_its_evidence(book: FactorBook, lacking: str) -> None:
    bare = {name: value for name, value in GREEN.items() if name != lacking}
    found = on_market(book, {**bare, "share": 1.0}, market=SUPPLIER).factor
    assert found.co2_kg_per_unit == 0.4
    assert found.name == "supplier (letter of 2026-02-01); without evidence: PPA-7"
    assert found.provisional, "the evidence may come"
    unknown = on_market(book, {**bare, "share": 1.0}).factor
    assert math.isnan(unknown.co2_kg_per_unit)
    assert "No evidenced contract covers 100.0% of the purchase" in str(unknown.missing_reason)


def test_a_supplier_s_own_figure_needs_a_document_only(book: FactorBook) -> None:
    gas = {**GREEN, "certificate": None, "co2_kg_per_kwh": 0.35, "share": 0.5}
    assert on_market(book, gas, market=SUPPLIER).factor.co2_kg_per_unit == pytest.approx(0.375)
    found = on_market(book, {**gas, "document": None}, market=SUPPLIER).factor
    assert found.co2_kg_per_unit == 0.4


def test_all_under_contract_needs_no_rest(book: FactorBook) -> None:
    whole = [
        {**GREEN, "contract": name, "share": share} for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1))
    ]
    found = on_market(book, *whole).factor
    assert (found.co2_kg_per_unit, found.missing_reason, found.provisional) == (0.0, None, False)
    lacking = on_market(book, *whole[:2]).factor
    assert math.isnan(lacking.co2_kg_per_unit)
    assert "covers 10.0% of the purchase" in str(lacking.missing_reason)


def test_more_than_all_is_unknown(book: FactorBook) -> None:
    found = on_market(book, {**GREEN, "share": 0.7}, {**GREEN, "contract": "b", "share": 0.7}).factor
    assert found.missing_reason == "Contracts cover 140.0% of the purchase."


def test_kilowatt_hours_cover_a_share_of_the_purchase_they_are_set_against(book: FactorBook) -> None:
    part = {**GREEN, "kwh": 1.2e6, "of_kwh": 4e6}
    found = on_market(book, part, market=SUPPLIER).factor
    assert found.co2_kg_per_unit == pytest.approx(0.7 * 0.4)
    assert found.provisional, "the purchase of the year is a forecast"
    assert not on_market(book, {**part, "settled": True}, market=SUPPLIER).factor.provisional
    assert on_market(book, {**part, "kwh": 5e6}).factor.co2_kg_per_unit == 0.0
    bare = {**GREEN, "kwh": 1.2e6}
    assert "nor the kWh of a purchase" in str(on_market(book, bare, market=SUPPLIER).factor.missing_reason)


def test_a_contract_holds_from_its_first_instant_until_its_last(book: FactorBook) -> None:
    registry = bought({**GREEN, "share": 1.0}, market=SUPPLIER)
    begin, end = datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC)
    instant = timedelta(microseconds=1)
    found = [
        by_basis(registry, book, at)["market"].factor.co2_kg_per_unit
        for at in (begin - instant, begin, end - instant, end)
    ]
    assert found == [0.4, 0.0, 0.0, 0.4]
    points = change_points(registry, book, begin - instant, end + instant)
    assert {begin, end} <= set(points)


def test_the_rest_in_a_place_without_a_factor_is_unknown(book: FactorBook) -> None:
    nowhere = {"factor_set": "CN_MEE_PROVINCE", "region": "CN-XZ"}
    found = on_market(book, {**GREEN, "share": 0.4}, market=nowhere).factor
    assert "CN-XZ" in str(found.missing_reason)
    assert math.isnan(found.co2_kg_per_unit)


def test_a_rest_of_co2e_alone_leaves_both_unknown(book: FactorBook) -> None:
    sums = {"factor_set": "UK_DESNZ", "region": "GB"}
    found = on_market(book, {**GREEN, "share": 0.4}, market=sums).factor
    assert math.isnan(found.co2_kg_per_unit)
    assert math.isnan(found.co2e_kg_per_unit)


def test_what_is_no_electricity_has_no_market(book: FactorBook) -> None:
    facts: dict[str, Any] = {"quantity": "voltage_v", "market": SUPPLIER, "factor_set": "CN_MEE_PROVINCE"}
    registry = registry_of("meter", "electricity", "electricity", **facts)
    found = by_basis(registry, book)
    reasons = {each.factor.missing_reason for each in found.values()}
    assert reasons == {"voltage_v of a meter is not electric energy."}


_SHARES = st.lists(st.floats(0.001, 1.0), max_size=5).filter(lambda shares: sum(shares) <= 1.0)


@given(shares=_SHARES, supplied=st.floats(0.0, 1.5), rest=st.floats(0.001, 1.5))
def test_the_market_factor_lies_between_what_it_is_made_of(
    shares: list[float], supplied: float, rest: float
) -> None:
    contracts = [
        Contract.model_validate({**GREEN, "contract": str(i), "share": share, "co2_kg_per_kwh": supplied})
        for i, share in enumerate(shares)
    ]
    basis = MarketBasis.model_validate({"supplier_co2_kg_per_kwh": rest, "document": "d"})
    found = market_factor(contracts, basis, None, None).co2_kg_per_unit
    assert min(supplied, rest) - 1e-12 <= found <= max(supplied, rest) + 1e-12
    assert found == pytest.approx(sum(shares) * supplied + (1 - sum(shares)) * rest, abs=1e-9)
    assert [share_of(each) for each in contracts] == shares
