"""Values written with their unit, for people: `5544 kcal/kg LHV ar` is 23.212 GJ/t.

Dimensions and sizes are pint's. Where a word has several meanings, the trade's own is taken or none: a
calorie is the international one of heat accounting (4.1868 J; 7000 kcal/kg is one kgce), and so is a Btu; a
bare `ton` is refused; carbon (tC) is a mass, and CO2 (tCO2) is another thing.

Importing pint and reading its definitions costs half a second: only what configures imports this.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

import pint

BASES: Final = frozenset({"ar", "ad", "d", "daf"})
NET: Final = frozenset({"LHV", "NCV"})
GROSS: Final = frozenset({"HHV", "GCV"})
_WORDS: Final = BASES | NET | GROSS

_VALUE: Final = re.compile(
    r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(1/.*|[^\s0-9.,].*)", re.DOTALL
)
_STATE: Final = re.compile(r"\s*@\s*(0C|15C|20C|60F)\b")
_TERM: Final = re.compile(
    r"(?:(?P<many>1e4|10\^4|10000|万)\s*)?(?P<name>%|[a-zA-Z]*CO2|[A-Za-z_]+)(?P<power>[23])?"
)
_MAX_CHARACTERS: Final = 60

_SPELLINGS: Final = {
    "%": "percent",
    "pct": "percent",
    "C": "degC",
    "K": "kelvin",
    "t": "tonne",
    "Nm": "meter",
    "Sm": "meter",
    "scf": "cubic_foot",
    "kcal": "kilocalorie_it",
    "Mcal": "megacalorie_it",
    "cal": "calorie_it",
    "Btu": "Btu_it",
    "BTU": "Btu_it",
    "MMBtu": "million_btu",
    "mmBtu": "million_btu",
}
_AMBIGUOUS: Final = {"ton": "t or short_ton", "tons": "t or short_ton"}

_DEFINITIONS: Final = (
    "calorie_it = 4.1868 joule",
    "kilocalorie_it = 4186.8 joule",
    "megacalorie_it = 4186800 joule",
    "Btu_it = 1055.05585262 joule",
    "million_btu = 1055055852.62 joule",
    "tC = tonne",
    "kgC = kilogram",
    "tCO2 = [co2]",
    "kgCO2 = 0.001 tCO2",
    "gCO2 = 1e-6 tCO2",
)


class MeasureError(ValueError):
    """A value cannot be read in the unit that is wanted: why, as the end of a sentence."""


class Written(NamedTuple):
    """A value in the unit wanted, and what was said besides: basis, LHV or HHV, base state."""

    value: float
    words: tuple[str, ...]
    base_state: str | None


@cache
def _units() -> pint.UnitRegistry[float]:
    units: pint.UnitRegistry[float] = pint.UnitRegistry(cache_folder=None)
    for definition in _DEFINITIONS:
        units.define(definition)
    return units


def read(text: str, wanted: str) -> Written:
    """`text`, a number with a unit, in the unit `wanted`. Raises MeasureError."""
    match = _VALUE.fullmatch(text.strip()) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        raise MeasureError(f"write a number in {wanted}, or one with its unit")
    unit, base_state = _without_state(match[2])
    *parts, last = unit.split()
    words: list[str] = []
    while parts and last in _WORDS:
        words.insert(0, last)
        last = parts.pop()
    return Written(converted(float(match[1]), " ".join([*parts, last]), wanted), tuple(words), base_state)


def _without_state(text: str) -> tuple[str, str | None]:
    found = _STATE.search(text)
    return (text, None) if found is None else (_STATE.sub("", text, count=1), found[1])


def converted(value: float, unit: str, wanted: str) -> float:
    """`value` of `unit` in `wanted`, to twelve digits. Raises MeasureError."""
    units = _units()
    size, spelt = _spelt(unit)
    wanted_size, wanted_spelt = _spelt(wanted)
    try:
        found = units.Quantity(value, spelt).to(wanted_spelt).magnitude * (size / wanted_size)
    except pint.DimensionalityError:
        raise MeasureError(f"{unit} is no unit of what is counted in {wanted}") from None
    except (pint.UndefinedUnitError, pint.OffsetUnitCalculusError):
        raise MeasureError(f"{unit} is no unit that is known: write it in {wanted}") from None
    return float(f"{found:.12g}")


def _spelt(unit: str) -> tuple[float, str]:
    """A unit as pint spells it, and the number before it: `GJ/1e4 Nm3` is 1e-4 GJ/meter**3."""
    size, terms = 1.0, []
    for index, term in enumerate(unit.replace("³", "3").replace("²", "2").replace("°", "deg").split("/")):
        match = _TERM.fullmatch(term.strip())
        if match is not None:
            terms.append(_term(match))
            size *= 1.0 if match["many"] is None else 10_000.0 if index == 0 else 1e-4
        elif index == 0 and term.strip() in {"", "1"}:
            terms.append("dimensionless")
        else:
            raise MeasureError(f"{unit!r} is no unit: write one such as GJ/t")
    return size, "/".join(terms)


def _term(match: re.Match[str]) -> str:
    name, power = match["name"], match["power"]
    if name in _AMBIGUOUS and power is None:
        raise MeasureError(f"{name} is not clear here: write {_AMBIGUOUS[name]}")
    return _SPELLINGS.get(name, name) + (f"**{power}" if power else "")


_TOKENS: Final = {
    "t": "t",
    "kg": "kg",
    "mg": "mg",
    "gj": "GJ",
    "mj": "MJ",
    "tj": "TJ",
    "kwh": "kWh",
    "kw": "kW",
    "kpa": "kPa",
    "mpa": "MPa",
    "pa": "Pa",
    "s": "s",
    "h": "hour",
    "c": "C",
    "k": "K",
    "m2": "m2",
    "m3": "m3",
    "nm3": "Nm3",
    "pct": "%",
}


@cache
def unit_of(field: str) -> str | None:
    """The unit a field's name ends in: `density_t_per_m3` is in t/m3; None where it names none."""
    parts = field.split("_")
    start = len(parts)
    while start > 1 and (parts[start - 1] in _TOKENS or (parts[start - 1] == "per" and start < len(parts))):
        start -= 1
    found = [part for part in parts[start:] if part != "per"]
    if not found:
        return None
    names = [_TOKENS[part] for part in found]
    if parts[start - 1] == "co2" and names[0] in {"kg", "t"}:  # supplier_co2_kg_per_kwh: not kg of carbon
        names[0] += "CO2"
    return f"1/{names[0]}" if parts[start] == "per" else "/".join(names)
