from __future__ import annotations

from typing import Any

import pytest

from services.domain.factors import CO2_PER_CARBON
from services.domain.methods.mass_balance import GUIDELINE_SET, PRINTED, STOICHIOMETRIC, stream_factor
from services.domain.registry.checks import check
from services.domain.registry.model import Stream
from tests.domain.conftest import registry_of


def _stream(**facts: object) -> Stream:
    return Stream.model_validate({"device": "beltscale/b", "quantity": "mass_t", **facts})


def _t_co2(mass_t: float, *streams: Stream, factor_set: str | None = None) -> float:
    total = 0.0
    for stream in streams:
        per_t = stream_factor(stream, factor_set)
        assert isinstance(per_t, float), per_t
        total += mass_t * per_t
    return total


@pytest.mark.parametrize(
    ("carbonate", "factor", "printed"),
    [("CaCO3", 0.43971, 0.440), ("MgCO3", 0.52197, 0.522), ("Na2CO3", 0.41523, 0.415)],
)
def test_carbonates(carbonate: str, factor: float, printed: float) -> None:
    assert round(STOICHIOMETRIC[carbonate], 5) == factor
    assert PRINTED[carbonate] == printed == round(factor, 3)


def test_desulphurisation_as_the_guideline_prints_it_and_by_stoichiometry() -> None:
    limestone = _stream(carbonate="CaCO3", purity=0.90, conversion=1.00)
    assert round(_t_co2(1000.0, limestone, factor_set=GUIDELINE_SET), 1) == 396.0
    assert round(_t_co2(1000.0, limestone), 3) == 395.742


def test_lime_kiln() -> None:
    calcite = _stream(carbonate="CaCO3", purity=0.95, conversion=0.96)
    magnesite = _stream(carbonate="MgCO3", purity=0.012, conversion=0.96)
    assert round(_t_co2(1000.0, calcite, magnesite), 3) == 407.031


def test_carbon_leaving_in_a_product_is_negative() -> None:
    coke, steel = _stream(carbon_fraction=0.85), _stream(carbon_fraction=0.004, role="output")
    assert _t_co2(1.0, coke) == pytest.approx(0.85 * 44 / 12)
    assert _t_co2(1.0, steel) == pytest.approx(-0.004 * CO2_PER_CARBON)


@pytest.mark.parametrize("facts", [{}, {"carbonate": "CaCO3", "carbon_fraction": 0.12}])
def test_a_stream_names_its_carbon_in_one_way(facts: dict[str, object]) -> None:
    assert "either a carbonate or a carbon fraction" in str(stream_factor(_stream(**facts), None))


def test_an_unknown_carbonate_set_gives_a_reason() -> None:
    assert "no carbonate factor in set X" in str(stream_factor(_stream(carbonate="CaCO3"), "X"))


@pytest.mark.parametrize(("factor_set", "faults"), [(None, 0), (GUIDELINE_SET, 0), ("CN_NDRC_2.1", 1)])
def test_the_registry_accepts_what_the_method_does(factor_set: str | None, faults: int) -> None:
    stream = {"device": "beltscale/d", "quantity": "mass_t", "carbonate": "CaCO3"}
    facts: dict[str, Any] = {"in_total": True, "factor_set": factor_set}
    registry = registry_of(
        "beltscale", "mass_balance", "limestone", device={"interval_s": 60}, streams=[stream], **facts
    )
    problems = check(registry, {"CN_NDRC_2.1": {"limestone"}})
    assert len([problem for problem in problems if not problem.warning]) == faults
