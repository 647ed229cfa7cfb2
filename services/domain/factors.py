"""Published emission factors: the table, and the one for a set, a fuel, a place and a date."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from services.domain.units import FACTOR_UNITS, HEATING_VALUE_UNITS

CO2_PER_CARBON: Final = 44.0 / 12.0
"""kg CO2 per kg of carbon; exactly 44/12, as the guidelines have it."""

MAXIMUM_AGE_YEARS: Final = 4
"""A grid factor stands in for a later year, not yet published, for at most so many years."""

_ELECTRICITY: Final = "electricity"
_ETS_PREFIX: Final = "CN_ETS_"
_GASES: Final = ("CO2", "CO2e")
_HEATING_BASES: Final = ("LHV", "HHV", "energy only")
# The table's printed product and its own parts must agree to the rounding of the parts (eight decimals of a
# small carbon content, five figures of a product per scf).
_PRINTED_AGREES: Final = 1e-4
_YEAR_SUFFIX: Final = re.compile(r"_\d{4}$")
_RANGE: Final = re.compile(r"^\d+(\.\d+)?-\d+(\.\d+)?$")


class FactorTableError(ValueError):
    """The factor table has rows that cannot be used; the message names each line and what it lacks."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One published factor, a row of core.factor. Heating values in `ncv_unit`, CO2 in kg per `unit`, CH4 and
    N2O in kg/TJ, carbon in tC/GJ; None where the set does not say."""

    factor_set: str
    series: str
    fuel: str
    region: str | None
    unit: str
    gas: str
    basis: str
    biogenic: bool
    ncv: float | None
    ncv_unit: str | None
    carbon_content_t_per_gj: float | None
    oxidation_rate: float | None
    co2_kg_per_unit: float | None
    ch4_kg_per_tj: float | None
    n2o_kg_per_tj: float | None
    valid_from: date | None
    valid_to: date | None
    source: str
    confirmed: bool
    factor_id: int | None = None
    recorded_at: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.factor_set}/{self.fuel}"

    @property
    def ncv_gj_per_unit(self) -> float | None:
        """Heating value in GJ per `unit`, on the basis the row names (LHV or HHV)."""
        if self.ncv is None or self.ncv_unit is None:
            return None
        return self.ncv * HEATING_VALUE_UNITS[self.ncv_unit][1]


class Found(NamedTuple):
    """A factor, and whether it only stands in for one not yet published (or is itself unconfirmed)."""

    factor: Factor
    provisional: bool


class FactorBook:
    """Looks factors up. Of several records of the same factor the one recorded last is in force."""

    def __init__(self, factors: Iterable[Factor]) -> None:
        self._by_name: defaultdict[str, list[Factor]] = defaultdict(list)
        self._found: dict[tuple[str, str, str | None, date], Found | str] = {}
        self.factors: tuple[Factor, ...] = _newest_records(factors)
        for factor in self.factors:
            self._by_name[factor.factor_set].append(factor)
            if factor.series != factor.factor_set:
                self._by_name[factor.series].append(factor)

    def find(self, factor_set: str, fuel: str, region: str | None, on: date) -> Found | str:
        """The factor in force on the local date `on`, or the reason why there is none, a sentence.

        `factor_set` is a set or a series of yearly sets. A series never gives an unconfirmed row nor an ETS
        reporting convention; a set that is named exactly does, and an unconfirmed row is then provisional.
        `fuel` "electricity" with a `region` is that place's grid average. Where nothing is published for the
        date, the newest earlier factor stands in, provisionally, for at most MAXIMUM_AGE_YEARS.
        """
        # Of ten thousand sources nearly all ask for the same few.
        wanted = (factor_set, fuel, region, on)
        if wanted not in self._found:
            self._found[wanted] = self._find(*wanted)
        return self._found[wanted]

    def _find(self, factor_set: str, fuel: str, region: str | None, on: date) -> Found | str:
        rows = self._by_name.get(factor_set)
        if not rows:
            return f"There is no factor set {factor_set}."
        rows = [row for row in rows if row.factor_set == factor_set or _is_default(row)]
        rows = [row for row in rows if _is_fuel(row, fuel)]
        if not rows:
            return f"Set {factor_set} has no factor for {fuel}."
        rows = [row for row in rows if row.region is None or row.region == region]
        if not rows:
            place = f"in {region}" if region else "for a site without a region"
            return f"Set {factor_set} has no factor for {fuel} {place}."
        chosen = _in_force(rows, factor_set, fuel, on)
        return chosen if isinstance(chosen, str) else _one_of(chosen, factor_set, fuel, on)

    def boundaries(self) -> frozenset[date]:
        """The dates on which a factor begins, and the first ones after a factor has ended."""
        begins = {factor.valid_from for factor in self.factors if factor.valid_from is not None}
        ends = {
            date.fromordinal(factor.valid_to.toordinal() + 1)
            for factor in self.factors
            if factor.valid_to is not None and factor.valid_to < date.max
        }
        return frozenset(begins | ends)


def _newest_records(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    newest: dict[tuple[object, ...], Factor] = {}
    for factor in sorted(factors, key=_recorded):
        newest[factor.factor_set, factor.fuel, factor.region, factor.valid_from] = factor
    return tuple(newest.values())


def _recorded(factor: Factor) -> tuple[datetime, int]:
    return factor.recorded_at or datetime.min.replace(tzinfo=UTC), factor.factor_id or 0


def _is_default(factor: Factor) -> bool:
    return factor.confirmed and not factor.factor_set.startswith(_ETS_PREFIX)


def _is_fuel(factor: Factor, fuel: str) -> bool:
    if factor.fuel == fuel:
        return True
    return fuel == _ELECTRICITY and factor.region is not None and factor.fuel.startswith(_ELECTRICITY + "_")


def _in_force(rows: list[Factor], factor_set: str, fuel: str, on: date) -> list[Factor] | str:
    """The rows that hold on `on`, else the newest that ended before it."""
    begun = [row for row in rows if row.valid_from is None or row.valid_from <= on]
    if not begun:
        first = min(row.valid_from for row in rows if row.valid_from is not None)
        return f"Set {factor_set} has no factor for {fuel} before {first}."
    holding = [row for row in begun if row.valid_to is None or row.valid_to >= on]
    if holding:
        return holding
    last = max(row.valid_to for row in begun if row.valid_to is not None)
    if on.year - last.year > MAXIMUM_AGE_YEARS:
        return (
            f"The newest factor of {factor_set} for {fuel} is of {last.year}, "
            f"more than {MAXIMUM_AGE_YEARS} years before {on.year}."
        )
    return [row for row in begun if row.valid_to == last]


def _one_of(rows: list[Factor], factor_set: str, fuel: str, on: date) -> Found | str:
    """The row of that fuel; among several averages of a grid the plain one; else it is for the registry to
    say."""
    newest = max(row.valid_from or date.min for row in rows)
    rows = [row for row in rows if (row.valid_from or date.min) == newest]
    exact = (
        [row for row in rows if row.fuel == fuel] or [row for row in rows if row.basis == "average"] or rows
    )
    if len(exact) != 1:
        names = ", ".join(sorted(row.name for row in rows))
        return f"Set {factor_set} has several factors for {fuel}, name one as factor_fuel: {names}."
    [factor] = exact
    stands_in = factor.valid_to is not None and factor.valid_to < on
    return Found(factor, provisional=stands_in or not factor.confirmed)


def parse_factors_csv(text: str) -> tuple[Factor, ...]:
    """The factors of a table like services/store/factors.csv, in its order.

    Raises FactorTableError, naming every line at fault: a factor must name its set, fuel, unit, gas, basis
    and source, in units there is a conversion for, and its printed CO2 must be the product of its own parts.
    """
    factors: list[Factor] = []
    faults: list[str] = []
    for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            factors.append(_factor(row))
        except FactorTableError as error:
            faults.append(f"line {line}: {error}")
    if faults:
        raise FactorTableError("; ".join(faults))
    return tuple(factors)


def _factor(row: Mapping[str, str | None]) -> Factor:
    begins = _date(row, "valid_from")
    factor_set = _required(row, "factor_set")
    factor = Factor(
        factor_set=factor_set,
        series=_YEAR_SUFFIX.sub("", factor_set) if begins is not None else factor_set,
        fuel=_required(row, "fuel"),
        region=_text(row, "region"),
        unit=_required(row, "unit"),
        gas=_text(row, "gas") or "",
        basis=_required(row, "basis"),
        biogenic=_text(row, "biogenic") == "yes",
        ncv=_number(row, "ncv"),
        ncv_unit=_text(row, "ncv_unit"),
        carbon_content_t_per_gj=_number(row, "carbon_content_tC_per_GJ"),
        oxidation_rate=_number(row, "oxidation_rate"),
        co2_kg_per_unit=_number(row, "co2_kg_per_unit"),
        ch4_kg_per_tj=_number(row, "ch4_kg_per_TJ"),
        n2o_kg_per_tj=_number(row, "n2o_kg_per_TJ"),
        valid_from=begins,
        valid_to=_date(row, "valid_to"),
        source=_required(row, "source"),
        confirmed=_required(row, "verified") == "transcribed",
    )
    _check(factor)
    return factor


def _check(factor: Factor) -> None:
    if factor.unit not in FACTOR_UNITS:
        raise FactorTableError(f"there is no conversion for the unit {factor.unit!r}")
    if factor.co2_kg_per_unit is not None and factor.gas not in _GASES:
        raise FactorTableError(f"gas is {factor.gas!r}; it must be CO2 or CO2e")
    if factor.ncv is not None:
        _check_heating_value(factor, factor.ncv_unit or "")
    if factor.valid_from and factor.valid_to and factor.valid_to < factor.valid_from:
        raise FactorTableError(f"it ends {factor.valid_to}, before it begins {factor.valid_from}")
    product = co2_of_parts(factor.ncv_gj_per_unit, factor.carbon_content_t_per_gj, factor.oxidation_rate)
    printed = factor.co2_kg_per_unit
    if (
        product is not None
        and printed is not None
        and not math.isclose(product, printed, rel_tol=_PRINTED_AGREES)
    ):
        raise FactorTableError(f"co2_kg_per_unit is {printed}, its parts give {product:.6g}")


def _check_heating_value(factor: Factor, unit: str) -> None:
    if unit not in HEATING_VALUE_UNITS:
        raise FactorTableError(f"there is no conversion for the heating value's unit {unit!r}")
    if factor.basis not in _HEATING_BASES:
        raise FactorTableError(
            f"the basis is {factor.basis!r}; a heating value is by one of {', '.join(_HEATING_BASES)}"
        )
    if HEATING_VALUE_UNITS[unit][0] != factor.unit:
        raise FactorTableError(f"the heating value is in {unit}, the factor per {factor.unit}")
    if ("HHV" in unit) != (factor.basis == "HHV"):
        raise FactorTableError(f"the heating value is in {unit}, the basis is {factor.basis}")


def co2_of_parts(
    ncv_gj_per_unit: float | None, carbon_content_t_per_gj: float | None, oxidation_rate: float | None
) -> float | None:
    """NCV x CC x OF x 44/12 in kg CO2 per unit (NDRC guidelines, eq. 2); None where a part is unknown."""
    if ncv_gj_per_unit is None or carbon_content_t_per_gj is None or oxidation_rate is None:
        return None
    return ncv_gj_per_unit * carbon_content_t_per_gj * oxidation_rate * CO2_PER_CARBON * 1000.0


def _text(row: Mapping[str, str | None], column: str) -> str | None:
    return (row.get(column) or "").strip() or None


def _required(row: Mapping[str, str | None], column: str) -> str:
    value = _text(row, column)
    if value is None:
        raise FactorTableError(f"{column} is missing")
    return value


def _number(row: Mapping[str, str | None], column: str) -> float | None:
    """A finite number of at least 0; None where empty or printed as a range, which is no value."""
    value = _text(row, column)
    if value is None or _RANGE.match(value):
        return None
    try:
        number = float(value)
    except ValueError as error:
        raise FactorTableError(f"{column} is {value!r}, no number") from error
    if not math.isfinite(number) or number < 0.0:
        raise FactorTableError(f"{column} is {value}, no number of at least 0")
    return number


def _date(row: Mapping[str, str | None], column: str) -> date | None:
    value = _text(row, column)
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise FactorTableError(f"{column} is {value!r}, no date") from error
