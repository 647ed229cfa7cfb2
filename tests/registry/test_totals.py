"""What would count twice in a total is refused, with both sides named and what to do."""

from __future__ import annotations

import pytest

from services.domain.registry.parse import parse
from services.domain.registry.problems import Problem, RegistryError

HEAD = """\
version: 1
sites:
  works:
    timezone: UTC
    region: DE
    areas: {furnace: {}, boilers: {}}
    devices:
"""
SINCE = "facts: [{from: 2024-01-01"


def device(ref: str, more: str = "") -> str:
    return f"      {ref}: {{{SINCE}, interval_s: 60{more}}}]}}\n"


def source(name: str, scope: int, method: str, carrier: str, facts: str) -> str:
    return (
        f"      {name}: {{scope: {scope}, method: {method}, carrier: {carrier}, {SINCE}, in_total: true, "
        f"{facts}}}]}}\n"
    )


def fuel(name: str, ref: str, carrier: str = "bituminous_coal", more: str = "") -> str:
    quantity = "mass_t" if ref.startswith("beltscale") else "volume_nm3, factor_base_state: 0C"
    return source(
        name, 1, "fuel", carrier, f"devices: [{ref}], quantity: {quantity}, factor_set: CN_NDRC_2.1{more}"
    )


def grid(name: str, refs: str, more: str = "") -> str:
    facts = f"devices: [{refs}], quantity: energy_import_kwh, factor_set: CN_MEE_PROVINCE{more}"
    return source(name, 2, "electricity", "electricity", facts)


def balance(name: str, streams: str, more: str = "") -> str:
    return source(name, 1, "mass_balance", "steel", f"streams: [{streams}]{more}")


def stack(name: str = "stack", more: str = "") -> str:
    return source(name, 1, "cems", "flue_gas", f"devices: [cems/stack]{more}")


def registry(devices: list[str], sources: list[str]) -> str:
    return HEAD + "".join(devices) + "    sources:\n" + "".join(sources)


def faults(text: str) -> tuple[Problem, ...]:
    try:
        return parse(text, "r.yaml").warnings
    except RegistryError as error:
        return error.problems


BELT, TRUCK = device("beltscale/belt"), device("beltscale/truck")
METER = device("meter/main", ", carrier: electricity")
SUB = device("meter/sub", ", carrier: electricity, submeter_of: meter/main")
BFG = device("flowmeter/bfg", ", base_state: 0C, carrier: blast_furnace_gas, energy_quantity: volume_nm3")
COKE = device("beltscale/coke", ", carrier: coke")
STACK = device("cems/stack", ", analyser: dry, duct_area_m2: 4")
INTO = "{device: beltscale/coke, quantity: mass_t, carbon_fraction: 0.86}"
OUT = (
    "{device: flowmeter/bfg, quantity: volume_nm3, role: output, carbon_fraction: 0.3, "
    "density_t_per_m3: 0.0013, density_base_state: 0C}"
)
BURNS = fuel("hot-stoves", "flowmeter/bfg", "blast_furnace_gas", ", area: boilers")
DELIVERY, USE = ", metering_point: delivery", ", metering_point: use"

