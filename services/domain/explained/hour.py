"""An hour of emissions, line by line: from what its devices sent to its CO2, each value with its unit and by
what it was found.

It is made of what is kept with the hour (its recipe, the hours of its devices' quantities, what each part
contributed), by the formulas of the ledger, so it can be told when the readings themselves are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.domain.explained.factor import GASES, emitted, factor_lines
from services.domain.explained.kept import Kept, Line
from services.domain.explained.measured import measured

_PERCENT: Final = (
    ("activity_uncertainty_pct", "95 %, of the activity"),
    ("factor_uncertainty_pct", "95 %, of the factor"),
    ("uncertainty_pct", "sqrt(U1^2 + U2^2), IPCC 2006 vol. 1 eq. 3.1"),
)


def lines(kept: Kept) -> Iterator[Line]:
    """All of an hour, device by device, then the hour as a whole."""
    stretches = kept.recipe["stretches"]
    contributed = list(kept.parts or ())
    for number, stretch in enumerate(stretches):
        for part in stretch["parts"]:
            if part["device"] in kept.stacks and number > 0:
                continue  # A judged hour follows the facts that it begins with.
            activity, covered = _contribution(kept, contributed, part, number)
            if "from" in stretch:
                by = "these facts are in force from then on"
                yield Line(part["device"], "from", stretch["from"], "", by)
            yield from measured(kept, part, activity, covered)
            yield from factor_lines(part)
            yield from emitted(part, activity)
    yield from _stock(kept)
    yield from _whole(kept)


def _contribution(
    kept: Kept, contributed: list[Mapping[str, Any]], part: Mapping[str, Any], stretch: int
) -> tuple[float | None, float | None]:
    """The activity of a part, and how much of its time is covered."""
    if kept.parts is None:
        return kept.figures["activity"], kept.figures["coverage"]
    for each in contributed:
        same = each["device"] == part["device"] and each["quantity"] == part["quantity"]
        if same and each.get("stretch", 0) == stretch:
            contributed.remove(each)
            return each["activity"], each["coverage"]
    return None, None


def _stock(kept: Kept) -> Iterator[Line]:
    """What of a mass balance's carbon went into stock."""
    stocks = kept.recipe.get("stocks")
    if stocks is None:
        return
    for begin, end, co2_kg in stocks["changes"]:
        by = f"grew from {begin} to {end}: spread evenly (EU 2018/2066 art. 25, 27(1)(b))"
        yield Line("", "stock_co2_kg", co2_kg, "kg CO2", by)
    if stocks["inventory_awaited"]:
        yield Line("", "inventory", "awaited", "", "a later inventory will change this hour: provisional")


def _whole(kept: Kept) -> Iterator[Line]:
    figures = kept.figures
    several = kept.parts is not None
    by = "sum of the parts" if several else "activity x factor"
    if kept.recipe.get("stocks"):
        by += ", less what went into stock"
    yield Line("", "activity", figures["activity"], figures["activity_unit"], "sum" if several else "")
    for gas, unit in GASES:
        if figures[gas] is not None or gas == "co2_kg":
            reason = figures["missing_reason"] if figures[gas] is None else by
            yield Line("", gas, figures[gas], unit, reason or "unknown")
    yield Line("", "coverage", figures["coverage"], "", "share of the hour that readings cover")
    if figures["estimated"]:
        yield Line("", "estimated", "yes", "", "part of it was spread over an outage, or substituted")
    for name, text in _PERCENT:
        if figures[name] is not None:
            yield Line("", name, figures[name], "%", text)
