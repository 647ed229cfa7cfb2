"""Laboratory values from a table become dated facts; what is wrong is told at the table's lines."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.domain.registry.diff import differences
from services.domain.registry.measured_table import merge_measured
from services.domain.registry.model import Registry
from services.domain.registry.problems import Problem, RegistryError
from tests.registry.conftest import FACTORS

HEAD = "site,source,sampled_from,sampled_to,laboratory,document,ncv_gj_per_t,carbon_pct,moisture_pct,"
HEAD += "moisture_air_dried_pct,oxidation_rate"
MARCH = "works,coal,2025-03-01,2025-03-31,Lab 7,2025-118,5544 kcal/kg LHV ar,58.2 % ad,12.5,2.1,0.99"
APRIL = MARCH.replace("-03-01", "-04-01").replace("-03-31", "-04-30").replace("118", "131")


def faults(registry: Registry, *rows: str, head: str = HEAD) -> tuple[Problem, ...]:
    try:
        merge_measured(registry, "\n".join((head, *rows)), "lab.csv", FACTORS)
    except RegistryError as error:
        return error.problems
    return ()


def test_samples_are_facts_from_their_first_day_on(registry: Registry) -> None:
    merged = merge_measured(registry, "\n".join((HEAD, APRIL, MARCH)), "lab.csv", FACTORS)
    first, march, april = merged.parsed.registry.sites["works"].sources["coal"].facts
    assert first == registry.sites["works"].sources["coal"].facts[0]
    assert march.from_ == datetime(2025, 2, 28, 23, tzinfo=UTC), "midnight in Berlin"
    assert march.fuel is not None
    assert march.fuel.ncv_gj_per_t == pytest.approx(23.212, abs=1e-3)
    assert (march.fuel.carbon_pct, march.fuel.carbon_basis, march.fuel.oxidation_rate) == (58.2, "ad", 0.99)
    assert (march.fuel.laboratory, march.fuel.document, march.fuel.source) == (
        "Lab 7",
        "2025-118",
        "Lab 7, 2025-118",
    )
    assert (march.fuel.sampled_from, march.fuel.sampled_to) == (date(2025, 3, 1), date(2025, 3, 31))
    assert april.from_ > march.from_
    place = ("sites", "works", "sources", "coal", "facts", 1, "fuel")
    assert merged.placed(Problem(place, "x"), "lab.csv").line == 3
    assert merged.placed(Problem(("sites", "works"), "x"), "lab.csv").line is None


def test_the_same_table_again_changes_nothing(registry: Registry) -> None:
    text = f"{HEAD}\n{MARCH}\n"
    once = merge_measured(registry, text, "", FACTORS).parsed.registry
    assert differences(once, merge_measured(once, text, "", FACTORS).parsed.registry) == ()
    assert len(differences(registry, once)) == 1


def test_a_sample_may_hold_from_another_day_on(registry: Registry) -> None:
    merged = merge_measured(registry, f"{HEAD},from,note\n{MARCH},2025-03-15,as agreed\n", "", FACTORS)
    fact = merged.parsed.registry.sites["works"].sources["coal"].facts[1]
    assert (fact.from_, fact.note) == (datetime(2025, 3, 14, 23, tzinfo=UTC), "as agreed")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("works,", "worsk,", "names site worsk, which the registry does not have"),
        (",coal,", ",cole,", "names source cole, which site works does not have"),
        ("Lab 7", "", "has no laboratory: a measured value is nothing without it"),
        ("2025-118", "", "has no document"),
        ("2025-03-01", "", "has no sampled_from"),
        ("2025-03-31", "", "has no sampled_to"),
        ("2025-03-31", "2025-02-01", "is before `sampled_from`, 2025-03-01"),
        ("2025-03-31", "soon", "is 'soon'"),
        ("2025-03-01", "2025-13-01", "which is no time"),
        ("5544 kcal/kg", "5544 kcal/m3", "5544 kcal/m3"),
        ("0.99", "99", "less than or equal to 1"),
        (",2.1,", ",,", "needs moisture_air_dried_pct"),
        (",coal,", ",power,", "has no effect on electricity"),
    ],
)
def test_a_fault_is_told_at_its_line(registry: Registry, old: str, new: str, words: str) -> None:
    [problem] = faults(registry, APRIL, MARCH.replace(old, new, 1))
    assert words in str(problem)
    assert (problem.file, problem.line) == ("lab.csv", 3)


def test_rows_and_columns_that_make_no_sense(registry: Registry) -> None:
    [twice] = faults(registry, MARCH, MARCH)
    assert "is a second sample of works/coal from that day on (the first is line 2)" in twice.message
    [empty] = faults(registry, "works,coal,2025-03-01,2025-03-31,Lab 7,2025-118,,,,,")
    assert "has no measured value" in empty.message
    [unknown] = faults(registry, MARCH, head=HEAD.replace("oxidation_rate", "oxydation_rate"))
    assert (unknown.line, "did you mean oxidation_rate?" in unknown.message) == (1, True)
    [lacking] = faults(registry, MARCH, head=HEAD.replace("laboratory", "note"))
    assert "has no column laboratory: add it" in lacking.message
