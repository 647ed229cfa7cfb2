from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from services.store.errors import Failure, classify, explain


@pytest.mark.parametrize(
    "state",
    [
        "08006",  # connection failure
        "25006",  # read-only transaction: a standby after a failover
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53100",  # disk full
        "53200",  # out of memory
        "53300",  # too many connections
        "55P03",  # lock not available
        "57014",  # cancelled, such as by the statement timeout
        "57P01",  # administrator's shutdown
        "57P02",  # crash shutdown
        "57P03",  # cannot connect now: still starting
        "58030",  # I/O error
        "42P01",  # a table is missing: no reading is to blame
        "42501",  # a right is missing
        "XX000",  # internal error
    ],
)
def test_what_no_row_can_cause_is_tried_again(state: str) -> None:
    assert classify(errors.lookup(state)("x")) is Failure.TRANSIENT


@pytest.mark.parametrize(
    "state",
    [
        "21000",  # one row twice in one ON CONFLICT
        "22003",  # number out of range
        "22021",  # not in the encoding
        "22P05",  # character without translation, such as an escaped NUL
        "23502",  # not null
        "23505",  # unique
        "23514",  # check
        "54000",  # too large a row
    ],
)
def test_what_a_row_causes_is_looked_for(state: str) -> None:
    assert classify(errors.lookup(state)("x")) is Failure.PERMANENT


def test_errors_of_the_client_go_by_their_class() -> None:
    assert classify(psycopg.DataError("text with NUL")) is Failure.PERMANENT
    assert classify(psycopg.OperationalError("connection lost")) is Failure.TRANSIENT
    assert classify(psycopg.InterfaceError("connection closed")) is Failure.TRANSIENT


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (psycopg.OperationalError("connection refused"), "cannot be reached: connection refused"),
        (
            psycopg.OperationalError('failed: FATAL:  password authentication failed for user "x"'),
            "correct CARBONFLOW_DATABASE_URL",
        ),
        (psycopg.OperationalError('FATAL:  database "x" does not exist'), "create it"),
        (errors.DiskFull("could not extend file"), "disk is full"),
        (errors.UndefinedTable('relation "core.device" does not exist'), "carbonflow migrate"),
        (errors.InsufficientPrivilege("permission denied"), "lacks a right"),
        (errors.SyntaxError("at or near"), "refused: (at or near)"),
    ],
)
def test_explanations_say_what_to_do(error: psycopg.Error, words: str) -> None:
    assert words in explain(error)
    assert "\n" not in explain(error)
