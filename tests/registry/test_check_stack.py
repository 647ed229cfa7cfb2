"""Faults of the rules of a stack, each at its line."""

from __future__ import annotations

import pytest

from services.domain.registry.parse import parse
from services.domain.registry.problems import Problem, RegistryError

_FILE = """\
version: 1
sites:
  s:
    timezone: UTC
    devices:
      cems/c:
        facts: [{{from: 2024-01-01, interval_s: 60, {device}}}]
      meter/m:
        facts: [{{from: 2024-01-01, interval_s: 60{meter}}}]
    sources:
      x:
        scope: 1
        method: cems
        carrier: flue_gas
        facts:
          - from: 2024-01-01
            devices: [cems/c]
            in_total: true
            {facts}
"""


def _problems(facts: str, device: str = "analyser: dry", meter: str = "") -> tuple[Problem, ...]:
    text = _FILE.format(facts=facts, device=device, meter=meter)
    try:
        return parse(text, "r.yaml", {}).warnings
    except RegistryError as error:
        return error.problems


_F = "f_factors: {fc_scf_per_mmbtu: 1800, fd_dscf_per_mmbtu: 9780, source: table 1}"


@pytest.mark.parametrize(
    ("facts", "device"),
    [
        ("quantity: flow_nm3_h", "analyser: dry"),
        ("quantity: flow_nm3_h", "analyser: dry, base_state: 20C, bias_adjustment_factor: 1.063"),
        ("stack: {form: part75}", "analyser: wet"),
        (f"stack: {{form: part75, diluent: o2, {_F}}}", "analyser: wet"),
        ("stack: {form: part75, hour_validity: quadrant, substitution: eu_art45}", "analyser: wet"),
        ("stack: {stopped_evidence: {o2_pct: {at_least: 19}}}", "analyser: wet, duct_area_m2: 4"),
    ],
)
def test_sound(facts: str, device: str) -> None:
    assert _problems(facts, device) == ()


@pytest.mark.parametrize(
    ("facts", "text", "warning"),
    [
        ("quantity: velocity_m_s", "needs the `duct_area_m2` of cems/c unless it sends a flow", True),
        ("quantity: flow_nm3_h\n            stack: {form: part75}", "computes with the wet flow", False),
        ("quantity: flow_nm3_h\n            stack: {diluent: o2}", "only form part75 makes CO2 of", False),
        ("stack: {form: part75, diluent: o2}", "has no `f_factors`", False),
        (f"quantity: flow_nm3_h\n            stack: {{{_F}}}", "has no effect on form hj75", False),
        ("stack: {form: part75, substitution: eu_art45}", "without `hour_validity` no hour", False),
        (
            "stack: {form: part75, hour_validity: 45min, substitution: hj75_2017}",
            "whose figures are unconfirmed",
            True,
        ),
        (
            "stack: {form: part75, hour_validity: quadrant, substitution: us_part75}",
            "has no `maximum_potential_co2_pct`",
            True,
        ),
        ("stack: {form: part75, stopped_evidence: {o3_pct: {at_least: 1}}}", "names 'o3_pct'", False),
        ("stack: {form: part75, stopped_evidence: {o2_pct: {}}}", "must give `at_least` or `at_most`", False),
        ("stack: {form: part76}", "form", False),
        ("stack: {substitution: guess}", "substitution", False),
    ],
)
def test_faults(facts: str, text: str, warning: bool) -> None:
    [problem] = _problems(facts)
    assert text in f"{problem.place} {problem.message}"
    assert problem.warning is warning


def test_a_stack_needs_its_analyser() -> None:
    [problem] = _problems("stack: {form: part75}", "repeats_frames: false")
    assert "needs `analyser` of cems/c" in problem.message


def test_hourly_means_are_in_no_four_quadrants() -> None:
    rules = "stack: {form: part75, hour_validity: quadrant}"
    assert _problems(rules, "analyser: wet") == ()
    text = _FILE.replace("interval_s: 60, {device}", "interval_s: 3600, {device}")
    [problem] = parse(text.format(facts=rules, device="analyser: wet", meter=""), "r.yaml", {}).warnings
    assert "sends every 3600 s: no hour is valid" in problem.message


@pytest.mark.parametrize("fact", ["base_state: 0C", "bias_adjustment_factor: 1.1", "analyser: wet"])
def test_facts_of_a_stack_on_a_meter(fact: str) -> None:
    [problem] = _problems("stack: {form: part75}", "analyser: wet", f", {fact}")
    assert "has no effect on a meter" in problem.message
