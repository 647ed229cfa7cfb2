"""Registry files for tests: a small sound one, which tests change by replacing text."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.domain.registry.model import Registry
from services.domain.registry.parse import parse

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "registry.yaml"

SMALL = Path(__file__).with_name("small.yaml")
FACTORS = {"GRID": {"electricity_DE"}, "FUELS": {"coal", "natural_gas"}}


@pytest.fixture(scope="session")
def small() -> str:
    """A registry without any fault."""
    return SMALL.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def factors() -> dict[str, set[str]]:
    """The factor sets the small registry names."""
    return FACTORS


@pytest.fixture
def registry(small: str) -> Registry:
    """The small registry."""
    return parse(small, "small.yaml", FACTORS).registry


@pytest.fixture(scope="session")
def demo() -> str:
    """The demo's registry file."""
    return DEMO.read_text(encoding="utf-8")
