"""Faults of fuels, densities and laboratory values, each at its line."""

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
      flowmeter/d:
        facts: [{{from: 2024-01-01, interval_s: 60, pressure_reference: absolute, base_state: 20C}}]
    sources:
      x:
        scope: 1
        method: fuel
        carrier: {carrier}
        facts:
          - from: 2024-01-01
            devices: [flowmeter/d]
            in_total: true
            {facts}
"""
_FACTORS = {"FUELS": {"diesel", "natural_gas"}}


def _problems(carrier: str, *facts: str) -> tuple[Problem, ...]:
    text = _FILE.format(carrier=carrier, facts="\n            ".join(facts))
    try:
        return parse(text, "r.yaml", _FACTORS).warnings
    except RegistryError as error:
        return error.problems


_LIQUID = ("quantity: volume_m3", "factor_set: FUELS")
_DRY_ASH_FREE = (
    "fuel: {"
    + ", ".join(
        (
            "carbon_pct: 58",
            "carbon_basis: daf",
            "moisture_pct: 9",
            "ash_dry_pct: 20",
            "oxidation_rate: 1",
            "source: l",
        )
    )
    + "}"
)
_SOUND = [
    ("diesel", *_LIQUID, "density_t_per_m3: 0.84"),
    ("diesel", *_LIQUID, "density_t_per_m3: 0.84", "density_at_c: 20", "petroleum_group: petroleum_products"),
    ("diesel", *_LIQUID, "density_t_per_m3: 0.84", "density_at_c: 20", "expansion_per_k: 0.0008"),
    ("diesel", "quantity: volume_nm3", "factor_set: FUELS", "density_t_per_m3: 0.84", "density_at_c: 20"),
    ("natural_gas", "quantity: volume_m3", "factor_set: FUELS", "factor_base_state: 0C"),
    (
        "diesel",
        "quantity: mass_t",
        _DRY_ASH_FREE,
    ),
]


@pytest.mark.parametrize("facts", _SOUND)
def test_sound(facts: tuple[str, ...]) -> None:
    assert _problems(*facts) == ()


_AT_FAULT = [
    # (facts, the words of the fault, whether it only warns)
    ((*_LIQUID,), "neither `factor_base_state` (for a gas) nor `density_t_per_m3`", True),
    ((*_LIQUID, "density_t_per_m3: 0.84", "density_at_c: 20"), "how the liquid expands", True),
    ((*_LIQUID, "factor_base_state: 0C", "density_at_c: 20"), "without `density_t_per_m3`", False),
    (
        (*_LIQUID, "density_t_per_m3: 0.84", "expansion_per_k: 0.0008"),
        "`expansion_per_k` without `density_at_c`",
        False,
    ),
    (
        (*_LIQUID, "density_t_per_m3: 840", "density_at_c: 20", "petroleum_group: petroleum_products"),
        "is in no table of petroleum_products",
        False,
    ),
    (
        (
            *_LIQUID,
            "density_t_per_m3: 0.8",
            "density_at_c: 20",
            "petroleum_group: crude_oil",
            "expansion_per_k: 0",
        ),
        "known by one",
        False,
    ),
    (
        (*_LIQUID, "density_t_per_m3: 0.8", "density_at_c: 20", "factor_base_state: 0C"),
        "of a liquid, and `factor_base_state`, of a gas",
        False,
    ),
    (
        (*_LIQUID, "density_t_per_m3: 0.8", "fuel: {ncv_gj_per_unit: 42, ncv_gj_per_t: 42, source: l}"),
        "the same property twice",
        False,
    ),
    (
        (
            *_LIQUID,
            "density_t_per_m3: 0.8",
            "fuel: {carbon_pct: 80, carbon_content_t_per_gj: 0.02, source: l}",
        ),
        "the same property twice",
        False,
    ),
    (
        (*_LIQUID, "density_t_per_m3: 0.8", "fuel: {ncv_gj_per_t: 42, ncv_basis: ad, source: l}"),
        "needs moisture_pct and moisture_air_dried_pct",
        False,
    ),
    (
        (*_LIQUID, "density_t_per_m3: 0.8", "fuel: {ncv_gj_per_unit: 42, ncv_basis: ar, source: l}"),
        "has no effect without `ncv_gj_per_t`",
        False,
    ),
    (
        (*_LIQUID, "factor_base_state: 0C", "fuel: {ncv_mj_per_m3: 36, source: l}"),
        "ncv_mj_per_m3 of a gas without its `base_state`",
        False,
    ),
    (
        (*_LIQUID, "density_t_per_m3: 0.8", "fuel: {ncv_gj_per_t: 36, base_state: 0C, source: l}"),
        "has no effect without a value per m3",
        False,
    ),
    (("quantity: mass_t", "fuel: {carbon_pct: 58, source: l}"), "has no `factor_set`", False),
    (
        (*_LIQUID, "density_t_per_m3: 0.8", "fuel: {moisture_pct: 100, source: l}"),
        "should be less than 100",
        False,
    ),
]


@pytest.mark.parametrize(("facts", "words", "warning"), _AT_FAULT)
def test_at_fault(facts: tuple[str, ...], words: str, warning: bool) -> None:
    [problem] = _problems("diesel", *facts)
    assert words in problem.message
    assert problem.warning == warning
    assert problem.line is not None
    assert problem.line >= 14
