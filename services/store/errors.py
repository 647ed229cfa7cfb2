"""What went wrong in the database: one place that judges SQLSTATEs, and the errors of this layer."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import psycopg


class StoreError(Exception):
    """The store cannot do what was asked; the message is one sentence that says what to do."""


class Failure(StrEnum):
    """Whose fault a failure is, which says what to do next."""

    TRANSIENT = "transient"
    """Not the rows' fault: keep them and try the same batch again."""
    PERMANENT = "permanent"
    """The rows' fault: trying again fails again; split until the bad row is alone."""


# Classes of PostgreSQL's appendix A, "Error codes". Only what a row can cause is permanent: no reading is to
# blame for a missing table, a missing right or an error nobody foresaw, and none may be rejected for it.
_PERMANENT_CLASSES: Final = frozenset(
    {
        "21",  # cardinality violation: one row twice in one ON CONFLICT
        "22",  # data exception
        "23",  # integrity constraint violation
        "44",  # check option violation
        "54",  # program limit exceeded: a row or key too large
    }
)

_SENTENCES: Final = {
    "08": "The connection to the database broke: see whether it runs and try again.",
    "28": "The database refuses this user or password: correct CARBONFLOW_DATABASE_URL.",
    "3D": "The database does not exist: create it, or correct CARBONFLOW_DATABASE_URL.",
    "40": "Another transaction was in the way: try again.",
    "53": "The database is short of memory, connections or disk: free some and try again.",
    "55": "Another session holds what is needed: try again when it has finished.",
    "57": "The database was shut down or cancelled the statement: try again.",
    "58": "The database server has trouble with its disk or files: see its log.",
    "25006": "The database takes no writes (it is a standby or read-only): connect to the primary.",
    "53100": "The database's disk is full: free some space and try again.",
    "53300": "The database has no free connection left: raise max_connections or close some.",
    "42501": "The database user lacks a right: connect as the schema's owner, or run `carbonflow migrate`.",
    "42P01": "A table is missing: run `carbonflow migrate`.",
    "3F000": "A schema is missing: run `carbonflow migrate`.",
}


def classify(error: psycopg.Error) -> Failure:
    """Whether to try again or to look for the bad row, by SQLSTATE (or class, for errors of the client)."""
    if error.sqlstate is None:
        # The client refused a value before it was sent, such as text with a NUL; all else is the connection.
        return Failure.PERMANENT if isinstance(error, psycopg.DataError) else Failure.TRANSIENT
    return Failure.PERMANENT if error.sqlstate[:2] in _PERMANENT_CLASSES else Failure.TRANSIENT


def explain(error: psycopg.Error) -> str:
    """One sentence for a person: what is wrong with the database and what to do."""
    first_line = str(error).strip().partition("\n")[0]
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return f"The database cannot be reached: {first_line}"
    state = error.sqlstate or ""
    sentence = _SENTENCES.get(state) or _SENTENCES.get(state[:2]) or "The database refused:"
    return f"{sentence} ({first_line})" if first_line else sentence
