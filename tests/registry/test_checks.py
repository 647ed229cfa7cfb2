"""Every fault of a registry is found, once, at its line, and nothing else is."""

from __future__ import annotations

import pytest

from services.domain.registry.parse import parse
from services.domain.registry.problems import Problem, RegistryError


def faults(text: str, factors: dict[str, set[str]]) -> tuple[Problem, ...]:
    try:
        return parse(text, "r.yaml", factors).warnings
    except RegistryError as error:
        return error.problems


def changed(small: str, old: str, new: str) -> str:
    assert old in small, f"the small registry has no {old!r}"
    return small.replace(old, new, 1)


def expect_one(text: str, marked: str, factors: dict[str, set[str]], *, warning: bool = False) -> str:
    """The message of the only fault, which is on the line that `marked` is on."""
    [problem] = faults(text, factors)
    assert problem.warning == warning, problem
    before = text[: text.index(marked)]
    assert problem.line == before.count("\n") + 1, problem
    return problem.message


def test_the_small_registry_and_the_demos_are_sound(
    small: str, demo: str, factors: dict[str, set[str]]
) -> None:
    assert faults(small, factors) == ()
    assert parse(demo, "demo").warnings == ()


CASES = [
    # (what is replaced, by what, where the fault is found, words of its message)
    ("Europe/Berlin", "Europe/Bern", "timezone", "is no time zone"),
    ("    timezone: Europe/Berlin\n", "", "works:", "is missing"),
    ("version: 1", "version: 2", "version", "should be 1"),
    ("region: DE", "regoin: DE", "regoin", "did you mean `region`?"),
    ("floor", "floor", "", "")[:0] or ("type: building", "type: tower", "hall:", "should be 'building'"),
    ("name: Main", "name: 7", "name: 7", "put 7 in quotes"),
    ("interval_s: 60\n", "interval_s: 0\n", "interval_s: 0", "greater than 0"),
    ("interval_s: 60\n", "interval_s: .inf\n", "interval_s: .inf", "finite number"),
    ("interval_s: 60\n", "interval: 60\n", "interval: 60", "did you mean `interval_s`?"),
    ("- from: 2024-01-01", "- from: 2024-31-01", "from: 2024-31-01", "no time"),
    ("- from: 2024-01-01", "- from: 5", "from: 5", "which is no time"),
    ("meter/sub:", "meter/Sub:", "meter/Sub", "a device is written kind/id"),
    ("meter/sub:", "pump/sub:", "pump/sub", "a device is written kind/id"),
    ("      hall:", "      Nave: {}\n      hall:", "Nave:", "an id is up to 63 of"),
    (
        "{from: 2025-01-01,",
        "{from: 2024-01-01,",
        "{from: 2024-01-01, interval_s: 30}",
        "the date of the entry before",
    ),
    (
        "{from: 2025-01-01,",
        "{from: 2023-01-01,",
        "{from: 2023-01-01, interval_s: 30}",
        "before the entry above",
    ),
    ("        name: Main\n", "        ended: 2025-01-01\n", "ended:", "not after the last `from`"),
    ("            area: hall\n", "            area: hell\n", "area: hell", "did you mean hall?"),
    ("energy_import_kwh: {m", "energy_kwh: {m", "energy_kwh: {m", "which a meter does not have"),
    ("energy_import_kwh: {m", "power_kw: {m", "power_kw: {m", "is no register but a gauge"),
    ("modulus: 1000000,", "modulus: 0.1,", "modulus: 0.1", "not below its modulus"),
    (
        "energy_quantity: energy_import_kwh\n",
        "energy_quantity: mass_t\n",
        "energy_quantity: mass_t",
        "which a meter",
    ),
    (
        "energy_quantity: energy_import_kwh\n",
        "energy_quantity: voltage_v\n",
        "energy_quantity: volt",
        "no amount",
    ),
    ("base_state: 0C\n", "base_state: 0C\n            analyser: dry\n", "analyser: dry\n", "only on a cems"),
    ("submeter_of: meter/main", "submeter_of: meter/mian", "submeter_of", "did you mean meter/main?"),
    ("submeter_of: meter/main", "submeter_of: meter/sub", "submeter_of", "names the device itself"),
    ("{from: 2025-01-01,", "{from: 2025-01-01, submeter_of: meter/sub,", "{from: 2025", "goes round"),
    ("scope: 2", "scope: 1", "scope: 1", "electricity is of scope 2"),
    ("devices: [meter/main]", "devices: [meter/man]", "devices: [meter/man]", "did you mean meter/main?"),
    ("devices: [meter/main]", "devices: [meter/main, meter/main]", "devices: [m", "twice"),
    (
        "devices: [meter/main]",
        "devices: []",
        "from: 2024-01-01\n            area: hall\n            devices",
        "no `dev",
    ),
    ("devices: [meter/main]", "devices: [cems/stack]", "devices: [c", "cannot be measured"),
    (
        "quantity: energy_import_kwh\n            f",
        "quantity: voltage_v\n            f",
        "quantity: voltage_v",
        "counts one of",
    ),
    (
        "            quantity: energy_import_kwh\n",
        "",
        "from: 2024-01-01\n            area: hall\n            devices",
        "no `q",
    ),
    ("factor_set: GRID", "factor_set: GIRD", "factor_set: GIRD", "is not known"),
    (
        "            factor_set: GRID\n",
        "",
        "from: 2024-01-01\n            area: hall\n            devices",
        "no `factor_s",
    ),
    ("carrier: coal", "carrier: peat", "{from: 2024-01-01, devices: [beltscale/coal]", "no factor for peat"),
    ("reconciles_with: coal", "reconciles_with: cole", "{from: 2024-01-01, devices: [cems", "names cole"),
    (
        "reconciles_with: coal",
        "reconciles_with: stack",
        "{from: 2024-01-01, devices: [cems",
        "the source itself",
    ),
    (
        "in_total: false",
        "in_total: true",
        "{from: 2024-01-01, devices: [cems",
        "two routes of the same carbon",
    ),
    (", in_total: false", "", "{from: 2024-01-01, devices: [cems", "does not say `in_total`"),
    (
        "in_total: false",
        "in_total: false, medium: heat_meter",
        "{from: 2024-01-01, devices: [cems",
        "has no effect",
    ),
    (", analyser: dry", "", "{from: 2024-01-01, devices: [cems", "needs `analyser` of cems/stack"),
]


