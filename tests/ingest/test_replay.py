"""`carbonflow deadletters replay` and `accept`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from msgspec.structs import replace

from services.ingest.replay import Replayed, replay_letter
from services.store.pool import connect
from tests.ingest.conftest import Database
from tests.ingest.test_cli import carbonflow
from tests.ingest.test_write import LIMITS, NOW, at, message, written

OLD = {"ts": "2020-01-01T00:00:00Z", "power_kw": 1}


def letters(database: Database) -> dict[str, tuple[int, bool, bool]]:
    """Id, whether replayed and whether accepted, by topic and payload."""
    rows = database.rows(
        "SELECT topic, payload, id, replayed_at IS NOT NULL, accepted_at IS NOT NULL FROM api.dead_letters"
    )
    return {f"{topic.split('/')[4]} {payload}": (number, *marks) for topic, payload, number, *marks in rows}


def account(database: Database) -> tuple[int, ...]:
    """What replays received, stored, had already and rejected."""
    (row,) = database.rows("SELECT * FROM api.ingest_totals WHERE client = 'replay'")
    return row[1:]


def replay(url: str, *arguments: str, too_old_days: int = 400, status: int = 0) -> dict[str, Any]:
    done = carbonflow(
        "deadletters", "replay", "--json", *arguments,
        database_url=url, CARBONFLOW_TOO_OLD_DAYS=str(too_old_days),
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_stored_today_is_marked_and_the_rest_stays(database_url: str, database: Database) -> None:
    conflict = at(5, power_kw=2)
    written(
        database_url,
        [
            message("site", OLD),
            message("site", [at(9, power_kw=1), {**OLD, "power_kw": 2}], "m2"),
            message("site", at(5, power_kw=1)),
            message("site", conflict),
            message("site", b"{", "never"),
            message("site", b"x" * 300_000, "large"),
        ],
    )
    before = database.totals()
    assert before == {"received": 7, "stored": 2, "duplicate": 0, "rejected": 5}
    devices = database.rows("SELECT device FROM core.device ORDER BY 1")
    first = replay(database_url, status=1)
    assert (first["replayed"], first["still_rejected"]) == (0, 5)
    reasons = [letter["reason"] for letter in first["letters"]]
    assert sorted(reasons) == ["conflict", "not_json", "too_large", "too_old", "too_old"]
    assert (database.totals(), database.rows("SELECT device FROM core.device ORDER BY 1")) == (
        before,
        devices,
    )

    again = replay(database_url, "--reason", "too_old", too_old_days=4000)
    assert (again["replayed"], again["still_rejected"]) == (2, 0)
    assert [letter["stored"] for letter in again["letters"]] == [1, 1]
    assert (
        database.rows("SELECT received_at FROM core.reading_meter WHERE time < '2021-01-01'") == [(NOW,)] * 2
    )
    assert database.rows("SELECT * FROM api.ingest_totals WHERE client = 'replay'") == [
        ("replay", 2, 2, 0, 0)
    ]
    marks = {name: replayed for name, (_, replayed, _) in letters(database).items()}
    assert sorted(marks.values()) == [False, False, False, True, True]
    assert not marks["never {"]

    assert replay(database_url, "--reason", "too_old", too_old_days=4000)["letters"] == []
    assert database.totals()["received"] == before["received"] + 2
    # What ingest is sent again is a duplicate, replayed or not.
    written(database_url, [message("site", OLD)])
    assert database.totals()["duplicate"] == 1


def test_what_was_stored_meanwhile_is_a_duplicate(database_url: str, database: Database) -> None:
    written(database_url, [message("site", OLD)])
    written(database_url, [replace(message("site", OLD), received_at=NOW - timedelta(days=2000))])
    found = replay(database_url, too_old_days=4000)["letters"]
    assert [(letter["stored"], letter["duplicate"]) for letter in found] == [(0, 1)]
    assert all(replayed for _, replayed, _ in letters(database).values())


def test_an_array_that_could_not_be_read_is_read_as_far_as_it_can(
    database_url: str, database: Database
) -> None:
    written(database_url, [message("site", [at(9, power_kw=1), at(8, power_kw="1")])])
    whole = message("site", [at(7, power_kw=1), at(6, power_kw="1")])
    database.rows(  # as former code kept it
        "INSERT INTO core.dead_letter (client, received_at, topic, reason, detail, payload, payload_bytes, "
        "payload_sha256, key) VALUES ('x', %s, %s, 'not_json', '', %s, %s, '', 'key')",
        [NOW, whole.topic, whole.payload, len(whole.payload)],
    )
    (found,) = replay(database_url, "--reason", "not_json")["letters"]
    assert (found["stored"], found["rejected"], found["reason"]) == (1, 1, None)
    assert database.reasons() == {"bad_field": 2, "not_json": 1}
    assert database.rows("SELECT * FROM api.ingest_totals WHERE client = 'replay'") == [
        ("replay", 2, 1, 0, 1)
    ]


def test_named_letters_and_accepted_ones(
    database_url: str, database: Database, role_url: Callable[[str], str]
) -> None:
    written(database_url, [message("site", OLD), message("site", OLD, "m2"), message("site", b"{", "never")])
    ids = {name.split()[0]: number for name, (number, _, _) in letters(database).items()}
    url = role_url("carbonflow_ingest")
    done = carbonflow("deadletters", "accept", str(ids["m2"]), str(ids["never"]), database_url=url)
    assert done.stdout.startswith("2 accepted, 0 ")
    again = carbonflow("deadletters", "accept", "--json", str(ids["never"]), database_url=url)
    assert json.loads(again.stdout) == {"accepted": []}
    assert [letter["id"] for letter in replay(url, too_old_days=4000)["letters"]] == [ids["m1"]]
    named = replay(url, "--id", str(ids["m2"]), "--id", str(ids["never"]), too_old_days=4000, status=1)
    assert [letter["reason"] for letter in named["letters"]] == [None, "not_json"]
    for command in ("accept", "replay"):
        numbers = ["999"] if command == "accept" else ["--id", "999"]
        missing = carbonflow("deadletters", command, *numbers, database_url=url)
        assert missing.returncode == 1
        assert missing.stderr.startswith("There is no dead letter 999: ")
    text = carbonflow("deadletters", "replay", "--id", str(ids["never"]), database_url=url)
    assert text.stdout.startswith(f"{ids['never']}: still rejected (not_json). ")
    assert text.stdout.endswith("0 replayed, 1 still rejected.\n")


def test_a_state_beyond_the_quota_can_be_replayed(database_url: str, database: Database) -> None:
    written(database_url, [message("site", b"asleep", "m1/state")])
    database.rows("UPDATE core.dead_letter SET payload = 'online', reason = 'quota'")
    assert replay(database_url)["replayed"] == 1
    assert database.rows("SELECT state, state_at FROM core.device") == [("online", NOW)]


def replayed(url: str, letter_id: int) -> Replayed | None:
    async def steps() -> Replayed | None:
        async with await connect(url, name="test", autocommit=True) as connection:
            return await replay_letter(connection, letter_id, LIMITS)

    return asyncio.run(steps())


def test_two_replays_at_once_and_rows_the_database_refuses(database_url: str, database: Database) -> None:
    written(database_url, [message("site", {"ts": 1})])
    good = json.dumps(at(5, power_kw=1)).encode()
    database.rows("UPDATE core.dead_letter SET payload = %s, payload_bytes = %s", [good, len(good)])
    ((letter_id, _, _),) = letters(database).values()
    database.rows("ALTER TABLE core.reading_meter ADD CONSTRAINT odd CHECK (power_kw <> 1)")
    refused = replayed(database_url, letter_id)
    assert refused is not None
    assert refused.reason == "out_of_range"
    database.rows("ALTER TABLE core.reading_meter DROP CONSTRAINT odd")
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM core.dead_letter FOR UPDATE")
        assert replayed(database_url, letter_id) is None
    assert replayed(database_url, letter_id) == Replayed(letter_id, stored=1)
    assert replayed(database_url, letter_id) is None
    assert database.totals()["stored"] == 1
