"""The shipped table is the reference table, and every row of it is recorded whole."""

from __future__ import annotations

import csv
from pathlib import Path

import psycopg
import pytest

from services.store.factors import SHIPPED, shipped_factors

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "factors.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference table does not lie beside the clone")
def test_the_shipped_table_is_the_reference_table() -> None:
    assert rows(SHIPPED) == rows(REFERENCE)


def test_every_row_ships_with_what_it_is_and_where_it_is_from(database_url: str) -> None:
    table = rows(SHIPPED)
    assert len(shipped_factors()) == len(table)
    with psycopg.connect(database_url) as connection:
        recorded = connection.execute(
            "SELECT set, carrier, region, basis, gas, valid_from::text, valid_to::text, source, confirmed "
            "FROM api.factors"
        ).fetchall()
        [(unsaid,)] = connection.execute(
            "SELECT count(*) FROM core.factor "
            "WHERE recorded_at IS NULL OR '' IN (unit, basis, source, factor_set)"
        ).fetchall()
    assert unsaid == 0
    assert sorted(map(str, recorded)) == sorted(
        str(
            (
                row["factor_set"],
                row["fuel"],
                row["region"] or None,
                row["basis"],
                row["gas"],
                row["valid_from"] or None,
                row["valid_to"] or None,
                row["source"],
                row["verified"] == "transcribed",
            )
        )
        for row in table
    )
