"""docs/registry.md lists the fields there are, and its example is sound."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from services.cli.registry_doc import DOCUMENT, document
from services.domain.factors import FactorBook
from services.domain.registry.foreseen import foresee
from services.domain.registry.parse import parse
from services.store.factors import factor_names, shipped_factors


def test_the_document_is_that_of_the_model() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python -m services.cli.registry_doc"


def test_its_example_is_sound_and_leaves_no_source_unknown() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", document(), re.DOTALL)
    factors = shipped_factors()
    parsed = parse(example, "example", factor_names(factors))
    assert parsed.warnings == ()
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert list(foresee(parsed.registry, FactorBook(factors), now)) == []
