"""Every formula, whatever it computes: arrays and single values agree, and the unknown stays unknown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.arrays import FloatArray, column
from services.domain.formulas import BELT, HJ75, HJ75_FLOW, LINEAR, ONE_WAY, Formula
from services.domain.quantities import QUANTITIES, Kind
from tests.domain.samples import FORMULAS, PARAMS, sample


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.name)
def test_one_value_equals_the_same_value_among_many_to_the_bit(formula: Formula) -> None:
    x, inputs, params = sample(formula, 257, 7)
    many = formula.evaluate(x, inputs, params)
    known = ~np.isnan(many)
    assert many.dtype == np.float64
    assert many.shape == x.shape
    assert known.mean() > 0.5
    for i in range(0, len(x), 5):
        one = formula.evaluate(x[i : i + 1], [v[i : i + 1] for v in inputs], [p[i : i + 1] for p in params])
        assert one.tobytes() == many[i : i + 1].tobytes()


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.name)
def test_order_and_company_change_no_bit(formula: Formula) -> None:
    x, inputs, params = sample(formula, 64, 11)
    forward = formula.evaluate(x, inputs, params)
    backward = formula.evaluate(x[::-1], [v[::-1] for v in inputs], [p[::-1] for p in params])
    assert backward[::-1].tobytes() == forward.tobytes()


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.name)
def test_unknown_in_gives_unknown_out_never_zero(formula: Formula) -> None:
    x, inputs, params = sample(formula, 3, 3)
    assert np.isnan(formula.evaluate(np.full(3, np.nan), inputs, params)).all()
    for i, role in enumerate(formula.inputs):
        broken = [np.full(3, np.nan) if k == i else v for k, v in enumerate(inputs)]
        needed = role not in formula.optional or role == "moisture_pct"
        assert np.isnan(formula.evaluate(x, broken, params)).all() == needed
    if formula.params == ("scale",):
        assert np.isnan(formula.evaluate(x, inputs, [np.full(3, np.nan)])).all()


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.name)
@given(x=st.floats(0.0, 1e6), y=st.floats(0.0, 1e6), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_linear_and_additive_in_x(formula: Formula, x: float, y: float, seed: int) -> None:
    _, inputs, params = sample(formula, 1, seed)

    def at(value: float) -> float:
        return float(formula.evaluate(column(value), inputs, params)[0])

    if np.isnan(at(1.0)):
        return
    assert at(x + y) == pytest.approx(at(x) + at(y), rel=1e-9, abs=1e-9)
    assert at(0.0) == 0.0


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.name)
def test_whatever_a_device_may_send_gives_a_number_or_nan_without_a_warning(formula: Formula) -> None:
    """Every combination of the extremes that readings may have, and of the unknown."""
    limits = {
        each.name: (each.minimum or 0.0, 0.0, each.maximum or 1.0, np.nan)
        for kind in (Kind.METER, Kind.BELTSCALE, Kind.CEMS, Kind.FLOWMETER)
        for each in QUANTITIES[kind]
    }
    grid = np.meshgrid([0.0, 1e15, np.nan], *(limits[role] for role in formula.inputs))
    x, *inputs = (axis.ravel() for axis in grid)
    found = formula.evaluate(x, inputs, [np.full(len(x), PARAMS[name][0]) for name in formula.params])
    assert not np.isinf(found).any()
    assert np.isnan(found[np.isnan(x)]).all()


def test_names_are_unique() -> None:
    assert len({formula.name for formula in FORMULAS}) == len(FORMULAS)


def test_power_fed_back_is_no_negative_purchase() -> None:
    found = ONE_WAY.evaluate(column([5.0, -5.0, np.nan]), [], [column(1.0)])
    assert found[:2].tolist() == [5.0, 0.0]
    assert np.isnan(found[2])


def test_zero_drift_of_an_idle_belt_is_no_coal_but_its_register_counts() -> None:
    rate = column([0.4, 90.0, 90.0, np.nan])
    running = column([0.0, 1.0, np.nan, 0.0])
    live = BELT.evaluate(rate, [running], [column(1.0), column(1.0)])
    assert live[:3].tolist() == [0.0, 90.0, 90.0]
    assert np.isnan(live[3])
    register = BELT.evaluate(rate, [running], [column(1.0), column(0.0)])
    assert register[:3].tolist() == [0.4, 90.0, 90.0]


def test_same_basis_of_flow_and_analyser_needs_no_moisture() -> None:
    co2, unknown = column(11.8), column(np.nan)

    def t_h(
        flow: float, moisture: FloatArray, flow_wet: float, analyser_wet: float, pct: FloatArray
    ) -> float:
        params = [column(1.0), column(flow_wet), column(analyser_wet)]
        return float(HJ75_FLOW.evaluate(column(flow), [moisture, pct, unknown], params)[0])

    dry = t_h(1_656_003.885, unknown, 0.0, 0.0, co2)
    assert round(dry, 3) == 383.838
    wet_flow, wet_co2 = 1_656_003.885 / 0.885, co2 * 0.885
    assert t_h(wet_flow, unknown, 1.0, 1.0, wet_co2) == pytest.approx(dry)
    assert t_h(wet_flow, column(11.5), 1.0, 0.0, co2) == pytest.approx(dry)
    assert t_h(1_656_003.885, column(11.5), 0.0, 1.0, wet_co2) == pytest.approx(dry)
    assert np.isnan(t_h(wet_flow, unknown, 1.0, 0.0, co2))


def test_velocity_formula_with_wet_and_dry_analyser_and_operating_fraction() -> None:
    def t_h(co2_pct: float, analyser_wet: float, operating_fraction: float) -> float:
        inputs = [column(v) for v in (52.0, -150.0, 101_200.0, 11.5, co2_pct, operating_fraction)]
        return float(
            HJ75.evaluate(column(12.35), inputs, [column(1.0), column(50.24), column(analyser_wet)])[0]
        )

    assert round(t_h(11.8, 0.0, np.nan), 3) == 383.838
    assert round(t_h(11.8 * 0.885, 1.0, np.nan), 3) == 383.838
    assert t_h(11.8, 0.0, 0.25) == pytest.approx(383.838 / 4, abs=1e-3)


def test_linear_keeps_the_value() -> None:
    assert LINEAR.evaluate(column([1.0, -2.0]), [], [column(3.0)]).tolist() == [3.0, -6.0]
