"""Lineage in the database: recipes by what they say, and by which code and registry hours were computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from services.store.pool import Connection


class Calculation(NamedTuple):
    """The code that computes."""

    version: str
    code: str
    """The digest of its source."""
    libraries: Mapping[str, str]
    """Their versions, by name."""


_KEEP_RECIPES: Final = """
INSERT INTO core.recipe (recipe, document)
SELECT new.recipe, new.document::json
FROM unnest(%s::uuid[], %s::text[]) AS new (recipe, document)
ON CONFLICT (recipe) DO NOTHING
"""

_CALCULATION: Final = """
SELECT c.calculation_id FROM core.calculation c
WHERE c.version = %(version)s AND c.code = %(code)s AND c.libraries = %(libraries)s
    AND c.registry_version = %(registry_version)s
"""

_KEEP_CALCULATION: Final = """
INSERT INTO core.calculation (version, code, libraries, registry_version)
VALUES (%(version)s, %(code)s, %(libraries)s, %(registry_version)s)
ON CONFLICT (version, code, libraries, registry_version) DO NOTHING
"""


async def keep_recipes(connection: Connection, documents: Mapping[UUID, str]) -> None:
    """Have these recipes, JSON by id, in the database. Raises psycopg.Error."""
    if not documents:
        return
    cursor = await connection.execute(
        "SELECT recipe FROM core.recipe WHERE recipe = ANY (%s)", [list(documents)]
    )
    new = documents.keys() - {recipe for (recipe,) in await cursor.fetchall()}
    if new:
        # In order: two who insert the same wait for each other, never crosswise.
        ordered = sorted(new)
        await connection.execute(_KEEP_RECIPES, [ordered, [documents[each] for each in ordered]])


async def keep_calculation(connection: Connection, made_by: Calculation, registry_version: int) -> int:
    """The number of this code with this registry. Raises psycopg.Error."""
    parameters = {
        "version": made_by.version,
        "code": made_by.code,
        "libraries": Jsonb(dict(made_by.libraries)),
        "registry_version": registry_version,
    }
    while True:
        row = await (await connection.execute(_CALCULATION, parameters)).fetchone()
        if row is not None:
            number: int = row[0]
            return number
        await connection.execute(_KEEP_CALCULATION, parameters)
