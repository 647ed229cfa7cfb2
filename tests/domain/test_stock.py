"""Changes of stock: carbon between two inventories, spread over the time between, nothing lost or made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.factors import CO2_PER_CARBON
from services.domain.ledger.balance import balanced
from services.domain.ledger.hours import HOUR_US, to_us
from services.domain.registry.model import Method, Stock
from services.domain.stock import NO_STOCKS, StockChange, Stocks, stocks_of

T0 = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN = to_us(T0)


def inventory(hours: float, mass_t: float, carbon: float = 0.8, material: str = "coal") -> Stock:
    return Stock(
        material=material,
        at=T0 + timedelta(hours=hours),
        mass_t=mass_t,
        carbon_fraction=carbon,
        document="survey",
    )


def test_between_two_inventories_the_stock_grows_evenly() -> None:
    stocks = stocks_of([inventory(10, 150.0), inventory(0, 100.0)])
    grown_kg = 50 * 0.8 * 44 / 12 * 1000
    assert stocks.growth_kg(BEGIN, BEGIN + 10 * HOUR_US) == pytest.approx(grown_kg)
    assert stocks.growth_kg(BEGIN + HOUR_US, BEGIN + 2 * HOUR_US) == pytest.approx(grown_kg / 10)
    half = stocks.growth_kg(BEGIN - HOUR_US // 2, BEGIN + HOUR_US // 2)
    assert half == pytest.approx(grown_kg / 20)
    assert stocks.growth_kg(BEGIN + 10 * HOUR_US, BEGIN + 11 * HOUR_US) is None
    assert stocks.growth_kg(BEGIN - HOUR_US, BEGIN) is None


def test_a_pile_that_did_not_change_is_known_not_to_have() -> None:
    assert stocks_of([inventory(0, 100.0), inventory(1, 100.0)]).growth_kg(BEGIN, BEGIN + HOUR_US) == 0.0


def test_the_quality_of_a_pile_counts_too() -> None:
    wetter = stocks_of([inventory(0, 100.0, 0.80), inventory(1, 105.0, 0.76)])
    assert wetter.growth_kg(BEGIN, BEGIN + HOUR_US) == pytest.approx(
        (105 * 0.76 - 80) * CO2_PER_CARBON * 1000
    )


def test_materials_are_piles_of_their_own() -> None:
    both = [
        inventory(0, 10.0),
        inventory(2, 20.0),
        inventory(0, 5.0, 0.12, "lime"),
        inventory(1, 3.0, 0.12, "lime"),
    ]
    stocks = stocks_of(both)
    assert [change.co2_kg for change in stocks.changes] == pytest.approx(
        [10 * 0.8 * CO2_PER_CARBON * 1000, -2 * 0.12 * CO2_PER_CARBON * 1000]
    )
    # From lime's last inventory on something is still to be told.
    assert stocks.known_until_us == BEGIN + HOUR_US
    assert not stocks.is_open(BEGIN + HOUR_US)
    assert stocks.is_open(BEGIN + HOUR_US + 1)
    assert not NO_STOCKS.is_open(BEGIN)


_TIMES = st.lists(st.integers(0, 5000), min_size=2, max_size=6, unique=True)


@given(times=_TIMES, masses=st.lists(st.floats(0.0, 1e5), min_size=6, max_size=6), cuts=_TIMES)
def test_stretches_of_time_add_up_to_what_the_stock_grew(
    times: list[int], masses: list[float], cuts: list[int]
) -> None:
    stocks = stocks_of(inventory(at / 60, mass) for at, mass in zip(times, masses, strict=False))
    edges = sorted({BEGIN, *(BEGIN + cut * 60_000_000 for cut in cuts), BEGIN + 5000 * 60_000_000})
    parts = [stocks.growth_kg(*stretch) for stretch in pairwise(edges)]
    order = sorted(zip(times, masses, strict=False))
    grown_t = (order[-1][1] - order[0][1]) * 0.8
    assert sum(part or 0.0 for part in parts) == pytest.approx(
        grown_t * CO2_PER_CARBON * 1000, rel=1e-9, abs=1e-3
    )


def _stocks(co2_kg: float) -> Stocks:
    return Stocks((StockChange(0, HOUR_US, co2_kg),), HOUR_US)


HOUR = (0, HOUR_US)


@pytest.mark.parametrize(
    ("streams_kg", "stock_kg", "left_kg"),
    [
        ([300.0, -100.0], None, 200.0),
        ([300.0, -100.0], 50.0, 150.0),
        ([300.0, -100.0], -50.0, 250.0),
        ([300.0, -300.0], None, 0.0),
        ([0.1, 0.2, -0.30000000000000004], None, 0.0),
        ([-100.0], -100.0, 0.0),  # a product out of stock
        ([100.0, -300.0], None, None),
        ([300.0, -100.0], 250.0, None),
    ],
)
def test_more_carbon_out_than_in_is_unknown_and_never_zero(
    streams_kg: list[float], stock_kg: float | None, left_kg: float | None
) -> None:
    stocks = NO_STOCKS if stock_kg is None else _stocks(stock_kg)
    found = balanced(Method.MASS_BALANCE, sum(streams_kg), streams_kg, stocks, HOUR)
    assert found.co2_kg == (None if left_kg is None else pytest.approx(left_kg))
    assert (found.reason is None) == (left_kg is not None)
    assert found.stock_kg == stock_kg


def test_the_alarm_says_how_much() -> None:
    reason = balanced(Method.MASS_BALANCE, -200.0, [1000.0, -1200.0], NO_STOCKS, HOUR).reason
    assert "more carbon leaves than enters: 1 t CO2 in, 1.2 t out" in str(reason)


def test_other_methods_and_the_unknown_are_left_alone() -> None:
    # Heat that goes back may well be more than what comes.
    assert balanced(Method.HEAT, -5.0, [-5.0], NO_STOCKS, HOUR) == (-5.0, None, None)
    assert balanced(Method.MASS_BALANCE, None, [], _stocks(5.0), HOUR) == (None, None, None)
