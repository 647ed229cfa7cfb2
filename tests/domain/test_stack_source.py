"""Stacks by the facts of the registry: which formula, with which numbers, and why there is none."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.domain.conversion import Conversion
from services.domain.factors import FactorBook
from services.domain.methods import part75
from services.domain.registry.model import Registry
from services.domain.stack import Evidence, Validity
from services.domain.substitution import Policy
from tests.domain.conftest import one, rate_of, registry_of

T_PER_SHORT_TON = 0.90718474
COAL = {"fc_scf_per_mmbtu": 1800, "fd_dscf_per_mmbtu": 9780, "source": "fuel analysis of 2026-01-12"}


def stack(analyser: str = "wet", quantity: str | None = None, **stack: Any) -> Registry:
    device = {"analyser": analyser, **stack.pop("device", {})}
    facts: dict[str, Any] = {"stack": stack} if stack else {}
    if quantity is not None:
        facts["quantity"] = quantity
    return registry_of("cems", "cems", "flue_gas", device=device, **facts)


def short_tons_h(conversion: Conversion, scf_h: float, **inputs: Any) -> float:
    return rate_of(conversion, scf_h / part75.SCF_PER_NM3, **inputs) / T_PER_SHORT_TON


@pytest.mark.parametrize(
    ("analyser", "rules", "inputs", "scf_h", "expected"),
    [
        ("wet", {}, {"co2_pct": 16.1}, 81_546_000.0, 748.3),
        ("dry", {}, {"co2_pct": 13.2, "moisture_pct": 8.4}, 25e6, 172.3),
        ("dry", {"diluent": "o2", "f_factors": COAL}, {"o2_pct": 5.2, "moisture_pct": 8.4}, 25e6, 180.5),
        ("wet", {"diluent": "o2", "f_factors": COAL}, {"o2_pct": 4.7632, "moisture_pct": 8.4}, 25e6, 180.5),
    ],
)
def test_appendix_f_from_the_registry(
    book: FactorBook,
    analyser: str,
    rules: dict[str, Any],
    inputs: dict[str, float],
    scf_h: float,
    expected: float,
) -> None:
    source = one(stack(analyser, form="part75", **rules), book)
    assert (source.quantity, source.activity_unit) == ("flow_wet_nm3_h", "t CO2")
    found = short_tons_h(source, scf_h, **inputs)
    assert round(found, 1) == expected
    assert short_tons_h(source, scf_h, **inputs, operating_fraction=0.5) == pytest.approx(found / 2)
    for name in inputs:
        assert math.isnan(short_tons_h(source, scf_h, **{**inputs, name: math.nan}))


def test_bias_adjustment_counts_from_its_day_on(book: FactorBook) -> None:
    plain = one(stack(form="part75"), book)
    biased = one(stack(form="part75", device={"bias_adjustment_factor": 1.063}), book)
    assert biased.params[0] == pytest.approx(1.063 * plain.params[0])
    china = one(stack("dry", device={"bias_adjustment_factor": 1.063, "duct_area_m2": 4.0}), book)
    assert (china.formula.name, china.params[0]) == ("hj75", 1.063)


def test_a_flow_at_another_base_state_than_the_quantitys_own(book: FactorBook) -> None:
    for rules in ({"form": "part75"}, {}):
        at_0c = one(stack("wet", "flow_wet_nm3_h", **rules), book)
        at_20c = one(stack("wet", "flow_wet_nm3_h", device={"base_state": "20C"}, **rules), book)
        assert at_20c.params[0] == pytest.approx(at_0c.params[0] * 273.15 / 293.15)


@pytest.mark.parametrize(
    ("registry", "reason"),
    [
        (stack("wet", "flow_nm3_h", form="part75"), "not the wet flow"),
        (stack("wet", "velocity_m_s", form="part75"), "not the wet flow"),
        (stack("wet", form="part75", diluent="o2"), "needs the fuel's f_factors"),
        (stack("wet", diluent="o2"), "by form part75 only"),
        (registry_of("cems", "cems", "flue_gas", stack={"form": "part75"}), "wet or dry"),
    ],
)
def test_why_there_is_no_number(book: FactorBook, registry: Registry, reason: str) -> None:
    source = one(registry, book)
    assert reason in str(source.factor.missing_reason)
    assert math.isnan(source.factor.co2_kg_per_unit)


def test_what_is_judged(book: FactorBook) -> None:
    def judged(registry: Registry) -> tuple[str, ...]:
        policy = one(registry, book).stack
        assert policy is not None
        return policy.judged

    hj75 = ("temperature_c", "static_pressure_pa", "barometric_pressure_pa", "moisture_pct", "co2_pct")
    assert judged(stack("dry", device={"duct_area_m2": 4.0})) == ("velocity_m_s", *hj75)
    assert judged(stack("dry", "flow_nm3_h")) == ("flow_nm3_h", "co2_pct")
    assert judged(stack("dry", "flow_wet_nm3_h")) == ("flow_wet_nm3_h", "co2_pct", "moisture_pct")
    assert judged(stack("wet", form="part75")) == ("flow_wet_nm3_h", "co2_pct")
    assert judged(stack("dry", form="part75")) == ("flow_wet_nm3_h", "moisture_pct", "co2_pct")


def test_policies_of_the_source(book: FactorBook) -> None:
    plain = one(stack("dry", "flow_nm3_h"), book)
    assert plain.stack is not None
    assert (plain.stack.validity, plain.stack.substitution, plain.evidence) == (None, Policy.NONE, ())
    evidence = {"o2_pct": {"at_least": 19}, "flow_wet_nm3_h": {"at_most": 1000}}
    us = one(
        stack(
            "wet",
            form="part75",
            hour_validity="quadrant",
            substitution="us_part75",
            maximum_potential_co2_pct=15,
            stopped_evidence=evidence,
        ),
        book,
    )
    assert us.stack is not None
    assert (us.stack.validity, us.stack.substitution) == (Validity.QUADRANT, Policy.US_PART75)
    assert us.stack.maximum_potential == (("co2_pct", 15.0),)
    assert us.stack.us_reporting
    assert us.evidence == (Evidence("flow_wet_nm3_h", None, 1000.0), Evidence("o2_pct", 19.0, None))
    meter = one(registry_of("meter", "electricity", "electricity"), book)
    assert (meter.stack, meter.evidence) == (None, ())