@pytest.mark.parametrize(("old", "new", "marked", "words"), CASES)
def test_a_fault_is_found(
    small: str, factors: dict[str, set[str]], old: str, new: str, marked: str, words: str
) -> None:
    text = changed(small, old, new)
    assert words in expect_one(text, marked, factors)


WARNINGS = [
    ("            base_state: 0C\n", "", "needs the `base_state` of flowmeter/gas"),
    ("            factor_base_state: 0C\n", "", "has no `factor_base_state`"),
    ("    region: DE\n", "", "has no `region`"),
    (", duct_area_m2: 4", "", "needs the `duct_area_m2`"),
    ("            carrier: natural_gas\n", "", "`energy_quantity` without `carrier`"),
    ("hall, interval_s: 60}\n      cems", "hall}\n      cems", "no `interval_s`"),
]


@pytest.mark.parametrize(("old", "new", "words"), WARNINGS)
def test_what_leaves_numbers_unknown_is_a_warning(
    small: str, factors: dict[str, set[str]], old: str, new: str, words: str
) -> None:
    [problem] = faults(changed(small, old, new), factors)
    assert problem.warning
    assert words in problem.message


def source(name: str, scope: int, method: str, carrier: str, facts: str) -> str:
    return (
        f"      {name}:\n        scope: {scope}\n        method: {method}\n        carrier: {carrier}\n"
        f"        facts:\n          - {{from: 2024-01-01, {facts}}}\n"
    )


