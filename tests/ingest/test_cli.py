"""`carbonflow check` and `carbonflow deadletters list`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from msgspec.structs import replace

from services.cli.deadletters import since_when
from tests.ingest.conftest import Database, ago
from tests.ingest.live import apply, registry
from tests.ingest.test_write import NOW, message, written

TOPIC = "telemetry/v1/site/meter/main"


def carbonflow(
    *arguments: str, database_url: str | None = None, given: Any = None, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARBONFLOW_")}
    environment |= more
    if database_url is not None:
        environment["CARBONFLOW_DATABASE_URL"] = database_url
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        input=json.dumps(given),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str | None, bool | None]]:
    units = json.loads(done.stdout)["units"]
    return [(unit["outcome"], unit["reason"], unit["assigned"]) for unit in units]


def test_check_without_a_database() -> None:
    done = carbonflow("check", TOPIC, "-", given=[{"ts": ago(5), "power_kw": 1, "fw": 2}, {"ts": 1}])
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("0: stored, ")
    assert "power_kw=1.0" in first
    assert second.startswith("1: rejected (bad_timestamp). Element 1: ts is 1")
    assert "CARBONFLOW_DATABASE_URL is not set" in done.stderr
    good = carbonflow("check", TOPIC, "-", "--json", given={"ts": ago(5), "power_kw": 1, "fw": 2})
    assert good.returncode == 0
    assert json.loads(good.stdout)["compared"] is False
    assert json.loads(good.stdout)["units"][0]["reading"]["unknown_fields"] == {"fw": 2}


def test_check_with_a_database_that_is_away() -> None:
    done = carbonflow(
        "check",
        TOPIC,
        "-",
        given={"ts": ago(5), "power_kw": 1},
        database_url="postgresql://a:b@127.0.0.1:1/c",
    )
    assert done.returncode == 0
    assert done.stdout.startswith("stored")
    assert "Not compared with what is stored" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_tells_what_ingest_would_do_and_stores_nothing(database_url: str, database: Database) -> None:
    apply(database_url, registry())
    times = [ago(60), ago(30)]
    written(
        database_url, [replace(message("site", {"ts": times[0], "power_kw": 1}, "main"), received_at=_now())]
    )
    before = (database.totals(), database.rows("SELECT * FROM core.device"))
    payload = [
        {"ts": times[0], "power_kw": 1},
        {"ts": times[0], "power_kw": 2},
        {"ts": times[0], "voltage_v": 230},
        {"ts": times[1], "power_kw": 1},
        {"ts": times[1], "power_kw": 1},
        {"ts": times[1]},
        {"ts": times[1]},
    ]
    done = carbonflow("check", TOPIC, "-", "--json", given=payload, database_url=database_url)
    assert done.returncode == 1
    assert outcomes(done) == [
        ("duplicate", None, True),
        ("rejected", "conflict", True),
        ("stored", None, True),
        ("stored", None, True),
        ("duplicate", None, True),
        ("rejected", "no_quantity", None),
        ("duplicate", "no_quantity", None),
    ]
    strange = carbonflow(
        "check", "telemetry/v1/site/meter/x", "-", given=payload[0], database_url=database_url
    )
    assert strange.returncode == 0
    assert "unassigned" in strange.stdout
    assert (database.totals(), database.rows("SELECT * FROM core.device")) == before
    assert database.rows("SELECT * FROM core.dead_letter") == []


def test_check_of_a_state_and_of_bad_use() -> None:
    assert carbonflow("check", f"{TOPIC}/result", "-", given={}).stdout.startswith("Nothing")
    assert carbonflow("check", f"{TOPIC}/state", "-", given={}).stdout.startswith("rejected (bad_field). ")
    missing = carbonflow("check", TOPIC, "no/such/file")
    assert missing.returncode == 2
    assert "no/such/file" in missing.stderr


def test_deadletters_are_listed_and_counted(database_url: str) -> None:
    written(
        database_url,
        [message("site", b"\x1b[2J\xff"), message("site", {"ts": 1}), message("site", {"ts": 2})],
        [replace(message("site", {"ts": 3}), received_at=_now())],
    )
    done = carbonflow("deadletters", "list", "--json", database_url=database_url)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["counts"] == {"bad_timestamp": 3, "not_json": 1}
    assert [letter["payload"] for letter in found["dead_letters"]][-1] == "\x1b[2J\\xff"
    text = carbonflow("deadletters", "list", database_url=database_url).stdout
    assert "\x1b" not in text
    assert "bad_timestamp\t3" in text
    few = carbonflow(
        "deadletters",
        "list",
        "--json",
        "--reason",
        "bad_timestamp",
        "--since",
        "1h",
        database_url=database_url,
    )
    assert json.loads(few.stdout)["counts"] == {"bad_timestamp": 1}
    assert len(json.loads(few.stdout)["dead_letters"]) == 1
    wrong = carbonflow("deadletters", "list", "--reason", "nonsense", database_url=database_url)
    assert wrong.returncode == 2


def test_deadletters_are_found_by_site_topic_and_time(database_url: str) -> None:
    """Filters are the same for list and replay; what was disposed of is told apart."""
    recent = _now() - timedelta(minutes=10)
    written(
        database_url,
        [message("site", b"{"), message("site", b"[", "m2"), message("other", b"{"), message("site", b"}")],
        [replace(message("other", {"ts": 1}, "m2"), received_at=recent)],
    )

    def listed(*arguments: str) -> dict[str, Any]:
        done = carbonflow("deadletters", "list", "--json", *arguments, database_url=database_url)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    assert listed("--site", "other")["counts"] == {"not_json": 1, "bad_timestamp": 1}
    assert [each["topic"] for each in listed("--topic", "telemetry/v1/+/meter/m2")["dead_letters"]] == [
        "telemetry/v1/other/meter/m2",
        "telemetry/v1/site/meter/m2",
    ]
    assert listed("--until", "1h")["counts"] == {"not_json": 4}
    assert listed("--since", "1h", "--until", "5m")["counts"] == {"bad_timestamp": 1}
    first = listed("--topic", "telemetry/v1/site/meter/m1")["dead_letters"][-1]
    assert carbonflow("deadletters", "accept", str(first["id"]), database_url=database_url).returncode == 0
    assert listed("--site", "site")["open"] == {"not_json": 2}
    assert listed("--site", "site")["counts"] == {"not_json": 3}
    assert listed("--site", "site", "--open")["counts"] == {"not_json": 2}
    replay = ("deadletters", "replay", "--json", "--site", "site", "--topic", "telemetry/v1/+/meter/m1")
    again = json.loads(carbonflow(*replay, database_url=database_url).stdout)
    assert again["still_rejected"] == 1
    few = carbonflow("deadletters", "list", "--limit", "2", database_url=database_url)
    assert few.stderr == "The newest 2 of 5: --limit shows more.\n"
    assert "not_json\t4\t3" in few.stdout
    none = carbonflow("deadletters", "list", "--site", "nowhere", database_url=database_url)
    assert none.stdout == "No such dead letters.\n"
    wrong = carbonflow("deadletters", "list", "--topic", "a/#/b", database_url=database_url)
    assert wrong.returncode == 2
    assert "is no topic filter" in wrong.stderr


def test_since() -> None:
    assert since_when("90m", NOW) == NOW - timedelta(minutes=90)
    assert since_when("2026-03-01T08:00:00+08:00", NOW) == datetime(2026, 3, 1, tzinfo=UTC)
    for wrong in ("yesterday", "2026-03-01T08:00:00", "", "5w"):
        with pytest.raises(typer.BadParameter):
            since_when(wrong, NOW)


def _now() -> datetime:
    return datetime.now(UTC)
