"""`carbonflow readings`: what is recorded, and what a person is told."""

from __future__ import annotations

import psycopg
import pytest

from tests.store.test_commands import Carbonflow, carbonflow

__all__ = ["carbonflow"]

NOON = "2026-03-01T12:00:00Z"


@pytest.fixture
def device(database_url: str) -> str:
    """A meter and a flowmeter of the same name, the meter with three readings."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO core.device (site, kind, device)"
            " VALUES ('s', 'meter', 'a'), ('s', 'flowmeter', 'a'), ('s', 'cems', 'c')"
        )
        connection.execute(
            "INSERT INTO core.reading_meter (device_id, time, received_at, power_kw) SELECT d.device_id,"
            " timestamptz '2026-03-01T12:00:00Z' + i * interval '15 minutes', now(), i"
            " FROM core.device d, generate_series(0, 2) AS i WHERE d.kind = 'meter'"
        )
    return "s/a"


def test_recorded_listed_and_withdrawn(carbonflow: Carbonflow, device: str) -> None:
    mine = (device, NOON, "2026-03-01T12:30:00Z", "--kind", "meter", "--author", "ann")
    dry = carbonflow("readings", "void", *mine, "--reason", "spike", "--dry-run").stdout
    assert dry.startswith("The correction would be recorded; 2 readings of its time")
    assert carbonflow("readings", "list").stdout == "No corrections.\n"
    done = carbonflow.json("readings", "void", *mine, "--reason", "spike")
    assert (done["recorded"], done["readings"]) == (True, 2)
    told = carbonflow(
        *("readings", "correct", device, NOON, "--kind", "meter", "--quantity", "power_kw", "--value", "3"),
        *("--reason", "read off", "--author", "ann"),
    )
    assert "the hours of 1 reading of its time are computed anew" in told.stdout
    number = str(done["correction"])
    carbonflow("readings", "withdraw", number, "--reason", "it was right", "--author", "bob")
    value, void = carbonflow.json("readings", "list", "--site", "s")
    assert (value["action"], value["value"], value["unit"], value["pending"]) == ("set", 3.0, "kW", True)
    assert (void["author"], void["withdrawn_author"], void["withdrawn_reason"]) == (
        "ann",
        "bob",
        "it was right",
    )


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["void", "s/a", NOON, "--reason", "x"], 1, "s has a flowmeter and a meter of the name a"),
        (["void", "s/b", NOON, "--reason", "x"], 1, "There is no device s/b"),
        (["void", "a", NOON, "--reason", "x"], 2, "write SITE/DEVICE"),
        (["void", "s/c", "2026-03-01T12:00:00", "--reason", "x"], 2, "no instant with zone"),
        (["void", "s/c", NOON, NOON, "--reason", "x"], 2, "TO is not after FROM"),
        (["void", "s/c", NOON, "--reason", " "], 2, "say why"),
        (["void", "s/c", NOON], 2, "--reason"),
        (["correct", "s/c", NOON, "--reason", "x", "--quantity", "co2_pct"], 2, "give one of"),
        (
            ["correct", "s/c", NOON, "--reason", "x", "--quantity", "power_kw", "--value", "1"],
            1,
            "a cems has no quantity power_kw",
        ),
        (["withdraw", "7", "--reason", "x"], 1, "There is no correction 7 in force"),
    ],
)
@pytest.mark.usefixtures("device")
def test_what_is_refused_is_told(
    carbonflow: Carbonflow, arguments: list[str], status: int, told: str
) -> None:
    assert told in carbonflow("readings", *arguments, status=status).stderr
