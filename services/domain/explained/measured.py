"""From what a device sent to its activity, line by line."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from math import isfinite, nan
from types import MappingProxyType
from typing import Any, Final

from services.domain.explained.kept import Kept, Line, StackItem
from services.domain.formulas import FORMULAS, Formula
from services.domain.part75_formulas import PART75_FORMULAS
from services.domain.quantities import Kind, Quantity, quantity
from services.domain.steps.formulas import evaluate

Sent = tuple[float | None, dict[str, float]]
"""An amount, and what goes with it by name."""

_FORMULAS: Final[Mapping[str, Formula]] = MappingProxyType(
    {each.name: each for each in (*FORMULAS, *PART75_FORMULAS)}
)
_PARAMS: Final = MappingProxyType(
    {
        "scale": ("", "the device's multiplier (CT x PT), base states, density and units"),
        "pressure_offset_kpa": ("kPa", "added to the pressure: atmospheric where it is gauge"),
        "base_temperature_k": ("K", "of the base state"),
        "compressibility_ratio": ("", "Zb/Z"),
        "density_at_c": ("degC", "the temperature of the density"),
        "expansion_per_k": ("1/K", "of the liquid"),
        "curvature": ("", "of its expansion"),
        "dryness_fraction": ("", "of the steam"),
        "meter_in_return": ("", "1 where the meter sits in the return"),
        "duct_area_m2": ("m2", "of the stack"),
        "analyser_wet": ("", "1 where the analyser measures wet gas"),
        "flow_wet": ("", "1 where the flow is of wet gas"),
        "only_running": ("", "1 where a belt that stands still carries nothing"),
        "fc": ("scf/mmBtu", "F factor of the carbon"),
        "fd": ("dscf/mmBtu", "F factor of the dry gas"),
    }
)


def measured(
    kept: Kept, part: Mapping[str, Any], activity: float | None, covered: float | None
) -> Iterator[Line]:
    """From what the device sent to the activity."""
    device, name = part["device"], part["quantity"]
    formula = _FORMULAS[part["formula"]["name"]]
    items = kept.stacks.get(device)
    if items is None:
        x, inputs = yield from _sent(kept, part)
    else:
        x, inputs = yield from _judged(part, items)
    given = {param: part["formula"]["params"][param] for param in formula.params}
    for param, value in given.items():
        unit, by = _PARAMS.get(param, ("", ""))
        yield Line(device, param, value, unit, by)
    params = [nan if value is None else value for value in given.values()]
    if x is not None:
        found = evaluate(formula, x, inputs, params)
        for each in found.steps:
            if each.name not in given:
                yield Line(
                    device, each.name, _known(each.value), each.unit, f"at the hour's means: {each.by}"
                )
        if formula.inputs and items is None:
            by = "the formula at the hour's means; the ledger's goes step by step"
            yield Line(device, "activity_at_means", _known(found.activity), part["activity_unit"], by)
    yield Line(
        device,
        "activity",
        activity,
        part["activity_unit"],
        _activity_by(part, kept, judged=items is not None),
    )
    if covered is not None and covered < 1.0:
        yield Line(device, "coverage", covered, "", f"of the time, by {name}")
    if part.get("returned"):
        yield Line(device, "returned", "yes", "", "condensate that goes back: its heat is credited")


def _activity_by(part: Mapping[str, Any], kept: Kept, *, judged: bool) -> str:
    text: str = part["formula"]["activity"]
    name = f"{text} (formula {part['formula']['name']})"
    if judged:
        return f"{name}, at the hour's means, times the hours the unit ran"
    known = kept.quantities.get((part["device"], part["quantity"]))
    if _quantity(part["device"], part["quantity"]).register:
        steps = "" if known is None else f"{known.readings} readings' "
        ends = ", at the inputs of both ends of each" if part["formula"]["inputs"] else ""
        return f"{name}, summed over the {steps}steps{ends}"
    return f"{name}, integrated over the time in which all is held"


def _sent(kept: Kept, part: Mapping[str, Any]) -> Generator[Line, None, Sent]:
    """What the device sent; returns the amount (or mean rate x time) and the means of the inputs."""
    device, name = part["device"], part["quantity"]
    unit, register = _quantity(device, name).unit, _quantity(device, name).register
    found = kept.quantities.get((device, name))
    x: float | None = None
    if found is None:
        yield Line(device, name, None, unit, "nothing known of it in this hour")
    else:
        yield Line(device, "readings", float(found.readings), "", f"of {name} in the hour that count")
        if register:
            x = found.consumption
            by = "movement of the register: steps between readings, each spread evenly over its time"
        else:
            x = found.mean if found.mean is None else found.mean * found.coverage * kept.length_h
            by = "time-weighted mean over what is covered"
        spread = "; partly spread over an outage" if found.estimated else ""
        yield Line(device, name, found.consumption if register else found.mean, unit, by + spread)
    inputs: dict[str, float] = {}
    for each in part["formula"]["inputs"]:
        of_input = kept.quantities.get((device, each))
        if of_input is not None and of_input.mean is not None:
            inputs[each] = of_input.mean
            yield Line(device, each, of_input.mean, _quantity(device, each).unit, "time-weighted mean")
    return x, inputs


def _judged(part: Mapping[str, Any], items: Sequence[StackItem]) -> Generator[Line, None, Sent]:
    """What an hour of a judged stack rests on; returns the mean flow and inputs, measured or put in place."""
    device, policy = part["device"], part["stack"]
    yield Line(device, "hour_validity", policy["validity"], "", "the rule by which an hour is valid")
    yield Line(device, "substitution", policy["substitution"], "", "the rule for what is missing")
    values: dict[str, float] = {}
    for each in items:
        if each.item in ("co2_kg", "heat_input_mmbtu"):
            continue
        value = each.substituted if each.measured is None else each.measured
        by = "hourly mean while the unit ran, valid" if each.measured is not None else _substituted_by(each)
        yield Line(device, each.item, value, _quantity(device, each.item).unit, by)
        if value is not None:
            values[each.item] = value
    emission = next((each for each in items if each.item == "co2_kg"), None)
    if emission is not None:
        yield Line(
            device, "ran_h", emission.ran_h, "h", "time the unit ran, by evidence and operating fraction"
        )
        if emission.substituted is not None or emission.reason is not None:
            yield Line(
                device, "substituted_co2_kg", emission.substituted, "kg CO2", _substituted_by(emission)
            )
    return values.pop(part["quantity"], None), values


def _substituted_by(item: StackItem) -> str:
    parts = [item.method or item.reason or "not valid, and nothing stands in for it"]
    if item.availability_pct is not None:
        parts.append(f"availability {item.availability_pct:.4g} %")
    if item.gap_h is not None:
        parts.append(f"gap of {item.gap_h} h")
    return "; ".join(parts)


def _quantity(device: str, name: str) -> Quantity:
    return quantity(Kind(device.partition("/")[0]), name)


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
