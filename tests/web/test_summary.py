"""Sums of the board: unknown is never taken for zero, and nothing counts twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.analytics.web.reader import Snapshot
from services.analytics.web.summary import Board, build
from services.store import board_rows as rows
from services.store.routes import RouteRow

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
"""Noon in Shanghai: the local day is 12 hours old."""
MIDNIGHT = NOW - timedelta(hours=12)


def source(name: str, in_total: bool = True) -> rows.SourceRow:
    return rows.SourceRow(
        site="campus",
        source=name,
        name="",
        scope=1,
        method="fuel",
        carrier="gas",
        area=None,
        in_total=in_total,
    )


def rate(
    name: str, kg_per_h: float | None, in_total: bool = True, age_s: float | None = 10.0
) -> rows.LiveRow:
    return rows.LiveRow(
        time=NOW,
        site="campus",
        source=name,
        name="",
        scope=1,
        basis=None,
        method="fuel",
        carrier="gas",
        co2_kg_per_h=kg_per_h,
        co2e_kg_per_h=None,
        factor=None,
        factor_valid_to=None,
        in_total=in_total,
        age_s=age_s,
    )


def hour(name: str, begin: datetime, co2_kg: float | None, in_total: bool = True) -> rows.SourceHourRow:
    return rows.SourceHourRow(
        site="campus",
        source=name,
        hour=begin,
        co2_kg=co2_kg,
        in_total=in_total,
        coverage=1.0,
        estimated=False,
        status="open",
        missing_reason=None if co2_kg is not None else "no valid reading",
    )


def energy(carrier: str, begin: datetime, kwh: float | None) -> rows.CarrierHourRow:
    return rows.CarrierHourRow(
        site="campus",
        carrier=carrier,
        hour=begin,
        energy_kwh=kwh,
        devices=1,
        unknown=0,
        coverage=1.0,
        estimated=False,
    )


def board(
    sources: list[rows.SourceRow],
    live: list[rows.LiveRow] | None = None,
    hours: list[rows.SourceHourRow] | None = None,
    carriers: list[rows.CarrierHourRow] | None = None,
    routes: Sequence[RouteRow] = (),
) -> Board:
    return build(
        Snapshot(
            taken_at=NOW,
            sites=[rows.SiteRow(site="campus", name="", timezone="Asia/Shanghai", country=None, region=None)],
            sources=sources,
            live=live or [],
            source_hours=hours or [],
            carrier_hours=carriers or [],
            device_counts=[],
            troubled=[],
            totals=[],
            reasons=[],
            letters=[],
            backlog=rows.BacklogRow(backlog=0, oldest_written_at=None, lag_s=0.0),
            received_per_s=None,
            routes=routes,
        )
    )


def test_now_sums_what_counts_in_a_total() -> None:
    found = board(
        [source("coal"), source("lime"), source("stack", in_total=False)],
        [rate("coal", 100.0, age_s=5), rate("lime", 4.0, age_s=40), rate("stack", 99.0, in_total=False)],
    )
    assert found.cards[0].now.kg_per_h == 104.0
    assert found.cards[0].now.age_s == 40
    assert found.now == found.cards[0].now


@pytest.mark.parametrize("live", [[rate("coal", 100.0)], [rate("coal", 100.0), rate("lime", None)]])
def test_one_unknown_source_makes_the_rate_unknown_and_is_named(live: list[rows.LiveRow]) -> None:
    now = board([source("coal"), source("lime")], live).cards[0].now
    assert now.kg_per_h is None
    assert now.known_kg_per_h == 100.0
    assert now.unknown == ("lime",)


def test_a_site_without_a_counted_source_has_no_rate_rather_than_zero() -> None:
    found = board([source("stack", in_total=False)], [rate("stack", 99.0, in_total=False)])
    assert found.cards[0].now.kg_per_h is None
    assert found.cards[0].co2_today.amount is None
    assert found.cards[0].energy_today.amount is None


def test_today_begins_at_the_sites_midnight() -> None:
    hours = [hour("coal", MIDNIGHT + timedelta(hours=k), 10.0) for k in range(-3, 12)]
    today = board([source("coal")], hours=hours).cards[0].co2_today
    assert today.amount == 120.0
    assert today.coverage == 1.0


def test_an_unknown_hour_or_none_lowers_the_coverage_not_the_mean() -> None:
    hours = [
        hour("coal", MIDNIGHT + timedelta(hours=k), None if k == 5 else 10.0) for k in range(12) if k != 7
    ]
    today = board([source("coal")], hours=hours).cards[0].co2_today
    assert today.amount == 100.0
    assert today.coverage == pytest.approx(10 / 12)
    assert today.unknown == ()


def test_a_source_of_which_nothing_is_known_today_is_named() -> None:
    hours = [hour("coal", MIDNIGHT + timedelta(hours=k), 10.0) for k in range(12)]
    found = board([source("coal"), source("lime")], hours=hours)
    assert found.cards[0].co2_today.unknown == ("lime",)
    assert found.cards[0].co2_today.coverage == pytest.approx(0.5)
    assert found.co2_today.unknown == ("campus/lime",)


def test_rows_outside_the_total_are_shown_but_not_summed() -> None:
    hours = [hour("coal", MIDNIGHT, 10.0), hour("stack", MIDNIGHT, 11.0, in_total=False)]
    card = board([source("coal"), source("stack", in_total=False)], hours=hours).cards[0]
    assert card.co2_today.amount == 10.0
    assert {line.source.source: line.today.amount for line in card.lines} == {"coal": 10.0, "stack": 11.0}
    assert {part.of for each in card.emission_hours for part in each.parts} == {"coal"}


@pytest.mark.parametrize("counted", ["location", "market"])
def test_of_two_bases_the_one_in_the_total_is_shown_and_the_other_beside_it(counted: str) -> None:
    live = [
        rate("power", kg_per_h, in_total=basis == counted).model_copy(update={"basis": basis})
        for basis, kg_per_h in (("location", 57.0), ("market", 30.0))
    ]
    live.sort(key=lambda row: not row.in_total)  # as `board.live` orders them
    [card] = board([source("power")], live).cards
    assert (card.lines[0].live, card.lines[0].other_basis) == tuple(live)
    assert card.now.kg_per_h == live[0].co2_kg_per_h


def test_energy_of_today_by_carrier() -> None:
    card = board(
        [], carriers=[energy("natural_gas", MIDNIGHT, 7.0), energy("electricity", MIDNIGHT, 5.0)]
    ).cards[0]
    assert card.energy_today.amount == 12.0
    assert [(carrier, today.amount) for carrier, today in card.carriers_today] == [
        ("electricity", 5.0),
        ("natural_gas", 7.0),
    ]
    assert [each.parts[0].amount for each in card.power_hours if each.parts] == [5.0]


def test_the_last_24_hours_end_with_the_running_one() -> None:
    card = board([source("coal")]).cards[0]
    assert len(card.emission_hours) == 24
    assert [each.begin for each in card.emission_hours if each.running] == [NOW]


def test_a_source_has_its_other_route_beside_it() -> None:
    route = RouteRow(
        site="campus",
        source="stack",
        others="coal",
        source_co2_kg_per_h=190.0,
        other_co2_kg_per_h=200.0,
        difference_pct=-5.0,
        tolerance_pct=None,
        verdict=None,
        in_total="coal",
        age_s=1.0,
        day_known_hours=24,
        day_source_co2_kg=1.0,
        day_other_co2_kg=1.0,
        day_difference_pct=0.0,
        day_tolerance_pct=None,
        day_verdict=None,
    )
    elsewhere = route.model_copy(update={"site": "other", "source": "coal"})
    found = board([source("coal"), source("stack", in_total=False)], routes=[route, elsewhere])
    lines = {line.source.source: line.route for line in found.cards[0].lines}
    assert lines == {"coal": None, "stack": route}


def uncertain(name: str, begin: datetime, co2_kg: float, activity: float | None) -> rows.SourceHourRow:
    return hour(name, begin, co2_kg).model_copy(
        update={"factor": "gas", "activity_uncertainty_pct": activity, "factor_uncertainty_pct": 4.0}
    )


def test_the_uncertainty_of_today() -> None:
    last, before = NOW - timedelta(hours=1), MIDNIGHT - timedelta(hours=1)
    hours = [
        uncertain("a", last, 100.0, 3.0),
        uncertain("a", last - timedelta(hours=1), 100.0, 3.0),
        uncertain("a", before, 100.0, None),  # yesterday
        uncertain("b", last, 50.0, 1.0),
        uncertain("b", last - timedelta(hours=1), 0.0, None),
        hour("b", last - timedelta(hours=2), None),
    ]
    [card] = board(sources=[source("a"), source("b")], hours=hours).cards
    assert card.co2_today.uncertainty_pct == pytest.approx(math.hypot(200 * 3, 50 * 1, 250 * 4) / 250)
    assert [line.today.uncertainty_pct for line in card.lines] == [
        pytest.approx(5.0),
        pytest.approx(math.hypot(1, 4)),
    ]
    hours.append(uncertain("b", last - timedelta(hours=3), 1.0, None))
    unknown = board(sources=[source("a"), source("b")], hours=hours)
    assert (unknown.cards[0].co2_today.uncertainty_pct, unknown.co2_today.uncertainty_pct) == (None, None)
