"""What went wrong in the database: one place that judges SQLSTATEs, and the errors of this layer."""

from __future__ import annotations

import re
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


_INVALID_PASSWORD: Final = "28P01"
_INVALID_AUTHORIZATION: Final = "28000"
_INVALID_CATALOG_NAME: Final = "3D000"
_INSUFFICIENT_PRIVILEGE: Final = "42501"
_REFUSALS: Final = frozenset(
    {_INVALID_PASSWORD, _INVALID_AUTHORIZATION, _INVALID_CATALOG_NAME, _INSUFFICIENT_PRIVILEGE}
)

# libpq keeps the SQLSTATE of a failed login to itself and gives the server's text alone. A server that speaks
# another language than English is not understood: its refusal counts as any other failure to connect.
_LOGIN_TEXTS: Final = (
    (re.compile(r"password authentication failed for user|no password supplied"), _INVALID_PASSWORD),
    (re.compile(r"no pg_hba\.conf entry for|authentication failed for user"), _INVALID_AUTHORIZATION),
    (re.compile(r'role ".*" (does not exist|is not permitted to log in)'), _INVALID_AUTHORIZATION),
    (re.compile(r'database ".*" does not exist'), _INVALID_CATALOG_NAME),
    (re.compile(r"permission denied for database"), _INSUFFICIENT_PRIVILEGE),
)


def _sqlstate(error: psycopg.Error) -> str | None:
    if error.sqlstate is not None or not isinstance(error, psycopg.OperationalError):
        return error.sqlstate
    text = str(error)
    return next((state for pattern, state in _LOGIN_TEXTS if pattern.search(text)), None)


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the database refuses who asks: user, password or right, or there is no such database."""
    return _sqlstate(error) in _REFUSALS


def classify(error: psycopg.Error) -> Failure:
    """Whether to try again or to look for the bad row, by SQLSTATE (or class, for errors of the client)."""
    if error.sqlstate is None:
        # The client refused a value before it was sent, such as text with a NUL; all else is the connection.
        return Failure.PERMANENT if isinstance(error, psycopg.DataError) else Failure.TRANSIENT
    return Failure.PERMANENT if error.sqlstate[:2] in _PERMANENT_CLASSES else Failure.TRANSIENT


def explain(error: psycopg.Error) -> str:
    """One sentence for a person: what is wrong with the database and what to do."""
    first_line = str(error).strip().partition("\n")[0]
    state = _sqlstate(error) or ""
    if not state and isinstance(error, psycopg.OperationalError):
        return f"The database cannot be reached: {first_line}"
    sentence = _SENTENCES.get(state) or _SENTENCES.get(state[:2]) or "The database refused:"
    return f"{sentence} ({first_line})" if first_line else sentence