HEAT = "devices: [flowmeter/gas], factor_set: HEAT, in_total: false"
BY_T = f"{HEAT}, quantity: mass_t, medium: saturated_steam_by_temperature"
CONDENSATE = "{device: flowmeter/return, quantity: mass_t}"
RETURN = "      flowmeter/return: {facts: [{from: 2024-01-01, interval_s: 60}]}\n"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (f"{HEAT}, quantity: mass_t", ["has no `medium`"]),
        (f"{HEAT}, quantity: mass_t, medium: heat_meter", ["a heat_meter counts energy_gj"]),
        (
            f"{HEAT}, quantity: energy_gj, medium: superheated_steam",
            ["a heat_meter counts", "pressure_reference"],
        ),
        (f"{HEAT}, quantity: mass_t, medium: superheated_steam", ["needs the `pressure_reference`"]),
        (f"{HEAT}, quantity: mass_t, medium: saturated_steam_by_temperature", []),
        (f"{HEAT}, quantity: energy_gj, medium: heat_meter", []),
        (f"{BY_T}, dryness_fraction: 0.97", []),
        (f"{BY_T}, dryness_fraction: 0", ["greater than 0"]),
        (f"{HEAT}, quantity: mass_t, medium: hot_water_open, dryness_fraction: 0.9", ["only on saturated"]),
        (f"{BY_T}, condensate: [{{device: flowmeter/water, quantity: mass_t}}]", ["names flowmeter/water"]),
        (f"{BY_T}, condensate: [{{device: flowmeter/gas, quantity: mass_t}}]", ["which counts the steam"]),
        (f"{BY_T}, condensate: [{{device: beltscale/coal, quantity: mass_t}}]", ["is mass_t of a beltscale"]),
        (f"{BY_T}, condensate: [{{device: cems/stack, quantity: mass_t}}]", ["which a cems does not have"]),
        (
            f"{HEAT}, quantity: mass_t, medium: hot_water_open, condensate: [{CONDENSATE}]",
            ["only steam condenses"],
        ),
    ],
)
def test_heat_needs_its_medium(small: str, facts: str, words: list[str]) -> None:
    text = changed(small, "    sources:\n", f"{RETURN}    sources:\n")
    text += source("heat", 2, "heat", "heat", facts)
    found = faults(text, {"GRID": {"electricity_DE"}, "FUELS": {"coal", "natural_gas"}, "HEAT": {"heat"}})
    assert len(found) == len(words)
    for problem, word in zip(found, words, strict=True):
        assert word in problem.message


STREAM = "device: beltscale/coal, quantity: mass_t"
GAS = "device: flowmeter/gas, quantity: volume_nm3"


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ("", "has no `streams`"),
        (f"streams: [{{{STREAM}, carbonate: CaCO3, carbon_fraction: 0.5}}]", "either `carbon_fraction` or"),
        (f"streams: [{{{STREAM}}}]", "either `carbon_fraction` or"),
        (
            "streams: [{device: beltscale/coal, quantity: speed_m_s, carbonate: CaCO3}]",
            "a carbon stream is a mass",
        ),
        (
            "streams: [{device: beltscale/cool, quantity: mass_t, carbonate: CaCO3}]",
            "did you mean beltscale/coal?",
        ),
        (
            f"streams: [{{{STREAM}, carbonate: CaCO3}}], devices: [meter/main]",
            "has no effect on a mass balance",
        ),
        (f"streams: [{{{STREAM}, carbonate: CaCO3, purity: 1.1}}]", "less than or equal to 1"),
        (f"streams: [{{{GAS}, carbon_fraction: 0.7}}]", "of a volume give `density_t_per_m3`"),
        (f"streams: [{{{GAS}, carbon_fraction: 0.7, density_t_per_m3: 0.001}}]", "name the base state"),
        (f"streams: [{{{STREAM}, carbonate: CaCO3, density_t_per_m3: 1}}]", "has no effect on mass_t"),
    ],
)
def test_a_mass_balance_needs_its_streams(
    small: str, factors: dict[str, set[str]], streams: str, words: str
) -> None:
    facts = f"in_total: false{', ' if streams else ''}{streams}"
    text = small + source("balance", 1, "mass_balance", "limestone", facts)
    [problem] = faults(text, factors)
    assert words in problem.message


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        # The same register, or the rate of the same flow, in two sources.
        (
            "devices: [meter/main], quantity: energy_import_kwh",
            "counts meter/main in the total, and so does power",
        ),
        ("devices: [meter/main], quantity: power_kw", "counts meter/main in the total, and so does power"),
        # A sub-meter beside its main meter.
        ("devices: [meter/sub], quantity: energy_import_kwh", "and power counts its main meter meter/main"),
    ],
)
def test_nothing_counts_twice_in_the_total(
    small: str, factors: dict[str, set[str]], facts: str, words: str
) -> None:
    twice = source("more", 2, "electricity", "electricity", f"{facts}, factor_set: GRID, in_total: true")
    [problem] = faults(small + twice, factors)
    assert words in problem.message
    apart = twice.replace("in_total: true", "in_total: false")
    assert faults(small + apart, factors) == ()


def test_what_is_fed_back_is_no_purchase_of_the_total(small: str, factors: dict[str, set[str]]) -> None:
    facts = "devices: [meter/main], quantity: energy_export_kwh, factor_set: GRID, in_total: false"
    text = small + source("sold", 2, "electricity", "electricity", facts)
    assert faults(text, factors) == ()
    [problem] = faults(text.replace("GRID, in_total: false", "GRID, in_total: true"), factors)
    assert "that is no purchase" in problem.message


