"""What the factors there are leave unknown is said when a registry is applied."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.domain.factors import FactorBook
from services.domain.registry.foreseen import foresee
from services.domain.registry.parse import parse
from services.domain.registry.problems import Problem
from services.store.factors import shipped_factors
from tests.domain.conftest import registry_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)
BOOK = FactorBook(shipped_factors())


@pytest.mark.parametrize(
    ("device", "facts", "reason"),
    [
        ({}, {"quantity": "volume_m3"}, "the source names no density"),
        ({"base_state": "20C"}, {"quantity": "volume_nm3", "factor_base_state": "0C"}, "names no density"),
        (
            {},
            {"quantity": "mass_t", "fuel": {"ncv_mj_per_m3": 36.0, "source": "lab"}},
            "values are per m3, and the factor is per mass",
        ),
    ],
)
def test_a_factor_per_mass_and_what_is_not_mass(
    device: dict[str, object], facts: dict[str, object], reason: str
) -> None:
    registry = registry_of(carrier="diesel", device=device, **{"factor_set": "CN_NDRC_2.1", **facts})  # type: ignore[arg-type]
    [problem] = foresee(registry, BOOK, NOW)
    assert problem.warning
    assert problem.place == ("sites", "s", "sources", "x", "facts", 0)
    assert reason in problem.message
    assert list(foresee(registry, BOOK, NOW, [Problem(problem.place, "told")])) == []


def test_a_place_without_a_grid_factor() -> None:
    registry = registry_of(
        "meter", "electricity", "electricity",
        site={"region": "CN-XZ"}, quantity="energy_import_kwh", factor_set="CN_MEE_PROVINCE",
    )  # fmt: skip
    [problem] = foresee(registry, BOOK, NOW)
    assert "has no factor for electricity in CN-XZ" in problem.message


def test_nothing_of_the_demo_is_unknown(demo: str) -> None:
    assert list(foresee(parse(demo, "demo").registry, BOOK, NOW)) == []