REFUSED: dict[str, tuple[list[str], list[str], str]] = {
    "coal by two scales of which nothing is said": (
        [TRUCK, BELT],
        [fuel("bought", "beltscale/truck"), fuel("burned", "beltscale/belt")],
        (
            "burned: counts bituminous_coal in the total by beltscale/belt, and bought by "
            "beltscale/truck, both at the same place: if one weighs what the other has weighed (a truck "
            "scale and a belt), it counts twice; set `in_total: false` on one, or, if each weighs its "
            "own, say `metering_point: use` of both."
        ),
    ),
    "coal as delivered and as used": (
        [device("beltscale/truck", DELIVERY), device("beltscale/belt", USE)],
        [
            fuel("bought", "beltscale/truck", more=", area: furnace"),
            fuel("burned", "beltscale/belt", more=", area: boilers"),
        ],
        (
            "burned: counts bituminous_coal in the total by beltscale/belt, and bought by "
            "beltscale/truck: beltscale/truck measures it as it is delivered, beltscale/belt as it is "
            "used, and it is the same fuel; set `in_total: false` on one."
        ),
    ),
    "deliveries of a balance and the belt": (
        [device("beltscale/truck", ", carrier: bituminous_coal" + DELIVERY), BELT],
        [
            balance("bought", INTO.replace("coke", "truck")),
            fuel("burned", "beltscale/belt"),
        ],
        (
            "burned: counts bituminous_coal in the total by beltscale/belt, and bought by "
            "beltscale/truck: beltscale/truck measures it as it is delivered, beltscale/belt as it is "
            "used, and it is the same fuel; set `in_total: false` on one."
        ),
    ),
    "a belt that is said to be behind the truck scale": (
        [device("beltscale/truck", ""), device("beltscale/belt", ", submeter_of: beltscale/truck")],
        [fuel("bought", "beltscale/truck", more=", area: furnace"), fuel("burned", "beltscale/belt")],
        (
            "burned: counts beltscale/belt in the total, and bought counts its main meter "
            "beltscale/truck: the same amount would count twice; keep the main meter."
        ),
    ),
    "a sub-meter beside its main meter": (
        [METER, SUB],
        [grid("site", "meter/main"), grid("tenant", "meter/sub")],
        (
            "tenant: counts meter/sub in the total, and site counts its main meter meter/main: the same "
            "amount would count twice; keep the main meter."
        ),
    ),
    "a sub-meter added to its main meter": (
        [METER, SUB],
        [grid("site", "meter/main, meter/sub")],
        (
            "site: counts meter/sub in the total, and its main meter meter/main: the same amount would "
            "count twice; keep the main meter."
        ),
    ),
    "blast-furnace gas by balance and by combustion": (
        [BFG, COKE],
        [balance("furnace", INTO), BURNS],
        (
            "hot-stoves: counts blast_furnace_gas in the total as it burns, and furnace counts its carbon"
            " in the total as it goes in (beltscale/coke): it would count twice; give furnace an output "
            "stream by a device of `carrier: blast_furnace_gas`, which takes it off there, or set "
            "`in_total: false` on one."
        ),
    ),
    "blast-furnace gas as an input of the balance": (
        [BFG, COKE],
        [balance("furnace", f"{INTO}, {OUT.replace(' role: output,', '')}"), BURNS],
        (
            "hot-stoves: counts flowmeter/bfg in the total, and so does furnace: the same amount would "
            "count twice; set `in_total: false` on one."
        ),
    ),
    "location and market basis": (
        [METER],
        [grid("by-place", "meter/main"), grid("by-market", "meter/main", ", region: CN")],
        (
            "by-market: counts meter/main in the total, and so does by-place: the same amount would count"
            " twice; where one is by location and the other by market, they are two bases of one source: "
            "give by-place `market`, choose with `total_basis`, and drop this one; else set `in_total: "
            "false` on one."
        ),
    ),
    "both routes of a stack": (
        [STACK, BELT],
        [fuel("coal", "beltscale/belt"), stack(more=", reconciles_with: coal")],
        (
            "stack: is in the total together with coal, with which it reconciles: they are two routes of "
            "the same carbon; set `in_total: false` on one."
        ),
    ),
    "both routes of a stack that nobody named": (
        [STACK, BELT],
        [fuel("coal", "beltscale/belt", more=", area: boilers"), stack(more=", area: boilers")],
        (
            "coal: counts bituminous_coal of boilers in the total, and stack what a stack there emits: "
            "the CO2 leaves by the stack and would count twice; set `in_total: false` on one and name the"
            " other in its `reconciles_with`, or, if it does not pass stack, say `reconciles_with: []` of"
            " stack."
        ),
    ),
    "one device in two sources": (
        [BELT],
        [fuel("coal", "beltscale/belt"), fuel("again", "beltscale/belt")],
        (
            "again: counts beltscale/belt in the total, and so does coal: the same amount would count "
            "twice; set `in_total: false` on one."
        ),
    ),
}


@pytest.mark.parametrize(("devices", "sources", "message"), REFUSED.values(), ids=REFUSED)
def test_double_counting_is_refused_in_words(devices: list[str], sources: list[str], message: str) -> None:
    text = registry(devices, sources)
    name, words = message.split(": ", 1)
    [problem] = faults(text)
    assert not problem.warning
    assert problem.message == words
    assert problem.place[:4] == ("sites", "works", "sources", name)
    assert problem.line == 1 + text[: text.index(f"      {name}: {{scope")].count("\n")


