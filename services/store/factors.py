"""Emission factors: the published table that ships with Carbonflow, and what the database holds.

A row of `core.factor` is never updated: a corrected figure is a new row with its own time of recording.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from psycopg.rows import class_row

from services.domain.factors import Factor, parse_factors_csv
from services.store.pool import Connection

SHIPPED: Final = Path(__file__).parent / "factors.csv"

_GIVEN_BY_DATABASE: Final = frozenset({"factor_id", "recorded_at"})
_COLUMNS: Final = tuple(field.name for field in fields(Factor) if field.name not in _GIVEN_BY_DATABASE)


def shipped_factors() -> tuple[Factor, ...]:
    """The published factors that ship with Carbonflow."""
    return parse_factors_csv(SHIPPED.read_text(encoding="utf-8"))


async def load_factors(connection: Connection) -> tuple[Factor, ...]:
    """Every recorded factor, in the order of recording. Raises psycopg.Error."""
    async with connection.cursor(row_factory=class_row(Factor)) as cursor:
        await cursor.execute(_SELECT)
        return tuple(await cursor.fetchall())


_SELECT: Final = """
SELECT factor_set, series, fuel, region, unit, gas, basis, biogenic, ncv, ncv_unit, carbon_content_t_per_gj,
    oxidation_rate, co2_kg_per_unit, ch4_kg_per_tj, n2o_kg_per_tj, valid_from, valid_to, source, confirmed,
    factor_id, recorded_at
FROM core.factor
ORDER BY factor_id
"""


LISTED: Final = (
    "factor",
    "set",
    "carrier",
    "region",
    "value",
    "unit",
    "gas",
    "basis",
    "valid_from",
    "valid_to",
    "confirmed",
    "source",
)
"""The columns of `list_factors`, as in `api.factors`."""


async def list_factors(
    connection: Connection,
    *,
    factor_set: str | None = None,
    carrier: str | None = None,
    region: str | None = None,
    on: date | None = None,
) -> list[tuple[Any, ...]]:
    """The factors that match what is given, in the order LISTED. Raises psycopg.Error."""
    wanted = {"factor_set": factor_set, "carrier": carrier, "region": region, "on": on}
    cursor = await connection.execute(_LIST, wanted)
    return await cursor.fetchall()


_LIST: Final = """
SELECT factor, set, carrier, region, value, unit, gas, basis, valid_from, valid_to, confirmed, source
FROM api.factors
WHERE (%(factor_set)s::text IS NULL OR %(factor_set)s IN (set, series))
    AND (%(carrier)s::text IS NULL OR carrier = %(carrier)s)
    AND (%(region)s::text IS NULL OR region = %(region)s)
    AND (%(on)s::date IS NULL
        OR %(on)s BETWEEN coalesce(valid_from, '-infinity') AND coalesce(valid_to, 'infinity'))
ORDER BY set, carrier, region, recorded_at
"""


async def import_factors(connection: Connection, factors: Iterable[Factor]) -> int:
    """Record those not yet recorded, in the caller's transaction; how many. Raises psycopg.Error."""
    cursor = await connection.execute("SELECT sha256 FROM core.factor")
    known = {bytes(digest) for (digest,) in await cursor.fetchall()}
    rows = {_digest(factor): factor for factor in factors}
    new = [{**asdict(factor), "sha256": digest} for digest, factor in rows.items() if digest not in known]
    async with connection.cursor() as cursor:
        await cursor.executemany(_INSERT, new)
    return len(new)


_INSERT: Final = """
INSERT INTO core.factor (factor_set, series, fuel, region, unit, gas, basis, biogenic, ncv, ncv_unit,
    carbon_content_t_per_gj, oxidation_rate, co2_kg_per_unit, ch4_kg_per_tj, n2o_kg_per_tj,
    valid_from, valid_to, source, confirmed, sha256)
VALUES (%(factor_set)s, %(series)s, %(fuel)s, %(region)s, %(unit)s, %(gas)s, %(basis)s, %(biogenic)s, %(ncv)s,
    %(ncv_unit)s, %(carbon_content_t_per_gj)s, %(oxidation_rate)s, %(co2_kg_per_unit)s, %(ch4_kg_per_tj)s,
    %(n2o_kg_per_tj)s, %(valid_from)s, %(valid_to)s, %(source)s, %(confirmed)s, %(sha256)s)
ON CONFLICT (sha256) DO NOTHING
"""


def _digest(factor: Factor) -> bytes:
    """What a factor is recognised by: everything published of it."""
    published = [getattr(factor, column) for column in _COLUMNS]
    return sha256(json.dumps(published, default=str, ensure_ascii=False).encode()).digest()


def factor_names(factors: Iterable[Factor]) -> dict[str, set[str]]:
    """The fuels of each factor set and each series of sets: what a registry may name."""
    names: dict[str, set[str]] = {}
    for factor in factors:
        for name in (factor.factor_set, factor.series):
            names.setdefault(name, set()).add(factor.fuel)
    return names
