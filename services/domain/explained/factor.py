"""The factor of a part, and what the part emits, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.domain.explained.kept import Line
from services.domain.gwp import GWP_SETS
from services.domain.units import HEATING_VALUE_UNITS

GASES: Final = (
    ("co2_kg", "kg CO2"),
    ("ch4_kg", "kg CH4"),
    ("n2o_kg", "kg N2O"),
    ("co2e_kg", "kg CO2e"),
    ("biogenic_co2_kg", "kg CO2"),
)


def factor_lines(part: Mapping[str, Any]) -> Iterator[Line]:
    """The factor and its parts."""
    device, factor = part["device"], part["factor"]
    for each in part["published"]:
        yield Line(device, "factor", f"{each['factor_set']}/{each['fuel']}", "", told(each))
        heating = each["ncv"] is not None and each["ncv_unit"] is not None
        if heating:
            gj = each["ncv"] * HEATING_VALUE_UNITS[each["ncv_unit"]][1]
            yield Line(device, "ncv", gj, f"GJ/{each['unit']}", f"published, {each['basis']}")
        for name, unit in (("carbon_content_t_per_gj", "tC/GJ"), ("oxidation_rate", "")):
            if each[name] is not None:
                yield Line(device, name, each[name], unit, "published")
    if factor["missing_reason"] is not None:
        yield Line(device, "co2_kg_per_unit", factor["co2_kg_per_unit"], "", factor["missing_reason"])
        return
    if factor["name"] and not part["published"]:
        yield Line(device, "factor", factor["name"], "", factor["made_of"])
    for gas, unit in GASES:
        value = factor[f"{gas}_per_unit"]
        if value is not None and (value != 0.0 or gas == "co2_kg"):
            by = (
                factor["made_of"]
                if gas == "co2_kg"
                else _potentials(factor["gwp_set"])
                if gas == "co2e_kg"
                else ""
            )
            yield Line(device, f"{gas}_per_unit", value, f"{unit}/{part['activity_unit']}", by)
    if factor["provisional"]:
        yield Line(
            device, "provisional", "yes", "", "stands in for a year not published yet, or is unconfirmed"
        )


def told(factor: Mapping[str, Any]) -> str:
    """Which published factor it is, in a line."""
    place = factor["region"] or "anywhere"
    validity = f"{factor['valid_from'] or '...'} to {factor['valid_to'] or '...'}"
    value = factor["co2_kg_per_unit"]
    figure = "" if value is None else f"{value:.10g} kg {factor['gas']}/{factor['unit']}, "
    recorded = f", recorded {factor['recorded_at']}" if factor["recorded_at"] else ""
    number = f"factor {factor['factor_id']}, " if factor["factor_id"] is not None else ""
    confirmed = "confirmed" if factor["confirmed"] else "UNCONFIRMED"
    return (
        f"{number}{figure}basis {factor['basis']}, series {factor['series']}, {place}, valid {validity}, "
        f"{confirmed}{recorded}; {factor['source']}"
    )


def _potentials(gwp_set: str | None) -> str:
    if gwp_set is None:
        return "the publisher's warming potentials"
    gwp = GWP_SETS[gwp_set]
    return f"{gwp_set}: CH4 {gwp.ch4_fossil:g} (biogenic {gwp.ch4_biogenic:g}), N2O {gwp.n2o:g}"


def emitted(part: Mapping[str, Any], activity: float | None) -> Iterator[Line]:
    """What the part emits: activity x factor, as the ledger multiplies it."""
    if activity is None:
        return
    for gas, unit in GASES:
        per_unit = part["factor"][f"{gas}_per_unit"]
        if per_unit is not None and (per_unit != 0.0 or gas == "co2_kg"):
            yield Line(part["device"], gas, activity * per_unit + 0.0, unit, "activity x factor")