@pytest.mark.parametrize(("devices", "sources"), [case[:2] for case in REFUSED.values() if len(case[1]) > 1])
def test_and_is_accepted_where_one_side_is_not_in_the_total(devices: list[str], sources: list[str]) -> None:
    apart = sources[-1].replace("in_total: true", "in_total: false")
    assert faults(registry(devices, [*sources[:-1], apart])) == ()


@pytest.mark.parametrize(
    ("devices", "sources"),
    [
        # Two belts, each with coal of its own: said so, or at two places.
        (
            [device("beltscale/truck", USE), device("beltscale/belt", USE)],
            [fuel("one", "beltscale/truck"), fuel("two", "beltscale/belt")],
        ),
        (
            [TRUCK, BELT],
            [
                fuel("one", "beltscale/truck", more=", area: furnace"),
                fuel("two", "beltscale/belt", more=", area: boilers"),
            ],
        ),
        ([TRUCK, BELT], [fuel("one", "beltscale/truck"), fuel("two", "beltscale/belt", "lignite")]),
        # Two boilers with a gas meter each are the rule.
        (
            [BFG, BFG.replace("bfg", "second")],
            [BURNS, fuel("more", "flowmeter/second", "blast_furnace_gas", ", area: boilers")],
        ),
        # What is burned is taken off the balance, by the same device or another.
        ([BFG, COKE], [balance("furnace", f"{INTO}, {OUT}"), BURNS]),
        (
            [BFG, BFG.replace("bfg", "top"), COKE],
            [balance("furnace", f"{INTO}, {OUT.replace('bfg', 'top')}"), BURNS],
        ),
        # Bought from a neighbour, it is of no balance here.
        ([BFG.replace(", carrier", f"{DELIVERY}, carrier"), COKE], [balance("furnace", INTO), BURNS]),
        # Limestone is no coke.
        ([BFG, COKE], [balance("lime", INTO.replace("carbon_fraction: 0.86", "carbonate: CaCO3")), BURNS]),
        (
            [STACK, BELT],
            [fuel("coal", "beltscale/belt", more=", area: boilers"), stack(more=", area: furnace")],
        ),
        (
            [STACK, BELT],
            [
                fuel("coal", "beltscale/belt", more=", area: boilers"),
                stack(more=", area: boilers, reconciles_with: []"),
            ],
        ),
    ],
)
def test_what_only_looks_alike_is_accepted(devices: list[str], sources: list[str]) -> None:
    assert faults(registry(devices, sources)) == ()


def test_it_is_refused_from_the_day_on_that_it_begins() -> None:
    later = device("beltscale/belt")[:-3] + ", {from: 2025-01-01, submeter_of: beltscale/truck}]}\n"
    sources = [fuel("one", "beltscale/truck", more=", area: furnace"), fuel("two", "beltscale/belt")]
    assert faults(registry([TRUCK, BELT], sources)) == ()
    [problem] = faults(registry([TRUCK, later], sources))
    assert "its main meter beltscale/truck" in problem.message


@pytest.mark.parametrize(
    ("others", "counting", "words"),
    [
        ("coal", (), "neither is its other route coal: that carbon counts nowhere"),
        ("[coal, oil]", ("coal",), "neither is its other route oil"),
        ("[coal, oil]", ("coal", "oil"), None),
    ],
)
def test_routes_of_which_none_counts_are_told(
    others: str, counting: tuple[str, ...], words: str | None
) -> None:
    text = registry(
        [STACK, BELT, TRUCK],
        [
            each if name in counting else each.replace("in_total: true", "in_total: false")
            for name, each in (
                ("coal", fuel("coal", "beltscale/belt")),
                ("oil", fuel("oil", "beltscale/truck", "diesel")),
                ("stack", stack(more=f", reconciles_with: {others}")),
            )
        ],
    )
    found = faults(text)
    assert [problem.warning for problem in found] == ([] if words is None else [True])
    assert all(words in problem.message for problem in found if words)
