"""Every worked example of the methods, computed by the command as a person would, to the digits printed."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from services.cli.calc.app import app
from services.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
METHODS = ROOT / "docs" / "methods.md"


class Calc:
    """Calls `carbonflow calc`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, arguments: str, status: int = 0) -> tuple[str, str]:
        self._monkeypatch.setattr(sys, "argv", ["carbonflow", "calc", *shlex.split(arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = self._capsys.readouterr()
        assert (caught.value.code or 0) == status, printed.err
        return printed.out, printed.err

    def values(self, arguments: str) -> dict[str, Any]:
        """The values by name."""
        out, _ = self(f"{arguments} --json")
        found: dict[str, Any] = json.loads(out)["values"]
        return found


@pytest.fixture
def calc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Calc:
    return Calc(monkeypatch, capsys)


FUEL = "fuel --date 2026-01-01 --factor-set CN_NDRC_2.1 --mass-t 1 --fuel"
GAS = (
    "fuel --date 2026-01-01 --factor-set CN_NDRC_2.1 --volume-nm3 10000 --base-state 0C "
    "--factor-base-state 0C --fuel"
)
LAB = (
    "--carbon-pct 58.2 --carbon-basis ad --moisture-air-dried-pct 2.1 --moisture-pct 12.5 "
    "--oxidation-rate 0.99"
)
VOLUME = "gas-volume --volume-m3 1000 --pressure-kpa 451.325 --absolute --temperature-c 18 --base-state"
GRID = "electricity --energy-kwh 1000 --factor-set"
STEAM = "steam --absolute --saturated-by pressure --pressure-kpa"
MARKET = (
    f"{GRID} CN_MEE_PROVINCE --region CN-SH --date 2026-05-01 --market-factor-set CN_MEE_NATIONAL "
    "--market-factor-fuel electricity_national_excl_market_nonfossil --market-region CN "
    "--contract kwh=1200000,of_kwh=4000000,co2_kg_per_kwh=0,document=D-1"
)
WET = "--dryness-fraction 0.96 --mass-t 12 --condensate-t 9 --condensate-temperature-c 80"
HEAT = "--factor-set CN_GBT32150_2025 --factor-fuel heat_purchased"
LOOP = (
    "heat --medium hot_water_closed --volume-m3 100 --supply-c 95 --return-c 70 --pressure-kpa 600 --absolute"
)
STACK = (
    "cems --form hj75 --analyser dry --velocity-m-s 12.35 --duct-area-m2 50.24 --temperature-c 52 "
    "--barometric-pressure-pa 101200 --static-pressure-pa -150 --co2-pct 11.8 --moisture-pct"
)
PARTS = "--ncv-uncertainty-pct 1.5 --carbon-content-uncertainty-pct 2.0 --oxidation-rate-uncertainty-pct 0.5"
US = "cems --form part75 --analyser"
STONE = "mass-balance --stream mass_t=1000,carbonate=CaCO3,purity="
COAL_TO_STEEL = (
    "mass-balance --stream mass_t=100,carbon_fraction=0.8 --stream role=output,mass_t=60,carbon_fraction=0.04"
)

EXAMPLES = [
    (f"{FUEL} anthracite", "co2_t", "2.322768"),
    (f"{FUEL} bituminous_coal", "co2_t", "2.071509"),
    (f"{FUEL} lignite", "co2_t", "1.424093"),
    (f"{FUEL} coke", "co2_t", "2.851825"),
    (f"{FUEL} diesel", "co2_t", "3.145122"),
    (f"{FUEL} gasoline", "co2_t", "3.042547"),
    (f"{FUEL} lpg", "co2_t", "2.953847"),
    (f"{GAS} natural_gas", "co2_t", "21.621888"),
    (f"{GAS} coke_oven_gas", "co2_t", "8.582824"),
    (f"{GAS} blast_furnace_gas", "co2_t", "9.686481"),
    (f"fuel --fuel coal --mass-t 1 {LAB}", "measured_carbon", "0.520174"),
    (f"fuel --fuel coal --mass-t 1 {LAB}", "co2_t", "1.88823"),
    (f"{VOLUME} 20C", "volume_nm3", "4484.829"),
    (f"{VOLUME} 15C", "volume_nm3", "4408.335"),
    (f"{VOLUME} 0C", "volume_nm3", "4178.854"),
    ("gas-volume --volume-nm3 1 --from-state 0C --base-state 20C", "volume_nm3", "1.0732"),
    (f"{GRID} CN_MEE_PROVINCE --region CN-SH --date 2026-05-01", "co2_kg", "573.7"),
    (f"{MARKET},certificate=C-1", "market.co2_kg", "426.72"),
    (MARKET, "market.co2_kg", "609.6"),
    (f"{STEAM} 500", "enthalpy_kj_per_kg", "2748.11"),
    (f"{STEAM} 500", "activity", "2.66437"),
    (f"{STEAM} 500 {HEAT}", "co2_t", "0.29308"),
    (f"{STEAM} 800", "enthalpy_kj_per_kg", "2768.30"),
    (f"{STEAM} 1000", "enthalpy_kj_per_kg", "2777.12"),
    (f"{STEAM} 1600", "enthalpy_kj_per_kg", "2792.88"),
    (f"{STEAM} 3080", "enthalpy_kj_per_kg", "2803.29"),
    ("steam --absolute --pressure-kpa 1000 --temperature-c 250", "enthalpy_kj_per_kg", "2943.22"),
    (f"{STEAM} 800 --mass-t 120.5", "activity", "323.4898"),
    (f"{STEAM} 800 --mass-t 120.5 {HEAT}", "co2_t", "35.5839"),
    (LOOP, "activity", "10.09544"),
    (f"{LOOP} --meter-position return", "activity", "10.2620"),
    (f"{STEAM} 1000 {WET}", "enthalpy_kj_per_kg", "2696.54"),
    (f"{STEAM} 1000 {WET}", "activity", "31.3536"),
    (f"{STEAM} 1000 {WET}", "condensate.activity", "-2.2609"),
    (f"{STEAM} 1000 {WET}", "net_gj", "29.0928"),
    (f"{STEAM} 1000 {WET}", "coal_equivalent_kg", "992.64"),
    (f"{STACK} 11.5", "flow_nm3_h", "1656003.885"),
    (f"{STACK} 11.5", "co2_t", "383.838"),
    (f"{STACK} 0", "co2_t", "433.715"),
    (f"{US} wet --co2-pct 16.1 --flow-scf-h 81546000", "co2_short_tons_reported", "748.3"),
    (f"{US} dry --co2-pct 13.2 --moisture-pct 8.4 --flow-scf-h 25000000", "co2_short_tons_reported", "172.3"),
    (
        f"{US} dry --o2-pct 5.2 --moisture-pct 8.4 --flow-scf-h 25000000 --fc 1040 --fd 8710",
        "co2_dry_pct",
        "9.0",
    ),
    (f"{STONE}0.9 --factor-set CN_GUIDELINE_CARBONATE", "co2_t", "396.0"),
    (f"{STONE}0.9", "co2_t", "395.742"),
    (
        f"{STONE}0.95,conversion=0.96 --stream mass_t=1000,carbonate=MgCO3,purity=0.012,conversion=0.96",
        "co2_t",
        "407.031",
    ),
    (f"{COAL_TO_STEEL} --stock before_t=20,after_t=25,carbon_fraction=0.8", "co2_t", "269.8667"),
    (COAL_TO_STEEL, "co2_t", "284.5333"),
    ("uncertainty --part ad=0.5 --part ncv=1.5 --part cc=2.0 --part of=0.5", "uncertainty_pct", "2.598"),
    (
        f"{FUEL} bituminous_coal --activity-uncertainty-pct 0.5 {PARTS}",
        "uncertainty_pct",
        "2.598",
    ),
]


@pytest.mark.parametrize(("arguments", "name", "printed"), EXAMPLES)
def test_a_worked_example(calc: Calc, arguments: str, name: str, printed: str) -> None:
    digits = len(printed.partition(".")[2])
    assert f"{calc.values(arguments)[name]:.{digits}f}" == printed


def test_gauge_and_absolute(calc: Calc) -> None:
    absolute = calc.values("steam --absolute --pressure-kpa 1000 --temperature-c 250 --volume-m3 1")
    gauge = calc.values(
        "steam --gauge --atmospheric-pressure-kpa 101.325 --pressure-kpa 898.675 --temperature-c 250 "
        "--volume-m3 1"
    )
    assert gauge["activity"] == pytest.approx(absolute["activity"], rel=1e-12)
    wet = calc.values(f"{STEAM} 800 --dryness-fraction 0.95")
    assert wet["enthalpy_kj_per_kg"] < 2768


def test_by_temperature_and_by_pressure_agree(calc: Calc) -> None:
    by_p = calc.values(f"{STEAM} 800")
    by_t = calc.values(f"steam --saturated-by temperature --temperature-c {by_p['saturation_c']!r}")
    assert by_t["enthalpy_kj_per_kg"] == pytest.approx(by_p["enthalpy_kj_per_kg"], rel=1e-9)


def test_all_gases_by_named_potentials(calc: Calc) -> None:
    coal = "fuel --fuel bituminous_coal --factor-set IPCC_2006 --mass-t 1 --date 2026-01-01"
    found = {gwp: calc.values(f"{coal} --gwp-set {gwp}") for gwp in ("AR4", "AR5", "AR6")}
    for gwp, (ch4, n2o) in {"AR4": (25, 298), "AR5": (28, 265), "AR6": (29.8, 273)}.items():
        of = found[gwp]
        assert of["co2e_kg"] == pytest.approx(of["co2_kg"] + ch4 * of["ch4_kg"] + n2o * of["n2o_kg"])
    assert "co2e_kg" not in calc.values(coal)  # no potentials are assumed


def test_streams_with_uncertainty(calc: Calc) -> None:
    found = calc.values(
        "mass-balance --activity-uncertainty-pct 0.5 "
        "--stream mass_t=100,carbon_fraction=0.8,uncertainty_pct=2 "
        "--stream role=output,mass_t=40,carbon_fraction=0.5,uncertainty_pct=3"
    )
    variance = sum((80 * u) ** 2 for u in (0.5, 2.0)) + sum((20 * u) ** 2 for u in (0.5, 3.0))
    assert found["uncertainty_pct"] == pytest.approx(variance**0.5 / 60)


def test_a_sum_whose_terms_share_a_factor(calc: Calc) -> None:
    terms = "uncertainty --term a=100,activity=1,factor=4,by=gas --term b=50,activity=2,factor=4,by={}"
    assert calc.values(terms.format("gas"))["uncertainty_pct"] == pytest.approx(
        (100**2 + 100**2 + 600**2) ** 0.5 / 150
    )
    assert calc.values(terms.format("coal"))["uncertainty_pct"] == pytest.approx(
        (100**2 + 100**2 + 400**2 + 200**2) ** 0.5 / 150
    )


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (f"{GRID} CN_MEE_PROVINCE --region CN-XZ", 1, "no factor for electricity in CN-XZ"),
        (f"{GAS.replace(' --factor-base-state 0C', '')} natural_gas", 1, "does not name its base state"),
        ("steam --absolute --pressure-kpa 1000 --temperature-c 20", 1, "colder than saturation"),
        ("steam --absolute --pressure-kpa 1000", 1, "temperature_c not given"),
        ("steam --pressure-kpa 1000 --temperature-c 250", 1, "gauge or absolute"),
        (f"{GAS} natural_gas --mass-t 1", 2, "give one of --mass-t"),
        ("fuel --fuel coal --mass-t 1 --oxidation-rate 3", 2, "oxidation_rate is 3.0"),
        (f"{GRID} CN_MEE_PROVINCE --region CN-SH --contract kwh=x,co2_kg_per_kwh=0", 2, "kwh is 'x'"),
        (f"{GRID} CN_MEE_PROVINCE --region CN-SH --contract green=1", 2, "is no key of a contract"),
        ("gas-volume --volume-nm3 1 --base-state 0C", 2, "--from-state"),
        ("mass-balance --stream carbonate=CaCO3", 2, "must have one of mass_t, volume_m3"),
        ("mass-balance --stream mass_t=1,carbon_fraction=1 --stock before_t=1", 2, "has no after_t"),
        ("mass-balance --stream mass_t=1,carbon=2", 2, "is no KEY=VALUE"),
        ("mass-balance --stream mass_t=1", 1, "either a carbonate or a carbon fraction"),
        ("mass-balance --stream role=output,mass_t=1,carbon_fraction=1", 1, "more carbon leaves than enters"),
        ("uncertainty --term a=1,activity=1", 2, "has no factor"),
        ("uncertainty", 2, "give either --part"),
        ("cems --form hj75 --analyser dry --co2-pct 1 --flow-scf-h 1", 2, "is of form part75"),
    ],
)
def test_what_is_wrong_is_one_sentence(calc: Calc, arguments: str, status: int, words: str) -> None:
    out, err = calc(arguments, status)
    assert out == ""
    assert words in err.splitlines()[-1]
    if status == 1:
        assert len(err.splitlines()) == 1


def _examples_of_help() -> list[str]:
    examples = []
    for command in app.registered_commands:
        text = inspect.getdoc(command.callback) or ""
        found = re.search(r"Example: carbonflow calc (.*)", text, re.DOTALL)
        assert found is not None, command.name
        examples.append(" ".join(found[1].split()))
    return examples


@pytest.mark.parametrize("example", _examples_of_help())
def test_the_example_of_each_help_runs(calc: Calc, example: str) -> None:
    out, err = calc(example)
    assert err == ""
    assert out.startswith("name\tvalue\tunit\tby\n")


def test_every_call_of_the_page_runs(calc: Calc) -> None:
    page = METHODS.read_text(encoding="utf-8").replace("\\\n", " ")
    calls = re.findall(r"^carbonflow calc (.*)$", page, re.MULTILINE)
    assert len(calls) > 15
    for call in calls:
        calc(call)
