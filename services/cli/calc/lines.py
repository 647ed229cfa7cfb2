"""The lines of a calculation: what was given, every value on the way, the result, each with its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite, isnan
from typing import NamedTuple

from services.cli.calc.case import Computed
from services.cli.calc.errors import CalculationError
from services.domain.emission_factor import EmissionFactor
from services.domain.factors import Factor
from services.domain.gwp import GWP_SETS
from services.domain.laboratory import measured
from services.domain.quantities import quantity
from services.domain.registry.model import Method
from services.domain.steps.factors import made_of
from services.domain.steps.step import Step
from services.domain.uncertainty import product_pct
from services.domain.units import FACTOR_UNITS

_GIVEN = "given"
_PRODUCT = "activity x factor"


class Line(NamedTuple):
    """One value; None is unknown."""

    name: str
    value: float | str | None
    unit: str
    by: str


class Gases(NamedTuple):
    """kg of each gas, NaN where unknown."""

    co2: float
    ch4: float
    n2o: float
    co2e: float
    biogenic_co2: float


def lines(computed: Computed) -> Iterator[Line]:
    """All of one device's part. Raises CalculationError where there is no activity, or no factor although one
    was asked for."""
    conversion, evaluated = computed.conversion, computed.evaluated
    factor = conversion.factor
    yield from _inputs(computed)
    if evaluated.reason is not None:
        raise CalculationError(_why(computed, evaluated.reason))
    yield from (of_step(each) for each in evaluated.steps)
    yield Line("activity", evaluated.activity, conversion.activity_unit, f"formula {conversion.formula.name}")
    if _asks_for_factor(computed):
        if factor.missing_reason is not None and not isfinite(factor.co2e_kg_per_unit):
            raise CalculationError(factor.missing_reason)
        yield from _factor(computed)
        yield from emitted(gases(computed), factor)
    yield from _uncertainty(computed)


def _why(computed: Computed, reason: str) -> str:
    """Where a parameter is unknown its factor says why."""
    unknown = any(isnan(value) for value in computed.conversion.params)
    return (
        computed.conversion.factor.missing_reason if unknown else None
    ) or f"There is no result: {reason}."


def of_step(found: Step) -> Line:
    """A step as a line."""
    return Line(found.name, _known(found.value), found.unit, found.by)


def gases(computed: Computed) -> Gases:
    """Activity times factor, each gas."""
    factor, activity = computed.conversion.factor, computed.evaluated.activity
    return Gases(
        activity * factor.co2_kg_per_unit,
        activity * factor.ch4_kg_per_unit,
        activity * factor.n2o_kg_per_unit,
        activity * factor.co2e_kg_per_unit,
        activity * factor.biogenic_co2_kg_per_unit,
    )


def emitted(amounts: Gases, factor: EmissionFactor, by: str = _PRODUCT) -> Iterator[Line]:
    """The gases that are known, and by what."""
    yield Line("co2_kg", _known(amounts.co2), "kg CO2", by)
    yield Line("co2_t", _known(amounts.co2 / 1000.0), "t CO2", "")
    if isfinite(amounts.ch4) and amounts.ch4:
        yield Line("ch4_kg", amounts.ch4, "kg CH4", by)
    if isfinite(amounts.n2o) and amounts.n2o:
        yield Line("n2o_kg", amounts.n2o, "kg N2O", by)
    if isfinite(amounts.co2e):
        yield Line("co2e_kg", amounts.co2e, "kg CO2e", _potentials(factor.gwp_set))
    if isfinite(amounts.biogenic_co2) and amounts.biogenic_co2:
        yield Line("biogenic_co2_kg", amounts.biogenic_co2, "kg CO2", "a memo item, not in co2_kg")


def _potentials(gwp_set: str | None) -> str:
    if gwp_set is None:
        return "the publisher's warming potentials"
    gwp = GWP_SETS[gwp_set]
    return f"{gwp_set}: CH4 {gwp.ch4_fossil:g} (biogenic {gwp.ch4_biogenic:g}), N2O {gwp.n2o:g}"


def _inputs(computed: Computed) -> Iterator[Line]:
    metered = computed.metered
    for name, value in {metered.quantity: metered.x, **metered.inputs}.items():
        yield Line(name, value, quantity(computed.use.kind, name).unit, _GIVEN)


def _asks_for_factor(computed: Computed) -> bool:
    return computed.use.source.method is not Method.HEAT or computed.use.facts.factor_set is not None


def _factor(computed: Computed) -> Iterator[Line]:
    found, factor, unit = computed.use.found, computed.conversion.factor, computed.conversion.activity_unit
    if factor.name is None:  # a measured stack's activity is CO2 already
        return
    if computed.use.source.method is Method.FUEL:
        yield from _fuel_parts(computed)
    # The published factor is that of the location; a market-based one says in its name what it is made of.
    source = "" if isinstance(found, str) or computed.conversion.basis == "market" else found.factor.source
    yield Line("factor", factor.name, "", source)
    for name, value in {
        "co2_kg_per_unit": factor.co2_kg_per_unit,
        "ch4_kg_per_unit": factor.ch4_kg_per_unit,
        "n2o_kg_per_unit": factor.n2o_kg_per_unit,
        "co2e_kg_per_unit": factor.co2e_kg_per_unit,
    }.items():
        if isfinite(value) and value:
            yield Line(
                name,
                value,
                f"kg/{unit}",
                made_of(computed.use, computed.conversion) if name == "co2_kg_per_unit" else "",
            )
    by = "stands in for a year not published yet, or is unconfirmed" if factor.provisional else ""
    yield Line("provisional", "yes" if factor.provisional else "no", "", by)


def _fuel_parts(computed: Computed) -> Iterator[Line]:
    """Published and measured parts of a fuel's factor."""
    found, properties = computed.use.found, computed.use.facts.fuel
    if not isinstance(found, str):
        yield from _published(found.factor)
    if properties is None:
        return
    unit = "t" if isinstance(found, str) else found.factor.unit
    lab = measured(properties, FACTOR_UNITS[unit], computed.use.facts.factor_base_state)
    if isinstance(lab, str):
        raise CalculationError(lab)
    for name, value, of in (
        ("measured_ncv", lab.ncv_gj, f"GJ/{unit}"),
        ("measured_carbon", lab.carbon_t, f"tC/{unit}"),
        ("measured_carbon_content", lab.carbon_t_per_gj, "tC/GJ"),
        ("measured_oxidation_rate", lab.oxidation_rate, ""),
        ("measured_biogenic_fraction", lab.biogenic_fraction, ""),
    ):
        if value is not None:
            yield Line(name, value, of, "laboratory, on the basis as metered (GB/T 483)")


def _published(factor: Factor) -> Iterator[Line]:
    yield from (
        Line(name, value, unit, by)
        for name, value, unit, by in (
            ("ncv", factor.ncv_gj_per_unit, f"GJ/{factor.unit}", factor.basis),
            ("carbon_content", factor.carbon_content_t_per_gj, "tC/GJ", ""),
            ("oxidation_rate", factor.oxidation_rate, "", ""),
        )
        if value is not None
    )


def _uncertainty(computed: Computed) -> Iterator[Line]:
    activity, factor = (
        computed.conversion.activity_uncertainty_pct,
        computed.conversion.factor_uncertainty_pct,
    )
    if activity is None or factor is None:
        return
    yield Line("activity_uncertainty_pct", activity, "%", "95 %")
    yield Line("factor_uncertainty_pct", factor, "%", "95 %")
    both = float(product_pct(activity, factor))
    yield Line("uncertainty_pct", both, "%", "sqrt(U1^2 + U2^2), IPCC 2006 vol. 1 eq. 3.1")


def added(parts: Iterable[Gases]) -> Gases:
    """The gases of several parts; unknown where one's is."""
    columns = zip(*parts, strict=True)
    return Gases(*(sum(column) for column in columns))


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
