"""What the doctor says of one thing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Finding(NamedTuple):
    """What was looked at, how it is, what was found, and what to do; no `todo` where there is nothing."""

    what: str
    state: State
    found: str
    todo: str = ""


COLUMNS: Final = Finding._fields


def ok(what: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(what, State.OK, found)


def warning(what: str, found: str, todo: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(what, State.WARNING, found, todo)


def failure(what: str, found: str, todo: str) -> Finding:
    """It does not work."""
    return Finding(what, State.FAILURE, found, todo)
