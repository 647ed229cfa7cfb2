from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.factors import (
    MAXIMUM_AGE_YEARS,
    Factor,
    FactorBook,
    FactorTableError,
    Found,
    parse_factors_csv,
)

HEADER = (
    "factor_set,fuel,fuel_zh,phase,region,unit,gas,basis,biogenic,ncv,ncv_unit,carbon_content_tC_per_GJ,"
    "oxidation_rate,co2_kg_per_unit,ch4_kg_per_TJ,n2o_kg_per_TJ,valid_from,valid_to,source,verified\n"
)
COAL = "X,coal,,s,,t,CO2,LHV,,20,GJ/t,0.025,0.9,1650,,,,,doc,transcribed\n"
NEXT_YEARS = date(2026, 6, 1)


def _found(book: FactorBook, *query: object) -> Found:
    found = book.find(*query)  # type: ignore[arg-type]
    assert isinstance(found, Found), found
    return found


def test_the_shipped_table_is_read_whole(factors: tuple[Factor, ...]) -> None:
    assert len(factors) == 299
    assert {factor.series for factor in factors if factor.factor_set.startswith("CN_MEE_PROVINCE")} == {
        "CN_MEE_PROVINCE"
    }
    # Without a date the year is part of the name: there is nothing to choose between.
    assert {factor.series for factor in factors if factor.factor_set == "IPCC_2006"} == {"IPCC_2006"}
    assert {factor.confirmed for factor in factors} == {True, False}


@pytest.mark.parametrize(
    ("region", "on", "kg_per_kwh", "year", "provisional"),
    [
        ("CN-SH", date(2023, 1, 1), 0.5737, 2023, False),
        ("CN-SH", date(2023, 12, 31), 0.5737, 2023, False),
        ("CN-SH", date(2024, 1, 1), 0.5737, 2023, True),
        ("CN-SH", NEXT_YEARS, 0.5737, 2023, True),
        ("CN-SX", NEXT_YEARS, 0.6634, 2023, True),
        ("CN-SH", date(2027, 12, 31), 0.5737, 2023, True),
        ("CN-YN", date(2022, 6, 1), 0.1073, 2022, False),
        ("CN-GS", date(2021, 6, 1), 0.4955, 2021, False),
    ],
)
def test_grid_factor_of_place_and_year(
    book: FactorBook, region: str, on: date, kg_per_kwh: float, year: int, provisional: bool
) -> None:
    found = _found(book, "CN_MEE_PROVINCE", "electricity", region, on)
    assert found.factor.co2_kg_per_unit == kg_per_kwh
    assert found.factor.factor_set == f"CN_MEE_PROVINCE_{year}"
    assert found.provisional == provisional


@pytest.mark.parametrize("region", ["CN-XZ", "CN-HK", "CN-MO", "CN-TW"])
def test_no_factor_is_never_a_default(book: FactorBook, region: str) -> None:
    reason = book.find("CN_MEE_PROVINCE", "electricity", region, NEXT_YEARS)
    assert reason == f"Set CN_MEE_PROVINCE has no factor for electricity in {region}."


def test_a_factor_stands_in_for_at_most_four_years(book: FactorBook) -> None:
    reason = book.find("CN_MEE_PROVINCE", "electricity", "CN-SH", date(2028, 1, 1))
    assert reason == (
        "The newest factor of CN_MEE_PROVINCE for electricity is of 2023, more than 4 years before 2028."
    )


def test_no_factor_before_the_first(book: FactorBook) -> None:
    reason = book.find("CN_MEE_PROVINCE", "electricity", "CN-SH", date(2020, 12, 31))
    assert reason == "Set CN_MEE_PROVINCE has no factor for electricity before 2021-01-01."


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (("NOWHERE", "coal", None), "There is no factor set NOWHERE."),
        (("CN_NDRC_2.1", "uranium", None), "Set CN_NDRC_2.1 has no factor for uranium."),
        (
            ("CN_MEE_PROVINCE", "electricity", None),
            "Set CN_MEE_PROVINCE has no factor for electricity for a site without a region.",
        ),
    ],
)
def test_reasons_are_sentences(book: FactorBook, query: tuple[str, str, str | None], reason: str) -> None:
    assert book.find(*query, NEXT_YEARS) == reason


@pytest.mark.parametrize(
    ("fuel", "on", "kg_per_kwh"),
    [
        ("electricity", date(2022, 5, 1), 0.5366),
        ("electricity", date(2023, 5, 1), 0.5306),
        ("electricity_national_excl_market_nonfossil", date(2022, 5, 1), 0.5856),
        ("electricity_national_excl_market_nonfossil", date(2023, 5, 1), 0.6096),
        ("electricity_fossil", date(2022, 5, 1), 0.8325),
        ("electricity_fossil", date(2023, 5, 1), 0.8273),
    ],
)
def test_national_averages(book: FactorBook, fuel: str, on: date, kg_per_kwh: float) -> None:
    assert _found(book, "CN_MEE_NATIONAL", fuel, "CN", on).factor.co2_kg_per_unit == kg_per_kwh