GREEN = "contract: PPA, from: 2025-01-01, until: 2026-01-01, co2_kg_per_kwh: 0"
SHOWN = "certificate: GEC-1, document: binder"
SUPPLIER = "market: {supplier_co2_kg_per_kwh: 0.4, document: letter}"


@pytest.mark.parametrize(
    ("contracts", "facts", "words", "warning"),
    [
        ([f"{GREEN}, share: 0.4, {SHOWN}"], SUPPLIER, None, False),
        ([f"{GREEN}, kwh: 5, of_kwh: 10, {SHOWN}"], "market: {factor_set: GRID}", None, False),
        ([], SUPPLIER, None, False),
        ([], f"{SUPPLIER}, total_basis: market", None, False),
        ([], "total_basis: market", "neither `contracts` nor `market`", False),
        ([], "market: {}", "names no factor for what contracts do not cover", True),
        ([], "market: {factor_set: GIRD}", "is GIRD, which is not known", False),
        ([], "market: {supplier_co2_kg_per_kwh: 0.4}", "without its `document`", False),
        ([], "market: {supplier_co2_kg_per_kwh: 0, document: d}", "greater than 0", False),
        ([], "market: {residual: 0.4}", "is no known key", False),
        (
            [],
            "market: {supplier_co2_kg_per_kwh: 0.4, document: d, factor_set: GRID}",
            "the rest has one factor",
            False,
        ),
        ([f"{GREEN}, share: 0.4, document: d"], SUPPLIER, "names no `certificate`", True),
        ([f"{GREEN}, share: 0.4, certificate: c"], SUPPLIER, "names no `document`", True),
        ([f"{GREEN}, {SHOWN}"], SUPPLIER, "either `share`, or `kwh`", False),
        ([f"{GREEN}, share: 0.4, kwh: 5, of_kwh: 10, {SHOWN}"], SUPPLIER, "either `share`, or `kwh`", False),
        ([f"{GREEN}, kwh: 5, {SHOWN}"], SUPPLIER, "`kwh` without `of_kwh`", False),
        ([f"{GREEN}, kwh: 15, of_kwh: 10, {SHOWN}"], SUPPLIER, "more than was purchased", True),
        ([f"{GREEN}, share: 0.7, {SHOWN}"] * 2, SUPPLIER, "twice: remove one", False),
        (
            [f"{GREEN}, share: 0.7, {SHOWN}", f"{GREEN}, share: 0.7, {SHOWN}".replace("PPA", "B")],
            SUPPLIER,
            "together cover 1.4 times",
            False,
        ),
        (
            [f"{GREEN}, share: 0.4, {SHOWN}".replace("until: 2026", "until: 2025")],
            SUPPLIER,
            "is not after `from`",
            False,
        ),
        ([f"{GREEN}, share: 0.4, {SHOWN}".replace("2026-01-01", "2026-13-01")], SUPPLIER, "no time", False),
        ([f"{GREEN}, share: 0.4, {SHOWN}".replace("until", "till")], SUPPLIER, "till", False),
    ],
)
def test_contracts_of_electricity(
    small: str,
    factors: dict[str, set[str]],
    contracts: list[str],
    facts: str,
    words: str | None,
    warning: bool,
) -> None:
    listed = "".join(f"          - {{{each}}}\n" for each in contracts)
    head = f"        contracts:\n{listed}        facts:\n" if contracts else "        facts:\n"
    text = changed(
        small,
        "        facts:\n          - from: 2024-01-01\n            area: hall\n            dev",
        head + "          - from: 2024-01-01\n            area: hall\n            dev",
    )
    text = changed(
        text,
        "            factor_set: GRID\n",
        f"            factor_set: GRID\n            {facts}\n".replace(
            ", total_basis", "\n            total_basis"
        ),
    )
    found = faults(text, factors)
    messages = [f"{problem} {problem.message}" for problem in found if problem.warning == warning]
    if words is None:
        assert found == ()
    else:
        assert any(words in message for message in messages), found


PILE = "material: coal, at: 2025-01-01, mass_t: 100, carbon_fraction: 0.6, document: survey"


def test_inventories_are_of_mass_balances_and_each_once(small: str, factors: dict[str, set[str]]) -> None:
    balance = source(
        "balance",
        1,
        "mass_balance",
        "limestone",
        f"in_total: false, streams: [{{{STREAM}, carbonate: CaCO3}}]",
    )

    def found(*stocks: str) -> tuple[Problem, ...]:
        listed = f"stocks: [{', '.join(f'{{{each}}}' for each in stocks)}]"
        return faults(
            small + changed(balance, "        facts:", f"        {listed}\n        facts:"), factors
        )

    assert found(PILE, PILE.replace("2025", "2026"), PILE.replace("coal", "lime")) == ()
    assert "second inventory of coal" in found(PILE, PILE)[0].message
    told = [problem.message for problem in found(PILE.replace("mass_t", "mass"))]
    assert any("did you mean `mass_t`" in message for message in told)
    elsewhere = changed(
        small, "        carrier: coal\n", f"        carrier: coal\n        stocks: [{{{PILE}}}]\n"
    )
    assert "only on mass_balance" in faults(elsewhere, factors)[0].message


