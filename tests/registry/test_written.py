"""Numbers with their unit in a registry file, and who pays for reading them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from services.domain.measures import unit_of
from services.domain.registry import model
from services.domain.registry.facts import source_facts_at
from services.domain.registry.model import FuelProperties
from services.domain.registry.parse import parse
from services.domain.registry.problems import Problem, RegistryError

_FILE = """\
version: 1
sites:
  s:
    timezone: UTC
    devices:
      beltscale/d:
        facts: [{from: 2024-01-01, interval_s: 1 min}]
    sources:
      x:
        scope: 1
        method: fuel
        carrier: coal
        facts:
          - from: 2024-01-01
            devices: [beltscale/d]
            quantity: mass_t
            in_total: true
            factor_set: FUELS
            fuel:
              source: lab
              PROPERTY
"""


def _fuel(line: str) -> FuelProperties:
    parsed = parse(_FILE.replace("PROPERTY", line), "r.yaml", {"FUELS": {"coal"}})
    source = parsed.registry.sites["s"].sources["x"]
    facts = source_facts_at(source, source.facts[0].from_)
    assert facts is not None
    assert facts.fuel is not None
    assert parsed.registry.sites["s"].devices["beltscale/d"].facts[0].interval_s == 60.0
    return facts.fuel


def _fault(line: str) -> Problem:
    with pytest.raises(RegistryError) as caught:
        _fuel(line)
    [problem] = caught.value.problems
    return problem


def test_a_heating_value_with_its_unit_and_basis() -> None:
    fuel = _fuel("ncv_gj_per_t: 5544 kcal/kg LHV ar")
    assert (fuel.ncv_gj_per_t, fuel.ncv_basis) == (23.2116192, "ar")


def test_carbon_with_its_basis() -> None:
    lines = ("carbon_pct: 58.2 % ad", "moisture_pct: 12.5 %", "moisture_air_dried_pct: 2.1")
    fuel = _fuel("\n              ".join(lines))
    assert (fuel.carbon_pct, fuel.carbon_basis, fuel.moisture_pct) == (58.2, "ad", 12.5)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ncv_gj_per_t: 5544 kcal/kg", "does not say LHV or HHV"),
        ("ncv_gj_per_t: 6000 kcal/kg HHV ar", "gross calorific value"),
        ("hhv_gj_per_t: 6000 kcal/kg", "does not say LHV or HHV"),
        ("hhv_gj_per_t: 6000 kcal/kg LHV", "net calorific value"),
        ("ncv_gj_per_t: 36 MJ/m3 LHV", "no unit of what is counted in GJ/t"),
        ("carbon_content_t_per_gj: 95.3 kgCO2/GJ", "no unit of what is counted in t/GJ"),
        ("carbon_pct: 58 % LHV", "is no heating value"),
        ("moisture_pct: 12 % ar", "ar says nothing of moisture_pct"),
        ("ncv_gj_per_t: 23 GJ/t @20C LHV", "@20C says nothing of ncv_gj_per_t"),
        ("carbon_pct: much", "write a number in %"),
        ("ncv_gj_per_unit: 23 GJ/t LHV", "valid number"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(line: str, words: str) -> None:
    problem = _fault(line)
    assert words in problem.message
    assert problem.line == 21


def test_the_text_may_not_contradict_the_entry_beside_it() -> None:
    problem = _fault("ncv_gj_per_t: 23 GJ/t LHV ad\n              ncv_basis: ar")
    assert "says ad, and `ncv_basis` is ar" in problem.message


def _models() -> Iterator[type[BaseModel]]:
    for each in vars(model).values():
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__.startswith("services."):
            yield each


def _types(annotation: Any) -> set[Any]:
    return {annotation}.union(*(_types(each) for each in get_args(annotation)))


def test_no_text_field_has_a_name_that_ends_in_a_unit() -> None:
    """Else its text would be taken for a value."""
    ends = [
        (each.__name__, name)
        for each in _models()
        for name, field in each.model_fields.items()
        if unit_of(name) and not _types(field.annotation) & {float, int}
    ]
    assert ends == []


@pytest.mark.parametrize(
    "module", ["services.ingest.app", "services.analytics.app", "services.store.registry"]
)
def test_services_do_not_pay_for_pint(module: str) -> None:
    code = f"import sys, {module}; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
