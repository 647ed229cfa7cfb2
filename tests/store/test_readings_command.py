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
    assert dry == "It is not recorded: 2 readings of its time.\nNo hour that has ended would change.\n"
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


def test_the_past_is_compared_with_today(carbonflow: Carbonflow, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO core.site (site, timezone) VALUES ('s', 'Asia/Shanghai')")
        connection.execute(
            "INSERT INTO core.source (site, source, scope, method, carrier)"
            " VALUES ('s', 'boiler', 1, 'fuel', 'natural_gas')"
        )
        connection.execute(
            "INSERT INTO core.emission_hour (source_id, hour, basis, activity_unit, co2_kg, in_total,"
            " coverage, factor_provisional, estimated, stands_since)"
            " VALUES (1, '2026-02-01T00:00Z', 'none', 'Nm3', 5, true, 1, false, false, '2026-02-02T00:00Z')"
        )
        connection.commit()
        connection.execute("UPDATE core.emission_hour SET co2_kg = 7")
    found = carbonflow.json("emissions", "--as-of", "2026-03-01")
    [site] = found["sites"]
    [source], [change] = site["sources"], site["changes"]
    assert site["as_of"] == "2026-03-01T16:15:00+00:00"
    assert (source["co2_kg_then"], source["co2_kg_now"], source["in_total"]) == (5.0, 7.0, True)
    assert (change["reason"], change["hours"], change["co2_kg"]) == ("late data", 1, 2.0)
    assert "late data" in carbonflow("emissions", "--as-of", "2026-03-01T00:00:00Z").stdout
    assert "No hour had ended" in carbonflow("emissions", "--as-of", "2026-01-01", "--site", "s").stdout
    assert "no site x" in carbonflow("emissions", "--as-of", "2026-01-01", "--site", "x", status=1).stderr
    assert "neither a day" in carbonflow("emissions", "--as-of", "2026-01-01T00:00:00", status=2).stderr
