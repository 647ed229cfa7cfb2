"""The account of ingest: every unit received, by how it ended."""

from __future__ import annotations

from services.store.pool import Connection

_ADD = """
INSERT INTO core.ingest_total AS total (client, received, stored, duplicate, rejected)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (client) DO UPDATE SET
    received = total.received + excluded.received,
    stored = total.stored + excluded.stored,
    duplicate = total.duplicate + excluded.duplicate,
    rejected = total.rejected + excluded.rejected
"""


async def add_totals(
    connection: Connection, client: str, *, stored: int, duplicate: int, rejected: int
) -> None:
    """Move a client's account by the outcomes of one transaction, in that transaction."""
    await connection.execute(_ADD, [client, stored + duplicate + rejected, stored, duplicate, rejected])
