"""Virtual meters: what they come to, and what is no virtual meter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.registry.diff import differences, refusals, touched
from services.domain.registry.model import Registry
from services.domain.registry.parse import parse
from services.domain.registry.problems import Problem, RegistryError
from services.domain.registry.projection import device_key
from services.domain.registry.readable import readable
from services.domain.registry.virtual import expanded, virtual_periods

AT = datetime(2024, 6, 1, tzinfo=UTC)
DEVICES = "\n".join(
    f"      {ref}: {{facts: [{{from: 2024-01-01, interval_s: 60, carrier: {carrier}, "
    f"energy_quantity: {of}}}]}}"
    for ref, carrier, of in (
        ("meter/main", "electricity", "energy_import_kwh"),
        ("meter/a", "electricity", "energy_import_kwh"),
        ("meter/b", "electricity", "energy_import_kwh"),
        ("flowmeter/gas", "natural_gas", "volume_m3"),
    )
)


def text(*meters: str) -> str:
    listed = "\n".join(f"      {each}" for each in meters)
    return (
        "version: 1\nsites:\n  s:\n    timezone: UTC\n    areas: {hall: {}}\n    devices:\n"
        f"{DEVICES}\n      meter/late: {{facts: [{{from: 2024-01-01, interval_s: 60}}, {{from: 2025-01-01, "
        f"carrier: electricity}}]}}\n    virtual_meters:\n{listed}\n"
    )


def meter(name: str, parts: str) -> str:
    return f"{name}: {{facts: [{{from: 2024-01-01, {parts}}}]}}"


def faults(*meters: str) -> tuple[Problem, ...]:
    try:
        return parse(text(*meters), "r.yaml").warnings
    except RegistryError as error:
        return error.problems


TENANT = meter("tenant", "area: hall, plus: [meter/main], minus: [meter/a, meter/b]")


@pytest.mark.parametrize(
    ("meters", "words"),
    [
        ([TENANT], None),
        ([TENANT, meter("rest", "plus: [virtual/tenant, meter/a]")], None),
        ([meter("sum", "plus: [meter/a, meter/b]")], None),
        ([meter("x", "plus: [meter/c]")], "names meter/c, which the site does not have"),
        ([meter("x", "plus: [meter/a], minus: [virtual/tenent]"), TENANT], "did you mean virtual/tenant?"),
        ([meter("x", "plus: [cems/a]")], "a virtual meter is made of meter/id, flowmeter/id"),
        ([meter("x", "plus: [meter/a], area: hell")], "names hell, which the site does not have"),
        (
            [meter("x", "plus: [meter/a, flowmeter/gas]")],
            "mixes electricity (meter/a) and natural_gas (flowm",
        ),
        ([meter("x", "plus: [meter/a, meter/a]")], "counts meter/a 2 times"),
        ([meter("x", "plus: [virtual/tenant], minus: [meter/a]"), TENANT], "counts meter/a 2 times"),
        (
            [meter("x", "plus: [meter/main, meter/a], minus: [meter/a]")],
            "adds meter/a and takes it off again",
        ),
        ([meter("x", "minus: [meter/a]")], "has no `plus`"),
        ([meter("x", "plus: [virtual/x]")], "goes round: x in x; a virtual meter is not made of itself"),
        ([meter("x", "plus: [meter/late]")], "whose `carrier` is not named then"),
        ([meter("x", "plus: [meter/a], minsu: [meter/b]")], "did you mean `minus`?"),
    ],
)
def test_a_fault_of_a_virtual_meter_is_told_at_its_line(meters: list[str], words: str | None) -> None:
    found = faults(*meters)
    if words is None:
        assert found == ()
        return
    [problem] = found
    assert words in problem.message
    assert not problem.warning
    assert problem.line == 1 + text(*meters)[: text(*meters).index(f"      {meters[0][:4]}")].count("\n")


def test_a_cycle_of_several_is_told_of_each_and_does_not_hang() -> None:
    found = faults(*(meter(one, f"plus: [virtual/{other}]") for one, other in ("ab", "bc", "ca")))
    assert [each.message.split(";")[0] for each in found] == [
        "goes round: a in b in c in a",
        "goes round: b in c in a in b",
        "goes round: c in a in b in c",
    ]


def test_periods_change_with_facts_and_end() -> None:
    changing = (
        "x: {ended: 2024-09-01, facts: [{from: 2024-01-01, plus: [meter/main]}, "
        "{from: 2024-03-01, minus: [meter/a]}, {from: 2024-05-01, area: hall}]}"
    )
    nested = meter("y", "plus: [virtual/x]")
    registry = parse(text(changing, nested)).registry
    found = [
        (p.virtual_meter, p.valid_from.month, p.valid_to and p.valid_to.month, p.area, len(p.parts))
        for p in virtual_periods(registry)
    ]
    assert found == [
        ("x", 1, 3, None, 1),
        ("x", 3, 5, None, 2),
        ("x", 5, 9, "hall", 2),
        ("y", 1, 3, None, 1),
        ("y", 3, 9, None, 2),
    ]


_REFS = ("meter/main", "meter/a", "meter/b")
_SIGNED = st.dictionaries(st.sampled_from(_REFS), st.sampled_from(("plus", "minus")), max_size=3)


@given(_SIGNED, st.lists(st.tuples(_SIGNED, st.sampled_from(("plus", "minus"))), max_size=3))
@settings(max_examples=60, deadline=None)
def test_what_is_within_counts_as_if_it_were_written_out(
    own: dict[str, str], inner: list[tuple[dict[str, str], str]]
) -> None:
    def facts(parts: dict[str, str], more: dict[str, str]) -> dict[str, object]:
        named = parts | more
        return {"from": AT} | {
            side: [ref for ref, of in named.items() if of == side] for side in ("plus", "minus")
        }

    meters = {f"in-{number}": {"facts": [facts(parts, {})]} for number, (parts, _) in enumerate(inner)}
    refs = {f"virtual/in-{number}": side for number, (_, side) in enumerate(inner)}
    site = {"timezone": "UTC", "virtual_meters": meters | {"out": {"facts": [facts(own, refs)]}}}
    registry = Registry.model_validate({"version": 1, "sites": {"s": site}})
    sign = {"plus": 1, "minus": -1}
    expected = {ref: sign[side] for ref, side in own.items()}
    for parts, side in inner:
        for ref, of in parts.items():
            expected[ref] = expected.get(ref, 0) + sign[side] * sign[of]
    assert expanded(registry.sites["s"], "out", AT) == expected


def test_the_past_of_a_virtual_meter_is_not_changed_once_its_hours_are_computed() -> None:
    old = parse(text(TENANT)).registry
    new = parse(text(TENANT.replace(", meter/b]", "]"))).registry
    computed = {device_key("s", "meter/a"): datetime(2025, 1, 1, tzinfo=UTC)}
    [problem] = refusals(old, new, computed)
    assert "changes minus from 2024-01-01 on" in problem.message
    assert refusals(old, new, {}) == []
    [gone] = refusals(old, parse(text(meter("other", "plus: [meter/a]"))).registry, {})
    assert "a virtual meter is not removed but ended" in gone.message
    later = TENANT.replace("}]}", "}, {from: 2026-01-01, minus: [meter/a]}]}")
    assert refusals(old, parse(text(later)).registry, computed) == []
    assert touched(old, new) == {}, "no stored number hangs on it"


def test_a_change_is_told_by_its_date_and_the_file_comes_back_as_it_was() -> None:
    old, new = parse(text(TENANT)).registry, parse(text(TENANT.replace(", meter/b]", "]"))).registry
    [change] = differences(old, new)
    assert change.place == ("sites", "s", "virtual_meters", "tenant", "facts", "2024-01-01", "minus")
    [entry] = readable(old)["sites"]["s"]["virtual_meters"]["tenant"]["facts"]
    assert entry["from"] == "2024-01-01"
