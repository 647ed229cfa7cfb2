"""Hours of judged stacks: when one is valid, what it is made of, what stands in for a missing one."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.domain.ledger.rows import StackHour
from services.domain.quantities import Kind, Status
from services.domain.reading import DeviceKey, Reading
from tests.ledger.conftest import T0, MakeWorld, World, approx, reading

CEMS = DeviceKey("s", Kind.CEMS, "c")
H = timedelta(hours=1)
EPA = Path(__file__).resolve().parents[3] / "shared" / "data" / "epa_orispl58054_stack_flow_2021q4.csv"
FLOW, CO2 = 1_000_000.0, 10.0
KG_PER_H = FLOW * CO2 / 100 * 44 / 22.4
"""CO2 of the stack at its usual flow and concentration, HJ 75."""


def stack(interval_s: int = 60, gauges: str = "instant", **rules: Any) -> dict[str, Any]:
    device = {"interval_s": interval_s, "analyser": "dry", "gauges": gauges}
    source = {
        "scope": 1,
        "method": "cems",
        "carrier": "flue_gas",
        "devices": ["cems/c"],
        "quantity": "flow_nm3_h",
        "in_total": True,
        "stack": rules,
    }
    return {"devices": {"cems/c": device}, "sources": {"stack": source}, "timezone": "UTC"}


def at(minute: float, status: Any = Status.VALID, **values: float | None) -> Reading:
    return reading(CEMS, minute * 60, status, **{"flow_nm3_h": FLOW, "co2_pct": CO2, **values})


def minutes(of: Iterable[int]) -> list[Reading]:
    return [at(minute) for minute in of]


# What ends the first hour: of another hour, and not valid in it.
LATER = at(61, Status.MAINTENANCE)


def first_hour(site: World, rows: list[Reading], item: str = "co2_kg") -> StackHour:
    [row] = [row for row in site.ledger(rows).stack_hours if row.hour == T0 and row.item == item]
    return row


@pytest.mark.parametrize(
    ("policy", "sent", "valid"),
    [
        ("quadrant", [0, 15, 30, 45], True),
        ("quadrant", [14, 29, 44, 59], True),
        ("quadrant", [0, 14, 30, 45], False),
        ("quadrant", range(45), False),
        ("45min", range(45), True),
        ("45min", range(44), False),
        ("45min", range(15, 60), True),
        ("45min", [*range(30), *range(45, 60)], True),
        ("80pct", range(48), True),
        ("80pct", range(47), False),
        ("80pct", [*range(0, 60, 2)], False),
    ],
)
def test_when_an_hour_is_valid(world: MakeWorld, policy: str, sent: Iterable[int], valid: bool) -> None:
    site = world(**stack(hour_validity=policy))
    row = first_hour(site, [*minutes(sent), LATER])
    assert (row.measured is not None) == valid
    hour = site.emissions([*minutes(sent), LATER], "stack")[T0]
    assert hour.co2_kg == (approx(KG_PER_H) if valid else None)
    reason = f"no valid hour of flow_nm3_h, co2_pct ({policy})"
    assert hour.missing_reason == (None if valid else reason)
    assert hour.estimated is False


@pytest.mark.parametrize(("policy", "interval_s", "sent"), [("45min", 300, 9), ("80pct", 450, 7)])
def test_fewer_readings_than_minutes(world: MakeWorld, policy: str, interval_s: int, sent: int) -> None:
    site = world(**stack(interval_s, hour_validity=policy))
    rows = [at(i * interval_s / 60) for i in range(sent)]
    assert first_hour(site, [*rows, LATER]).measured == approx(KG_PER_H)
    assert first_hour(site, [*rows[:-1], LATER]).measured is None


def test_stamps_that_jitter_are_minutes_all_the_same(world: MakeWorld) -> None:
    site = world(**stack(hour_validity="45min"))
    jittery = [at(minute + (0.3 if minute % 2 else 0.01)) for minute in range(45)]
    assert first_hour(site, [*jittery, LATER]).measured == approx(KG_PER_H)


def test_a_mean_stamped_with_its_end_is_of_the_quarter_before(world: MakeWorld) -> None:
    site = world(**stack(900, "interval_mean", hour_validity="quadrant"))
    rows = [at(minute) for minute in (15, 30, 45, 60)]
    assert first_hour(site, [*rows, at(75)]).measured == approx(KG_PER_H)
    assert first_hour(site, [at(0), *rows[:-1], at(75)]).measured is None


def test_each_quantity_is_judged_by_itself(world: MakeWorld) -> None:
    site = world(**stack(hour_validity="45min"))
    calibrating = [at(minute, {"co2_pct": "calibration"}) for minute in range(20)]
    rows = [*calibrating, *minutes(range(20, 61))]
    assert first_hour(site, rows, "co2_pct").measured is None
    assert first_hour(site, rows, "flow_nm3_h").measured == FLOW
    reason = "no valid hour of co2_pct (45min)"
    assert site.emissions(rows, "stack")[T0].missing_reason == reason
    assert first_hour(site, rows).reason == reason


def test_an_hour_is_the_product_of_its_means(world: MakeWorld) -> None:
    """Not the mean of the products: C and Q of HJ 75 and of F-11 are hourly averages."""
    site = world(**stack(hour_validity="45min"))
    rows = [
        at(i, flow_nm3_h=FLOW * (2 if i < 30 else 0), co2_pct=CO2 * (2 if i < 30 else 0)) for i in range(61)
    ]
    assert site.emissions(rows, "stack")[T0].co2_kg == approx(KG_PER_H)
    assert world(**stack()).emissions(rows, "stack")[T0].co2_kg == approx(2 * KG_PER_H)


def test_an_hour_after_which_nothing_was_heard_is_not_judged(world: MakeWorld) -> None:
    site = world(**stack(hour_validity="45min"))
    rows = minutes(range(20))
    assert site.ledger(rows).stack_hours == []
    hour = site.emissions(rows, "stack")[T0]
    assert hour.co2_kg == approx(KG_PER_H * 22 / 60)  # the last value is held for three minutes
    before = {row.hour for row in site.ledger([*rows, LATER]).stack_hours}
    assert before == {T0}


EVIDENCE: dict[str, Any] = {"o2_pct": {"at_least": 19}, "temperature_c": {"at_most": 60}}


def standing(minute: float, o2_pct: float = 20.5, temperature_c: float | None = 30.0) -> Reading:
    return at(minute, Status.STOPPED, flow_nm3_h=9e4, o2_pct=o2_pct, temperature_c=temperature_c)


def test_a_standstill_is_zero_only_with_evidence(world: MakeWorld) -> None:
    rows = [*minutes(range(30)), *(standing(i) for i in range(30, 61))]
    policies: tuple[dict[str, Any], ...] = ({}, {"hour_validity": "quadrant"})
    for rules in policies:
        site = world(**stack(stopped_evidence=EVIDENCE, **rules))
        hour = site.emissions(rows, "stack")[T0]
        assert (hour.co2_kg, hour.coverage) == (approx(KG_PER_H / 2), 1.0)
        without = world(**stack(**rules)).emissions(rows, "stack")[T0]
        assert without.co2_kg == (None if rules else approx(KG_PER_H / 2))
        assert without.coverage == approx(0.5)


@pytest.mark.parametrize(("o2", "temperature"), [(18.9, 30.0), (20.5, 61.0), (20.5, None)])
def test_what_is_no_evidence(world: MakeWorld, o2: float, temperature: float | None) -> None:
    site = world(**stack(stopped_evidence=EVIDENCE))
    hour = site.emissions([standing(i, o2, temperature) for i in range(61)], "stack")[T0]
    assert (hour.co2_kg, hour.missing_reason) == (None, "no valid flow_nm3_h")


def test_a_valid_flow_goes_before_the_evidence(world: MakeWorld) -> None:
    site = world(**stack(stopped_evidence=EVIDENCE))
    rows = [at(i, o2_pct=20.5, temperature_c=30.0) for i in range(61)]
    assert site.emissions(rows, "stack")[T0].co2_kg == approx(KG_PER_H)


def test_a_whole_hour_of_standstill_is_measured_as_zero(world: MakeWorld) -> None:
    rules: Any = {"hour_validity": "quadrant", "substitution": "hjt75_2007", "stopped_evidence": EVIDENCE}
    site = world(**stack(**rules))
    rows = [*minutes(range(60)), *(standing(i) for i in range(60, 121)), *minutes(range(121, 200))]
    found = {(row.hour, row.item): row for row in site.ledger(rows).stack_hours}
    stood = found[T0 + H, "co2_kg"]
    assert (stood.ran_h, stood.measured, stood.substituted) == (0.0, 0.0, None)
    assert found[T0 + H, "co2_pct"].measured is None
    assert found[T0 + H, "co2_pct"].reason is None
    assert site.emissions(rows, "stack")[T0 + H].co2_kg == 0.0


def test_the_operating_fraction_is_time_run(world: MakeWorld) -> None:
    """F-11 gives a rate; the mass is that times the hours run, and the means are of the time run."""
    site = world(**stack(hour_validity="quadrant"))
    rows = [at(i, operating_fraction=1.0) for i in range(15)]
    rows += [at(i, operating_fraction=0.5) for i in range(15, 30)]
    rows += [at(i, operating_fraction=0.0, co2_pct=0.1, flow_nm3_h=10.0) for i in range(30, 61)]
    row = first_hour(site, rows)
    assert (row.ran_h, row.measured) == (approx(0.375), approx(KG_PER_H * 0.375))


def gap_of_co2(hours: int, after: float = 14.0) -> list[Reading]:
    """An hour at 10 %, some in which the analyser calibrates, and one at 14 %."""
    rows = minutes(range(60))
    rows += [at(i, {"co2_pct": "calibration"}, flow_nm3_h=2 * FLOW) for i in range(60, 60 + 60 * hours)]
    return rows + [at(i, co2_pct=after) for i in range(60 + 60 * hours, 121 + 60 * hours)]


def test_the_missing_quantity_is_filled_and_the_measured_one_counts(world: MakeWorld) -> None:
    site = world(**stack(hour_validity="45min", substitution="hjt75_2007"))
    rows = gap_of_co2(2)
    for hour in (T0 + H, T0 + 2 * H):
        made = site.emissions(rows, "stack")[hour]
        assert made.co2_kg == approx(2 * KG_PER_H * 1.2)  # 12 % at twice the flow
        assert (made.estimated, made.missing_reason, made.factor_provisional) == (True, None, False)
        found = {row.item: row for row in site.ledger(rows).stack_hours if row.hour == hour}
        assert found["flow_nm3_h"].measured == 2 * FLOW
        assert (found["co2_pct"].measured, found["co2_pct"].substituted) == (None, approx(12.0))
        assert (found["co2_kg"].measured, found["co2_kg"].substituted) == (None, approx(made.co2_kg))
        assert found["co2_kg"].method == "hjt75_2007: mean of the hours before and after"
        assert (found["co2_kg"].gap_h, found["co2_kg"].availability_pct) == (2, approx(100 / 3))
    measured = site.emissions(rows, "stack")[T0]
    assert (measured.co2_kg, measured.estimated) == (approx(KG_PER_H), False)


def test_a_policy_fills_what_its_rule_is_about(world: MakeWorld) -> None:
    rows = minutes(range(60)) + minutes(range(120, 240))
    us = world(**stack(hour_validity="45min", substitution="us_part75"))
    reason = "no valid hour of flow_nm3_h, co2_pct (45min); us_part75 provides nothing for flow_nm3_h"
    assert us.emissions(rows, "stack")[T0 + H].missing_reason == reason
    china = world(**stack(hour_validity="45min", substitution="hj75_2017"))
    hour = china.emissions(rows, "stack")[T0 + H]
    # Unconfirmed, and two of three hours are no 75 %.
    assert hour.missing_reason is not None
    assert "hj75_2017: availability below 75 %" in hour.missing_reason
    rows = minutes(range(240)) + minutes(range(300, 420))
    hour = china.emissions(rows, "stack")[T0 + 4 * H]
    assert (hour.co2_kg, hour.factor_provisional) == (approx(KG_PER_H), True)


def test_an_open_gap_is_unknown_until_it_closes(world: MakeWorld) -> None:
    site = world(**stack(hour_validity="45min", substitution="hjt75_2007"))
    rows = gap_of_co2(2)[:-61]
    reason = "no valid hour of co2_pct (45min); hjt75_2007: the gap is not closed"
    assert site.emissions(rows, "stack")[T0 + H].missing_reason == reason


def test_a_fact_that_changes_within_an_hour_counts_from_the_next(world: MakeWorld) -> None:
    facts = [
        {"from": "2020-01-01T00:00:00Z", "interval_s": 60, "analyser": "dry"},
        {"from": (T0 + timedelta(minutes=20)).isoformat(), "bias_adjustment_factor": 1.5},
    ]
    given = stack(hour_validity="45min")
    site = world({"cems/c": {"facts": facts}}, given["sources"], timezone="UTC")
    hours = site.emissions(minutes(range(121)), "stack")
    assert [hours[T0 + i * H].co2_kg for i in range(2)] == [approx(KG_PER_H), approx(1.5 * KG_PER_H)]


def test_part_75_is_reported_in_its_units_and_rounded(world: MakeWorld) -> None:
    """Example of F-11: 16.1 % of 81,546,000 scf/h are 748.3 short tons/h; nothing is summed from that."""
    given = stack(form="part75", hour_validity="quadrant")
    given["devices"]["cems/c"] |= {"analyser": "wet", "bias_adjustment_factor": 1.02}
    given["sources"]["stack"]["quantity"] = "flow_wet_nm3_h"
    site = world(**given)
    flow = 81_546_000.0 / 1.02 * 0.3048**3 * 273.15 / 293.15
    rows = [
        reading(CEMS, 60 * i, flow_wet_nm3_h=flow, co2_pct=16.1, operating_fraction=0.5) for i in range(61)
    ]
    found = {row.item: row for row in site.ledger(rows).stack_hours}
    co2 = found["co2_kg"]
    assert (co2.reporting_value, co2.reporting_unit) == (748.3, "short tons/h")
    assert (co2.ran_h, co2.measured) == (approx(0.5), approx(5.7e-7 * 16.1 * 81_546_000 / 2 * 907.18474))
    assert (found["co2_pct"].reporting_value, found["co2_pct"].reporting_unit) == (16.1, "%")
    assert found["flow_wet_nm3_h"].measured == approx(flow)
    assert (found["flow_wet_nm3_h"].reporting_value, found["flow_wet_nm3_h"].reporting_unit) == (
        81_546_000.0,
        "scf/h",
    )
    china = world(**stack(hour_validity="quadrant"))
    assert {row.reporting_value for row in china.ledger(minutes(range(61))).stack_hours} == {None}


F_FACTORS = {"fc_scf_per_mmbtu": 1800, "fd_dscf_per_mmbtu": 9780, "source": "fuel analysis"}


@pytest.mark.parametrize(
    ("analyser", "diluent", "measured", "mmbtu_h"),
    [
        ("wet", "co2", {"co2_pct": 9.0}, 100.0 * 9.0 / 1800 * 100),  # F-15
        ("dry", "co2", {"co2_pct": 10.0, "moisture_pct": 10.0}, 100.0 * 9.0 / 1800 * 100),  # F-16
        ("wet", "o2", {"o2_pct": 8.36, "moisture_pct": 10.0}, 1e6 / 9780 * 0.5),  # F-17
        ("dry", "o2", {"o2_pct": 10.45, "moisture_pct": 10.0}, 1e6 / 9780 * 0.45),  # F-18
    ],
)
def test_heat_input(
    world: MakeWorld, analyser: str, diluent: str, measured: dict[str, float], mmbtu_h: float
) -> None:
    given = stack(form="part75", diluent=diluent, f_factors=F_FACTORS, hour_validity="quadrant")
    given["devices"]["cems/c"] |= {"analyser": analyser}
    given["sources"]["stack"]["quantity"] = "flow_wet_nm3_h"
    flow = 1e6 * 0.3048**3 * 273.15 / 293.15
    values: dict[str, Any] = {"flow_wet_nm3_h": flow, **measured}
    rows = [reading(CEMS, 60 * i, operating_fraction=0.5, **values) for i in range(61)]
    row = first_hour(world(**given), rows, "heat_input_mmbtu")
    assert (row.measured, row.substituted) == (approx(mmbtu_h / 2), None)
    assert row.reporting_unit == "mmBtu/h"
    assert row.reporting_value == approx(mmbtu_h, abs=0.0501)


def test_heat_input_of_a_missing_hour(world: MakeWorld) -> None:
    rules = {"hour_validity": "45min", "substitution": "hjt75_2007"}
    given = stack(form="part75", f_factors=F_FACTORS, **rules)  # type: ignore[arg-type]
    given["devices"]["cems/c"] |= {"analyser": "wet"}
    given["sources"]["stack"]["quantity"] = "flow_wet_nm3_h"
    rows = [
        reading(
            CEMS,
            60 * i,
            {"co2_pct": "fault"} if i // 60 == 1 else Status.VALID,
            flow_wet_nm3_h=FLOW,
            co2_pct=CO2,
        )
        for i in range(181)
    ]
    found = {(row.hour, row.item): row for row in world(**given).ledger(rows).stack_hours}
    measured, filled = found[T0, "heat_input_mmbtu"], found[T0 + H, "heat_input_mmbtu"]
    assert (filled.measured, filled.substituted) == (None, approx(measured.measured))
    assert filled.method == "hjt75_2007: mean of the hours before and after"


def test_a_real_stack_is_reported_as_epa_has_it(world: MakeWorld) -> None:
    """The unadjusted flow of 1,785 hours of ORISPL 58054, through the ledger, against EPA's adjusted one."""
    if not EPA.exists():
        pytest.skip(f"{EPA.name} is not beside the clone")
    with EPA.open() as file:
        hours = list(csv.DictReader(file))
    begin = datetime.fromisoformat(hours[0]["date"]).replace(hour=int(hours[0]["hour"]), tzinfo=UTC)
    given = stack(3600, "interval_mean", form="part75", hour_validity="80pct")
    given["devices"]["cems/c"] |= {"analyser": "wet", "bias_adjustment_factor": 1.063}
    given["sources"]["stack"]["quantity"] = "flow_wet_nm3_h"
    rows = [
        reading(
            CEMS,
            begin + (number + 1) * H,
            flow_wet_nm3_h=float(each["unadjusted_scfh"]) * 0.3048**3 * 273.15 / 293.15,
            co2_pct=12.0,
        )
        for number, each in enumerate(hours)
    ]
    made = world(**given).ledger(rows).stack_hours
    found = {row.hour: row.reporting_value for row in made if row.item == "flow_wet_nm3_h"}
    expected = {begin + number * H: float(each["adjusted_scfh"]) for number, each in enumerate(hours)}
    assert len(expected) == 1785
    assert {hour: found[hour] for hour in expected} == expected