def test_contracts_are_of_electricity_only(small: str, factors: dict[str, set[str]]) -> None:
    listed = f"        contracts: [{{{GREEN}, share: 0.4, {SHOWN}}}]\n"
    [problem] = faults(changed(small, "        carrier: coal\n", f"        carrier: coal\n{listed}"), factors)
    assert "only on electricity" in problem.message


def test_a_main_meter_and_its_submeter_in_one_source_count_twice(
    small: str, factors: dict[str, set[str]]
) -> None:
    [problem] = faults(changed(small, "devices: [meter/main]", "devices: [meter/main, meter/sub]"), factors)
    assert "counts meter/sub in the total, and its main meter meter/main" in problem.message


def test_two_sources_may_count_a_device_one_after_the_other(small: str, factors: dict[str, set[str]]) -> None:
    ended = changed(small, "      power:\n", "      power:\n        ended: 2025-01-01\n")
    later = source(
        "more",
        2,
        "electricity",
        "electricity",
        "devices: [meter/main], quantity: energy_import_kwh, factor_set: GRID, in_total: true",
    ).replace("2024-01-01", "2025-01-01")
    assert faults(ended + later, factors) == ()
    [problem] = faults(small + later, factors)
    assert "would count twice" in problem.message


EVENT = "{type: meter_replaced, device: meter/main, at: 2024-06-01T10:00, final: {%s}, initial: {%s}}"
KWH = "energy_import_kwh"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (EVENT % (f"{KWH}: 5", f"{KWH}: 0"), None),
        (EVENT % (f"{KWH}: 5", "energy_export_kwh: 0"), "must give the same registers"),
        (EVENT % ("power_kw: 5", "power_kw: 5"), "is no register of a meter"),
        (EVENT % (f"{KWH}: -5", f"{KWH}: 0"), "below 0"),
        (EVENT % ("", ""), "is empty"),
        ((EVENT % (f"{KWH}: 5", f"{KWH}: 0")).replace("meter/main", "meter/mine"), "names meter/mine"),
        (
            (EVENT % (f"{KWH}: 5", f"{KWH}: 0")).replace("2024-06", "2023-06"),
            "outside the life of meter/main",
        ),
        ((EVENT % (f"{KWH}: 5", f"{KWH}: 0")).replace("T10:00", "T25:00"), "no time"),
    ],
)
def test_events(small: str, factors: dict[str, set[str]], event: str, words: str | None) -> None:
    found = faults(f"{small}    events:\n      - {event}\n", factors)
    if words is None:
        assert found == ()
    else:
        assert words in found[0].message
        assert found[0].line == small.count("\n") + 2


def test_an_event_is_told_once(small: str, factors: dict[str, set[str]]) -> None:
    event = EVENT % (f"{KWH}: 5", f"{KWH}: 0")
    [problem] = faults(f"{small}    events:\n      - {event}\n      - {event}\n", factors)
    assert "second event" in problem.message


def test_everything_wrong_is_told_at_once(small: str, factors: dict[str, set[str]]) -> None:
    """Faults of the text, of single entries, and between entries; and none that only follows from another."""
    text = small
    for old, new in (
        ("name: Main", "name: Main\n        name: Twice"),  # twice the same key
        ("interval_s: 60\n", "interval_s: -1\n"),  # makes meter/main wrong, and no reference to it
        ("base_state: 0C", "base_state: 4C"),  # makes flowmeter/gas wrong
        ("carrier: coal", "carrier: peat"),  # wrong beside the factors
        ("reconciles_with: coal", "reconciles_with: cole"),  # wrong between two sources
    ):
        text = changed(text, old, new)
    problems = faults(text, factors)
    assert [problem.line for problem in problems] == sorted(problem.line or 0 for problem in problems)
    assert len(problems) == 5
    assert str(problems[0]).startswith("r.yaml:12: sites.works.devices.meter/main: has 'name' twice")


def test_without_factors_their_names_are_not_checked(small: str) -> None:
    assert parse(small.replace("GRID", "ANY")).warnings == ()