def test_a_series_never_gives_an_unconfirmed_row(book: FactorBook) -> None:
    """The Northeast's 2023 is unconfirmed: 2022 stands in; named exactly, 2023 is provisional."""
    by_series = _found(book, "CN_MEE_REGION", "electricity", "Northeast", date(2023, 6, 1))
    assert (by_series.factor.factor_set, by_series.provisional) == ("CN_MEE_REGION_2022", True)
    by_name = _found(book, "CN_MEE_REGION_2023", "electricity", "Northeast", date(2023, 6, 1))
    assert (by_name.factor.co2_kg_per_unit, by_name.provisional) == (0.5122, True)


def test_ets_conventions_only_by_their_exact_name(book: FactorBook) -> None:
    assert book.find("CN_ETS", "electricity", "CN", NEXT_YEARS) == "There is no factor set CN_ETS."
    for name, value in (("CN_ETS_2015", 0.6101), ("CN_ETS_2021", 0.581), ("CN_ETS_2022", 0.5703)):
        assert _found(book, name, "electricity", "CN", NEXT_YEARS).factor.co2_kg_per_unit == value


def test_other_grids(book: FactorBook) -> None:
    assert (
        _found(book, "US_EGRID", "electricity", "CAMX", date(2024, 1, 1)).factor.co2_kg_per_unit == 0.2256363
    )
    assert _found(book, "UK_DESNZ", "electricity", "GB", date(2024, 7, 1)).factor.co2_kg_per_unit == 0.20705
    assert _found(book, "UK_DESNZ", "electricity", "GB", date(2026, 7, 1)).factor.co2_kg_per_unit == 0.177
    nonfossil = _found(book, "CN_GBT32151_34_2024", "electricity", "nonfossil", NEXT_YEARS)
    assert nonfossil.factor.co2_kg_per_unit == 0.0


def test_the_last_record_of_a_factor_is_in_force() -> None:
    [coal] = parse_factors_csv(HEADER + COAL)
    old = replace(coal, factor_id=7, recorded_at=datetime(2025, 1, 1, tzinfo=UTC))
    new = replace(coal, factor_id=3, recorded_at=datetime(2026, 1, 1, tzinfo=UTC), ncv=21.0)
    for order in ((old, new), (new, old)):
        assert _found(FactorBook(order), "X", "coal", None, NEXT_YEARS).factor.ncv == 21.0


def test_several_that_fit_are_for_the_registry_to_choose() -> None:
    rows = "".join(
        f"G,electricity_{name},,,P,kWh,CO2,marginal,,,,,,0.9,,,,,doc,transcribed\n" for name in ("om", "bm")
    )
    book = FactorBook(parse_factors_csv(HEADER + rows))
    reason = book.find("G", "electricity", "P", NEXT_YEARS)
    assert str(reason).endswith("name one as factor_fuel: G/electricity_bm, G/electricity_om.")
    assert _found(book, "G", "electricity_om", "P", NEXT_YEARS).factor.fuel == "electricity_om"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (COAL.replace("X,", ",", 1), "factor_set is missing"),
        (COAL.replace(",doc,", ",,"), "source is missing"),
        (COAL.replace(",LHV,", ",,"), "basis is missing"),
        (COAL.replace(",CO2,", ",C,"), "gas is 'C'"),
        (COAL.replace(",t,", ",lb,"), "no conversion for the unit 'lb'"),
        (COAL.replace("GJ/t", "kcal/kg"), "no conversion for the heating value's unit"),
        (COAL.replace("GJ/t", "GJ/1e4 Nm3"), "the factor per t"),
        (COAL.replace(",LHV,", ",HHV,"), "the basis is HHV"),
        (COAL.replace(",1650,", ",1500,"), "its parts give 1650"),
        (COAL.replace(",1650,", ",x,"), "no number"),
        (COAL.replace(",1650,", ",nan,"), "no number of at least 0"),
        (COAL.replace(",1650,", ",-1,"), "no number of at least 0"),
        (COAL.replace(",,,,,doc", ",,,2023,,doc"), "valid_from is '2023', no date"),
        (COAL.replace(",,,,,doc", ",,,2023-01-01,2022-12-31,doc"), "before it begins"),
    ],
)
def test_a_factor_that_does_not_say_what_it_is_is_refused(row: str, fault: str) -> None:
    with pytest.raises(FactorTableError, match="line 3: ") as caught:
        parse_factors_csv(HEADER + COAL + row)
    assert fault in str(caught.value)


def test_every_line_at_fault_is_named() -> None:
    with pytest.raises(FactorTableError, match=r"line 2: .*line 4: "):
        parse_factors_csv(HEADER + COAL.replace(",t,", ",lb,") + COAL + COAL.replace(",doc,", ",,"))


def test_a_range_is_no_value() -> None:
    [gas] = parse_factors_csv(
        HEADER + "X,gas,,g,,m3,,energy only,,32238-38979,kJ/m3,,,,,,,,doc,transcribed\n"
    )
    assert gas.ncv is None


@given(year=st.integers(2015, 2040), month=st.integers(1, 12))
@settings(max_examples=60)
def test_a_grid_factor_is_of_the_year_or_of_one_of_the_four_before(
    book: FactorBook, year: int, month: int
) -> None:
    found = book.find("CN_MEE_PROVINCE", "electricity", "CN-BJ", date(year, month, 1))
    if isinstance(found, str):
        assert year < 2021 or year > 2023 + MAXIMUM_AGE_YEARS
        return
    assert found.factor.valid_from is not None
    assert found.factor.valid_from.year == min(year, 2023)
    assert found.provisional == (year > 2023)
