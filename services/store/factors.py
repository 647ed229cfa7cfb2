"""Emission factors: the published table that ships with Carbonflow, and what the database holds.

A row of `core.factor` is never updated: a corrected figure is a new row with its own time of recording.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from services.store.errors import StoreError
from services.store.pool import Connection

SHIPPED: Final = Path(__file__).parent / "factors.csv"

_YEAR_SUFFIX: Final = re.compile(r"_\d{4}$")
_RANGE: Final = re.compile(r"[0-9.]+-[0-9.]+")


class FactorFileError(StoreError):
    """A file of factors is not what it should be."""


class NewFactor(NamedTuple):
    """A published factor as recorded: the columns of `core.factor` that are given, in their order."""

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

    @property
    def sha256(self) -> bytes:
        """What the row is recognised by: equal rows are one factor."""
        return sha256(json.dumps(self, default=str, ensure_ascii=False).encode()).digest()


def shipped_factors() -> tuple[NewFactor, ...]:
    """The published factors that ship with Carbonflow."""
    return read_factors(SHIPPED)


def read_factors(path: Path) -> tuple[NewFactor, ...]:
    """The factors of a CSV file with the columns of the shipped one. Raises FactorFileError, OSError."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        factors = []
        for row in reader:
            try:
                factors.append(_factor(row))
            except (KeyError, ValueError) as error:
                raise FactorFileError(
                    f"{path.name}, line {reader.line_num}: {error} is missing or wrong."
                ) from error
    return tuple(factors)


def _factor(row: dict[str, str]) -> NewFactor:
    valid_from = _date(row["valid_from"])
    factor_set = row["factor_set"]
    range_note = ""
    if _RANGE.fullmatch(row["ncv"]):
        # Not one figure: nothing may be computed from it, but it is not forgotten.
        range_note = f"; NCV given as a range, {row['ncv']} {row['ncv_unit']}"
    return NewFactor(
        factor_set=factor_set,
        # The figures of several years make one series; the year is in `valid_from`.
        series=_YEAR_SUFFIX.sub("", factor_set) if valid_from else factor_set,
        fuel=row["fuel"],
        region=row["region"] or None,
        unit=row["unit"],
        gas=row["gas"],
        basis=row["basis"],
        biogenic=row["biogenic"] == "yes",
        ncv=None if range_note else _number(row["ncv"]),
        ncv_unit=row["ncv_unit"] or None,
        carbon_content_t_per_gj=_number(row["carbon_content_tC_per_GJ"]),
        oxidation_rate=_number(row["oxidation_rate"]),
        co2_kg_per_unit=_number(row["co2_kg_per_unit"]),
        ch4_kg_per_tj=_number(row["ch4_kg_per_TJ"]),
        n2o_kg_per_tj=_number(row["n2o_kg_per_TJ"]),
        valid_from=valid_from,
        valid_to=_date(row["valid_to"]),
        source=row["source"] + range_note,
        confirmed=row["verified"] != "unconfirmed",
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


async def import_factors(connection: Connection, factors: Iterable[NewFactor]) -> int:
    """Add those not yet recorded, in the caller's transaction; how many. Raises psycopg.Error."""
    cursor = await connection.execute("SELECT sha256 FROM core.factor")
    known = {bytes(digest) for (digest,) in await cursor.fetchall()}
    new = [factor for factor in factors if factor.sha256 not in known]
    async with connection.cursor() as cursor:
        await cursor.executemany(_INSERT, [(*factor, factor.sha256) for factor in new])
    return len(new)


_INSERT: Final = """
INSERT INTO core.factor (factor_set, series, fuel, region, unit, gas, basis, biogenic, ncv, ncv_unit,
    carbon_content_t_per_gj, oxidation_rate, co2_kg_per_unit, ch4_kg_per_tj, n2o_kg_per_tj,
    valid_from, valid_to, source, confirmed, sha256)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (sha256) DO NOTHING
"""
