"""What changes between two registries: shown, refused where numbers hang on it, or computed anew."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.diff import BEGINNING, Change, differences, refusals, touched
from services.domain.registry.model import Registry
from services.domain.registry.notices import notices
from services.domain.registry.parse import parse
from services.domain.registry.problems import place_text

MAIN, SUB = DeviceKey("works", Kind.METER, "main"), DeviceKey("works", Kind.METER, "sub")
GAS, COAL = DeviceKey("works", Kind.FLOWMETER, "gas"), DeviceKey("works", Kind.BELTSCALE, "coal")
COMPUTED = {MAIN: datetime(2026, 3, 1, tzinfo=UTC), GAS: datetime(2026, 3, 1, tzinfo=UTC)}
D2024 = datetime(2023, 12, 31, 23, tzinfo=UTC)  # midnight in Berlin
D2025 = datetime(2024, 12, 31, 23, tzinfo=UTC)


def edited(small: str, *edits: tuple[str, str]) -> Registry:
    for old, new in edits:
        assert old in small, f"the small registry has no {old!r}"
        small = small.replace(old, new, 1)
    return parse(small).registry


def shown(changes: tuple[Change, ...]) -> list[str]:
    return [f"{change.kind} {place_text(change.place)}" for change in changes]


def test_nothing_differs_from_itself(registry: Registry) -> None:
    assert differences(registry, registry) == ()
    assert refusals(registry, registry, COMPUTED) == []
    assert touched(registry, registry) == {}


def test_order_and_notation_are_no_difference(small: str, registry: Registry) -> None:
    other = edited(
        small, ("{from: 2025-01-01,", "{from: 2024-12-31T23:00Z,"), ("resolution: 0.1", "resolution: 1e-1")
    )
    assert differences(registry, other) == ()


def test_differences_name_entries_by_the_sites_date(small: str, registry: Registry) -> None:
    new = edited(
        small,
        ("{from: 2025-01-01, interval_s: 30}", "{from: 2025-01-01, interval_s: 15}"),
        ("      meter/sub:", "      meter/new: {facts: [{from: 2026-01-01}]}\n      meter/sub:"),
        ("name: Main", "serial: '7'"),
    )
    assert shown(differences(registry, new)) == [
        "added sites.works.devices.meter/main.serial",
        "changed sites.works.devices.meter/main.facts.2025-01-01.interval_s",
        "removed sites.works.devices.meter/main.name",
        "added sites.works.devices.meter/new",
    ]
    assert shown(differences(Registry(version=1), registry)) == ["added sites.works"]


REFUSED = [
    (
        ("            area: hall\n            interval_s: 60", "            interval_s: 60"),
        "meter/main.facts[0]",
        "area",
    ),
    (("interval_s: 30}", "interval_s: 15}"), "meter/main.facts[1]", "changes interval_s from 2025-01-01 on"),
    (("interval_s: 30}", "interval_s: 30, multiplier: 100}"), "meter/main.facts[1]", "changes multiplier"),
    (("{from: 2025-01-01,", "{from: 2025-02-01,"), "meter/main.facts", "lacks the entry from 2025-01-01"),
    (
        ("          - {from: 2025-01-01, interval_s: 30}\n", ""),
        "meter/main.facts",
        "lacks the entry from 2025-01-01",
    ),
    (
        ("factor_set: GRID", "factor_set: OTHER"),
        "sources.power.facts[0]",
        "changes factor_set from 2024-01-01 on",
    ),
    (
        ("carrier: natural_gas\n        facts", "carrier: coal\n        facts"),
        "sources.gas.carrier",
        "describe a new source",
    ),
    (("Europe/Berlin", "UTC"), "works.timezone", "describe a new site"),
    (("region: DE", "region: FR"), "works.region", "with its own `from`"),
]


@pytest.mark.parametrize(("edit", "where", "words"), REFUSED)
def test_the_past_of_computed_devices_is_not_rewritten(
    small: str, registry: Registry, edit: tuple[str, str], where: str, words: str
) -> None:
    new = edited(small, edit)
    found = refusals(registry, new, COMPUTED)
    assert any(place_text(each.place).endswith(where) and words in each.message for each in found), found
    assert refusals(registry, new, {}) == [], "without computed hours anything may be corrected"


def test_an_entry_that_begins_after_the_last_computed_hour_may_be_corrected(
    small: str, registry: Registry
) -> None:
    planned = edited(
        small, ("interval_s: 30}", "interval_s: 30}\n          - {from: 2027-01-01, multiplier: 2}")
    )
    other = edited(
        small, ("interval_s: 30}", "interval_s: 30}\n          - {from: 2027-01-01, multiplier: 3}")
    )
    assert refusals(planned, other, COMPUTED) == []
    assert refusals(planned, registry, COMPUTED) == []


ALLOWED = [
    # A new entry with its own date, also in the past.
    ("interval_s: 30}", "interval_s: 30}\n          - {from: 2025-05-01, multiplier: 100}"),
    # What no number hangs on.
    ("name: Main", "name: The main meter\n        serial: '7'\n        calibration_due: 2027-01-01"),
    ("factor_set: GRID", "factor_set: GRID\n            note: see the contract"),
    ("reconciles_with: coal", "reconciles_with: [coal, gas]"),
    (
        "beltscale/coal:\n        facts:\n          - {",
        "beltscale/coal:\n        facts:\n          - {metering_point: use, ",
    ),
    ("{name: Hall, type: building}", "{name: Hall, type: building, floor_area_m2: 100}"),
    # Ending.
    ("name: Main", "name: Main\n        ended: 2026-01-01"),
    # What was unknown becomes known.
    ("region: DE", "region: DE\n    gwp_set: AR5"),
]


@pytest.mark.parametrize("edit", ALLOWED)
def test_what_has_its_date_or_no_number_may_change(
    small: str, registry: Registry, edit: tuple[str, str]
) -> None:
    new = edited(small, edit)
    assert differences(registry, new)
    assert refusals(registry, new, COMPUTED) == []


@pytest.mark.parametrize(
    ("section", "name"), [("areas", "hall"), ("devices", "beltscale/coal"), ("sources", "stack")]
)
def test_nothing_is_removed(registry: Registry, section: str, name: str) -> None:
    site = registry.sites["works"]
    rest = {key: value for key, value in getattr(site, section).items() if key != name}
    new = registry.model_copy(update={"sites": {"works": site.model_copy(update={section: rest})}})
    [problem] = refusals(registry, new, {})
    assert place_text(problem.place) == f"sites.works.{section}.{name}"
    assert "set `ended`" in problem.message


def test_no_site_is_removed(registry: Registry) -> None:
    [problem] = refusals(registry, Registry(version=1), {})
    assert place_text(problem.place) == "sites.works"


TOUCHED: list[tuple[tuple[str, str], dict[DeviceKey, datetime]]] = [
    # A device's own entry, and the sub-meters whose place in the total hangs on it.
    (("interval_s: 30}", "interval_s: 15}"), {MAIN: D2025, SUB: D2025}),
    (("base_state: 0C\n", "base_state: 20C\n"), {GAS: D2024}),
    # A source's devices.
    (("factor_base_state: 0C", "factor_base_state: 20C"), {GAS: D2024}),
    # A source that gets another device: both that it had and that it has.
    (("devices: [meter/main]", "devices: [meter/sub]"), {MAIN: D2024, SUB: D2024}),
    # An end, from then on.
    (
        ("name: Main", "name: Main\n        ended: 2026-01-01T00:00Z"),
        {MAIN: datetime(2026, 1, 1, tzinfo=UTC), SUB: datetime(2026, 1, 1, tzinfo=UTC)},
    ),
    # What no number hangs on.
    (("name: Main", "name: The main meter"), {}),
    (("factor_set: GRID", "factor_set: GRID\n            note: see the contract"), {}),
    (("reconciles_with: coal", "reconciles_with: [coal, gas]"), {}),
]


@pytest.mark.parametrize(("edit", "expected"), TOUCHED)
def test_what_a_change_touches(
    small: str, registry: Registry, edit: tuple[str, str], expected: dict[DeviceKey, datetime]
) -> None:
    assert touched(registry, edited(small, edit)) == expected
    assert touched(edited(small, edit), registry) == expected, "and the same on the way back"


def test_an_event_touches_its_device_from_its_instant_on(small: str, registry: Registry) -> None:
    event = (
        "    events:\n      - {type: meter_replaced, device: meter/sub, at: 2025-06-01T12:00Z, "
        "final: {energy_import_kwh: 9}, initial: {energy_import_kwh: 0}}\n"
    )
    new = parse(small + event).registry
    assert touched(registry, new) == {SUB: datetime(2025, 6, 1, 12, tzinfo=UTC)}
    assert refusals(registry, new, COMPUTED) == []
    assert shown(differences(registry, new)) == ["added sites.works.events.meter/sub 2025-06-01T14:00+02:00"]
    assert notices(registry, new) == []


def test_an_event_that_is_taken_back_is_a_difference_and_a_warning(small: str, registry: Registry) -> None:
    one, other = (
        f"      - {{type: meter_replaced, device: meter/sub, at: {at}, "
        "final: {energy_import_kwh: 9}, initial: {energy_import_kwh: 0}}\n"
        for at in ("2025-06-01T12:00Z", "2025-07-01T12:00Z")
    )
    both = parse(f"{small}    events:\n{one}{other}").registry
    first = parse(f"{small}    events:\n{one}").registry
    corrected = parse(f"{small}    events:\n{one.replace('9', '8')}").registry
    for old, new, at in ((both, first, "07"), (first, registry, "06")):
        assert shown(differences(old, new)) == [
            f"removed sites.works.events.meter/sub 2025-{at}-01T14:00+02:00"
        ]
        [notice] = notices(old, new)
        assert notice.warning
        assert f"meter_replaced of meter/sub at 2025-{at}-01T14:00" in notice.message
    assert notices(first, corrected) == [], "the difference tells both values"


def test_a_new_site_touches_all_of_its_devices_past(registry: Registry) -> None:
    """Its hours were those of UTC before."""
    found = touched(Registry(version=1), registry)
    assert set(found.values()) == {BEGINNING}
    assert found.keys() == {MAIN, SUB, GAS, COAL, DeviceKey("works", Kind.CEMS, "stack")}


def test_a_sites_facts_touch_all_of_its_devices(small: str, registry: Registry) -> None:
    found = touched(registry, edited(small, ("region: DE", "region: FR")))
    assert len(found) == 5
    assert set(found.values()) == {BEGINNING}


PPA = "{contract: PPA, from: 2026-01-01, until: 2027-01-01, share: 0.4, co2_kg_per_kwh: 0%s}"
D2026 = datetime(2025, 12, 31, 23, tzinfo=UTC)


def with_contracts(small: str, *contracts: str) -> Registry:
    return edited(
        small,
        (
            "        carrier: electricity\n        facts",
            f"        carrier: electricity\n        contracts: [{', '.join(contracts)}]\n        facts",
        ),
    )


def test_contracts_may_be_put_right_and_touch_what_they_cover(small: str, registry: Registry) -> None:
    bare = with_contracts(small, PPA % "")
    evidenced = with_contracts(small, PPA % ", certificate: c, document: d")
    assert shown_places(bare, evidenced) == ["certificate", "document"]
    assert refusals(bare, evidenced, COMPUTED) == []
    assert touched(bare, evidenced) == {MAIN: D2026, SUB: D2026}
    assert notices(bare, evidenced) == []
    assert shown(differences(registry, bare)) == ["added sites.works.sources.power.contracts.PPA 2026-01-01"]
    assert shown(differences(bare, registry)) == [
        "removed sites.works.sources.power.contracts.PPA 2026-01-01"
    ]
    # With the first contract the source has another basis, from its beginning on.
    assert touched(registry, bare) == {MAIN: D2024, SUB: D2024}
    [notice] = notices(evidenced, registry)
    assert "no longer has contract PPA from 2026-01-01 on" in notice.message
    assert notice.warning
    two = with_contracts(small, PPA % "", (PPA % "").replace("PPA", "B").replace("from: 2026", "from: 2025"))
    assert touched(bare, two) == {MAIN: D2025, SUB: D2025}


def shown_places(old: Registry, new: Registry) -> list[str]:
    changes = differences(old, new)
    assert {change.place[:5] for change in changes} == {("sites", "works", "sources", "power", "contracts")}
    assert {change.place[5] for change in changes} == {"PPA 2026-01-01"}
    return [str(change.place[6]) for change in changes]


def test_an_inventory_touches_the_time_since_the_one_before(demo: str) -> None:
    def with_stocks(*days: str) -> Registry:
        rows = [
            f"{{material: stone, at: {day}, mass_t: 10, carbon_fraction: 0.1, document: d}}" for day in days
        ]
        listed = f"        carrier: limestone\n        stocks: [{', '.join(rows)}]\n"
        assert "        carrier: limestone\n" in demo
        return parse(demo.replace("        carrier: limestone\n", listed)).registry

    belt = DeviceKey("plant", Kind.BELTSCALE, "limestone")
    before, after = (
        with_stocks("2026-01-01", "2026-03-01"),
        with_stocks("2026-01-01", "2026-02-01", "2026-03-01"),
    )
    first = datetime(2025, 12, 31, 16, tzinfo=UTC)  # midnight in Shanghai
    assert touched(before, after) == touched(after, before) == {belt: first}
    assert notices(before, after) == []
    [notice] = notices(after, before)
    assert "no longer has the inventory of stone at 2026-02-01" in notice.message
    longer = with_stocks("2026-01-01", "2026-03-01", "2026-04-01")
    assert touched(before, longer) == {belt: datetime(2026, 2, 28, 16, tzinfo=UTC)}
    assert touched(parse(demo).registry, with_stocks("2026-01-01")) == {belt: first}
