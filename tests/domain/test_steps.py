"""The steps of a formula end at the formula's own value, to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import formulas
from services.domain.arrays import column
from services.domain.formulas import FORMULAS, Formula
from services.domain.part75_formulas import PART75_FORMULAS
from services.domain.steps.formulas import EXPLAINED, evaluate

ALL = (*FORMULAS, *PART75_FORMULAS)
WITHOUT_STEPS = {formulas.LINEAR, formulas.ONE_WAY, formulas.BELT}
RANGES = {
    "temperature_c": (20.0, 320.0),
    "return_temperature_c": (10.0, 60.0),
    "pressure_kpa": (200.0, 3000.0),
    "static_pressure_pa": (-500.0, 500.0),
    "barometric_pressure_pa": (90_000.0, 105_000.0),
    "moisture_pct": (0.0, 30.0),
    "co2_pct": (1.0, 20.0),
    "o2_pct": (0.0, 20.9),
    "operating_fraction": (0.0, 1.0),
    "scale": (0.1, 10.0),
    "pressure_offset_kpa": (0.0, 101.325),
    "base_temperature_k": (273.15, 293.15),
    "compressibility_ratio": (0.9, 1.1),
    "density_at_c": (0.0, 30.0),
    "expansion_per_k": (0.0, 0.003),
    "curvature": (0.0, 0.8),
    "dryness_fraction": (0.5, 1.0),
    "duct_area_m2": (1.0, 50.0),
    "fc": (1000.0, 2000.0),
    "fd": (8000.0, 10000.0),
}


def test_every_formula_is_explained_but_for_those_that_only_scale() -> None:
    assert set(ALL) - EXPLAINED.keys() == WITHOUT_STEPS


def _drawn(data: st.DataObject, name: str) -> float:
    low, high = RANGES.get(name, (0.0, 1.0))
    if name in {"flow_wet", "analyser_wet", "meter_in_return"}:
        return data.draw(st.sampled_from([0.0, 1.0]), name)
    return data.draw(st.floats(low, high), name)


@pytest.mark.parametrize("formula", EXPLAINED, ids=lambda formula: formula.name)
@settings(max_examples=30)
@given(data=st.data())
def test_the_steps_end_at_the_formulas_value(formula: Formula, data: st.DataObject) -> None:
    x = data.draw(st.floats(0.0, 1e6), "x")
    given_ = {name: _drawn(data, name) for name in (*formula.inputs, *formula.params)}
    for name in formula.optional:
        if data.draw(st.booleans(), f"without {name}"):
            given_[name] = math.nan
    values = {name: column(value) for name, value in given_.items()}
    last = EXPLAINED[formula](column(x), values)[-1]
    found = evaluate(formula, x, given_, [given_[name] for name in formula.params])
    assert last.name == "activity"
    assert np.float64(last.value).tobytes() == np.float64(found.activity).tobytes() or (
        math.isnan(last.value) and math.isnan(found.activity)
    )
    assert (found.reason is None) == math.isfinite(found.activity)


def test_what_lacks_is_named() -> None:
    found = evaluate(formulas.STEAM_SUPERHEATED, 1.0, {"pressure_kpa": 1000.0}, [1.0, 0.0])
    assert (math.isnan(found.activity), found.reason) == (True, "temperature_c not given")
    cold = {"pressure_kpa": 1000.0, "temperature_c": 100.0}
    found = evaluate(formulas.STEAM_SUPERHEATED, 1.0, cold, [1.0, 0.0])
    assert found.reason is not None
    assert "colder than saturation" in found.reason
