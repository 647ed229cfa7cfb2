"""Uncertainties that would be without effect, or half, are told at their line."""

from __future__ import annotations

import pytest

from tests.registry.test_checks import expect_one, faults

REGISTRY = """version: 1
sites:
  works:
    timezone: Europe/Berlin
    region: DE
    devices:
      flowmeter/gas:
        facts:
          - {{from: 2024-01-01, interval_s: 60, base_state: 0C, accuracy_pct: 1, uncertainty_pct: 0.8}}
      beltscale/stone: {{facts: [{{from: 2024-01-01, interval_s: 60, accuracy_pct: 0.5}}]}}
    sources:
      boiler:
        {{scope: 1, method: fuel, carrier: natural_gas, facts: [{{from: 2024-01-01, devices: [flowmeter/gas],
        quantity: volume_nm3, factor_set: FUELS, factor_base_state: 0C, in_total: true,
        uncertainty: {{{boiler}source: test}}}}]}}
      kiln:
        {{scope: 1, method: mass_balance, carrier: limestone, facts: [{{from: 2024-01-01, in_total: true,
        streams: [{{device: beltscale/stone, quantity: mass_t, carbonate: CaCO3, uncertainty_pct: 2}}],
        uncertainty: {{{kiln}source: test}}}}]}}
"""
PARTS = "ncv_pct: 1.5, carbon_content_pct: 2, oxidation_rate_pct: 0.5, "


@pytest.mark.parametrize(
    ("boiler", "kiln"), [("", ""), (PARTS, "activity_pct: 1, "), ("factor_pct: 2, activity_pct: 1, ", "")]
)
def test_sound(boiler: str, kiln: str, factors: dict[str, set[str]]) -> None:
    assert faults(REGISTRY.format(boiler=boiler, kiln=kiln), factors) == ()


@pytest.mark.parametrize(
    ("boiler", "kiln", "words", "warning"),
    [
        (PARTS + "factor_pct: 2, ", "", "beside its own parts", False),
        ("ncv_pct: 1.5, ", "", "lacks carbon_content_pct, oxidation_rate_pct", True),
        ("factor: 2, ", "", "did you mean `factor_pct`?", False),
        ("factor_pct: 120, ", "", "less than or equal to 100", False),
        ("market_factor_pct: 2, ", "", "only on electricity", False),
        ("", "factor_pct: 2, ", "give each stream its own uncertainty_pct", False),
    ],
)
def test_at_fault(boiler: str, kiln: str, words: str, warning: bool, factors: dict[str, set[str]]) -> None:
    text = REGISTRY.format(boiler=boiler, kiln=kiln)
    where = boiler if boiler else kiln
    assert words in expect_one(text, f"uncertainty: {{{where}", factors, warning=warning)
