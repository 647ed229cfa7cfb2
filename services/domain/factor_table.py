"""A table of factors from a file: its heating values brought to units that the formulas know.

For whoever loads a table of their own (pint is imported); the shipped one needs none of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from services.domain import measures
from services.domain.factors import Factor, FactorTableError, parse_factors_csv
from services.domain.measures import MeasureError
from services.domain.units import FACTOR_UNITS, HEATING_VALUE_UNITS

_NUMBER_COLUMN = "ncv"
_UNIT_COLUMN = "ncv_unit"


def read_table(text: str) -> tuple[Factor, ...]:
    """The factors of a table like services/store/factors.csv, its heating values in any unit of energy per
    unit of the factor. Raises FactorTableError, naming every line at fault."""
    reader = csv.DictReader(io.StringIO(text))
    if reader.fieldnames is None or "factor_set" not in reader.fieldnames:
        raise FactorTableError("line 1: there is no column factor_set: is this a table of factors?")
    written = io.StringIO()
    writer = csv.DictWriter(written, reader.fieldnames, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    faults = []
    for line, row in enumerate(reader, start=2):
        try:
            writer.writerow(_in_known_units(row))
        except MeasureError as error:
            faults.append(
                f"line {line}: the heating value {row[_NUMBER_COLUMN]} {row[_UNIT_COLUMN]}: {error}"
            )
    if faults:
        raise FactorTableError("; ".join(faults))
    return parse_factors_csv(written.getvalue())


def _in_known_units(row: Mapping[str, str | None]) -> dict[str, str | None]:
    """The row with its heating value in the unit that the factor's own asks for."""
    value, unit = (row.get(_NUMBER_COLUMN) or "").strip(), (row.get(_UNIT_COLUMN) or "").strip()
    per, gross = (row.get("unit") or "").strip(), (row.get("basis") or "").strip() == "HHV"
    if not value or unit in HEATING_VALUE_UNITS or per not in FACTOR_UNITS:
        return dict(row)
    wanted = _unit_for(per, gross=gross)
    found = measures.read(f"{value} {unit.replace('(', '').replace(')', '')}", _plain(wanted))
    if set(found.words) & (measures.NET if gross else measures.GROSS):
        raise MeasureError(f"it says {' '.join(found.words)}, and the basis is {row.get('basis')}")
    return {**row, _NUMBER_COLUMN: repr(found.value), _UNIT_COLUMN: wanted}


def _unit_for(per: str, *, gross: bool) -> str:
    for unit, (of, _) in HEATING_VALUE_UNITS.items():
        if of == per and ("HHV" in unit) == gross:
            return unit
    raise MeasureError(f"there is none by {'HHV' if gross else 'LHV'} for a factor per {per}")


def _plain(unit: str) -> str:
    """As `measures` spells it."""
    return unit.removesuffix(" (HHV)").replace("short ton", "short_ton").replace("/gal", "/gallon")
