from __future__ import annotations

import pytest

from services.domain.gwp import GWP_SETS


@pytest.mark.parametrize(
    ("name", "fossil", "biogenic", "n2o"),
    [("AR4", 25, 25, 298), ("AR5", 28, 28, 265), ("AR6", 29.8, 27.0, 273)],
)
def test_warming_potentials(name: str, fossil: float, biogenic: float, n2o: float) -> None:
    gwp = GWP_SETS[name]
    assert (gwp.ch4(biogenic=False), gwp.ch4(biogenic=True), gwp.n2o) == (fossil, biogenic, n2o)
