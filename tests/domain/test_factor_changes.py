"""Which hours a new record of a factor re-opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from services.domain.conversion import device_key
from services.domain.factor_changes import touched_by_factors
from services.domain.factors import Factor, FactorBook
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from tests.domain.conftest import registry_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)
METER = device_key("s", "meter/d")


def _grid(region: str = "CN-SH") -> Registry:
    return registry_of(
        "meter", "electricity", "electricity",
        site={"region": region}, quantity="energy_import_kwh", factor_set="CN_MEE_PROVINCE",
    )  # fmt: skip


def _of_shanghai(factors: tuple[Factor, ...]) -> Factor:
    [found] = [
        each for each in factors if each.factor_set == "CN_MEE_PROVINCE_2023" and each.region == "CN-SH"
    ]
    return found


def _touched(
    registry: Registry, factors: tuple[Factor, ...], *new: Factor, until: datetime = NOW
) -> dict[DeviceKey, datetime]:
    recorded = [replace(each, factor_id=9000 + index, recorded_at=NOW) for index, each in enumerate(new)]
    return touched_by_factors(registry, FactorBook(factors), FactorBook([*factors, *recorded]), until)


def test_the_factor_of_a_new_year_touches_that_year_on_the_sites_clock(factors: tuple[Factor, ...]) -> None:
    of_2024 = replace(
        _of_shanghai(factors),
        factor_set="CN_MEE_PROVINCE_2024",
        valid_from=date(2024, 1, 1),
        valid_to=date(2024, 12, 31),
        co2_kg_per_unit=0.55,
    )
    began = {METER: datetime(2023, 12, 31, 16, tzinfo=UTC)}
    assert _touched(_grid(), factors, of_2024) == began
    assert _touched(_grid("CN-BJ"), factors, of_2024) == {}
    assert _touched(_grid(), factors, of_2024, until=datetime(2023, 6, 1, tzinfo=UTC)) == {}


def test_a_correction_touches_the_years_it_was_used_for(factors: tuple[Factor, ...]) -> None:
    corrected = replace(_of_shanghai(factors), co2_kg_per_unit=0.57)
    assert _touched(_grid(), factors, corrected) == {METER: datetime(2022, 12, 31, 16, tzinfo=UTC)}


def test_a_factor_without_date_touches_all_from_the_sources_begin(factors: tuple[Factor, ...]) -> None:
    [coal] = [each for each in factors if each.name == "CN_NDRC_2.1/bituminous_coal"]
    registry = registry_of(
        "beltscale", carrier="bituminous_coal", quantity="mass_t", factor_set="CN_NDRC_2.1"
    )
    touched = _touched(registry, factors, replace(coal, ncv=23.0, co2_kg_per_unit=None))
    assert touched == {device_key("s", "beltscale/d"): datetime(2019, 12, 31, 16, tzinfo=UTC)}
    [diesel] = [each for each in factors if each.name == "CN_NDRC_2.1/diesel"]
    assert _touched(registry, factors, replace(diesel, ncv=43.0, co2_kg_per_unit=None)) == {}


@pytest.mark.parametrize("factor_set", ["UK_DESNZ", "CN_MEE_REGION"])
def test_other_sets_touch_nothing(factors: tuple[Factor, ...], factor_set: str) -> None:
    new = replace(_of_shanghai(factors), factor_set=factor_set, series=factor_set)
    assert _touched(_grid(), factors, new) == {}
