"""The writer on a real database: what is stored, counted and rejected, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ingest import flush
from services.ingest.decode import Decoder
from services.ingest.known import Known
from services.ingest.link import Link
from services.ingest.message import Decoded, Limits, Message
from services.ingest.metrics import Metrics
from services.ingest.reference import Reference
from services.ingest.write import Writer
from services.store.backoff import Backoff
from tests.ingest.conftest import Database, until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(too_old_s=400 * 86_400, future_s=300)
CLIENT = "test"


def message(site: str, payload: Any, device: str = "m1", kind: str = "meter") -> Message:
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(f"telemetry/v1/{site}/{kind}/{device}", text, 1, NOW)


def at(second: float, **values: Any) -> dict[str, Any]:
    """A reading, so many seconds before NOW."""
    return {"ts": (NOW - timedelta(seconds=second)).isoformat(), **values}


class Ingest:
    """A writer with its own memory, as one process has."""

    def __init__(self, url: str, clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.decoder = Decoder(LIMITS)
        self._links = [Link(url, "test write"), Link(url, "test reference")]
        self.reference = Reference(self._links[1], clock)
        backoff = Backoff(Random(1), first_s=0.01, most_s=0.05)
        self.writer = Writer(self._links[0], CLIENT, Known(), self.reference, Metrics(), backoff)

    async def __aenter__(self) -> Ingest:
        await self.reference.refresh()
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self._links:
            await link.close()

    async def write(self, *messages: Message) -> None:
        """Write messages in one batch."""
        units: list[Decoded] = [unit for each in messages for unit in self.decoder.decode(each)]
        await self.writer.write(units)


def run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(steps)


def written(url: str, *batches: Iterable[Message]) -> None:
    """Write batches with one writer."""

    async def steps() -> None:
        async with Ingest(url) as ingest:
            for batch in batches:
                await ingest.write(*batch)

    run(steps())


def stored(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT site, device, time, quantity, value, status FROM api.readings ORDER BY 1, 2, 3, 4"
    )


def test_in_one_batch_or_in_many_makes_no_difference(database_url: str, database: Database) -> None:
    messages = [
        at(50, power_kw=1),
        at(40, power_kw=2),
        at(45, power_kw=3),  # late
        at(40, voltage_v=230),  # joins the second
        at(40, voltage_v=231),  # contradicts it
        at(45, power_kw=3),  # again
        at(30, power_kw=4, status="fault"),
        at(30, voltage_v=229),
    ]
    written(database_url, [message("one", each) for each in messages])
    written(database_url, *([message("many", each)] for each in messages))
    found = stored(database)
    assert [row[1:] for row in found if row[0] == "one"] == [row[1:] for row in found if row[0] == "many"]
    assert len(found) == 12
    assert database.totals() == {"received": 16, "stored": 12, "duplicate": 2, "rejected": 2}
    assert database.reasons() == {"conflict": 2}


PARTS = st.fixed_dictionaries(
    {"second": st.integers(1, 4), "device": st.sampled_from(["m1", "m2"])},
    optional={
        "power_kw": st.integers(1, 2),
        "voltage_v": st.integers(1, 2),
        "status": st.sampled_from(["fault", {"power_kw": "fault"}, {"current_a": "manual"}]),
    },
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_any_cut_of_the_stream_is_the_same(
    database_url: str, database: Database, parts: list[dict[str, Any]], cuts: set[int]
) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(parts)), len(parts)]
    together = [part_message("cut", part) for part in parts]
    written(database_url, *(together[low:high] for low, high in pairwise(edges)))
    in_batches = database.totals()
    written(database_url, *([part_message("one", part)] for part in parts))
    both = database.totals()
    found = stored(database)
    database.rows("TRUNCATE core.reading_meter, core.ingest_total, core.dead_letter")
    assert [row[1:] for row in found if row[0] == "cut"] == [row[1:] for row in found if row[0] == "one"]
    assert both == {name: 2 * count for name, count in in_batches.items()}


def part_message(site: str, part: dict[str, Any]) -> Message:
    fields = {name: value for name, value in part.items() if name not in ("second", "device")}
    return message(site, at(part["second"], **fields), part["device"])


def test_a_new_process_knows_what_is_stored(database_url: str, database: Database) -> None:
    batch = [message("site", [at(100 - i, power_kw=i) for i in range(50)])]
    written(database_url, batch)
    written(database_url, batch, [message("site", at(10, power_kw=1))])
    assert database.totals() == {"received": 101, "stored": 51, "duplicate": 50, "rejected": 0}


def test_late_readings_of_many_days(database_url: str, database: Database) -> None:
    """Also around midnight, and as far back as readings are taken."""
    seconds = [1, 43_199, 43_200, 43_201, 3 * 86_400, 100 * 86_400, 399 * 86_400]
    ordered = [message("site", at(second, power_kw=second)) for second in reversed(seconds)]
    late = [message("site", at(second, power_kw=second)) for second in seconds]
    more = [message("site", at(second, voltage_v=1)) for second in seconds]
    other = [message("site", at(second, power_kw=0)) for second in seconds]
    written(database_url, ordered)
    written(database_url, late, more, late, other)
    count = len(seconds)
    assert database.totals() == {
        "received": 5 * count,
        "stored": 2 * count,
        "duplicate": 2 * count,
        "rejected": count,
    }
    rows = database.rows("SELECT power_kw, voltage_v FROM core.reading_meter ORDER BY time DESC")
    assert rows == [(second, 1) for second in seconds]
    written(database_url, [message("site", at(200 * 86_400, power_kw=5)), ordered[-1]])
    assert database.totals()["stored"] == 2 * count + 1
    assert database.totals()["duplicate"] == 2 * count + 1


def test_what_another_process_wrote_meanwhile_is_seen(database_url: str, database: Database) -> None:
    async def steps() -> None:
        async with Ingest(database_url) as first, Ingest(database_url) as second:
            await first.write(message("site", at(50, power_kw=1)))
            await second.write(message("site", [at(40, power_kw=2), at(30, power_kw=3)]))
            await first.write(message("site", [at(40, power_kw=2), at(30, power_kw=4), at(20, power_kw=5)]))

    run(steps())
    assert database.totals() == {"received": 6, "stored": 4, "duplicate": 1, "rejected": 1}
    assert database.value("SELECT sum(power_kw) FROM core.reading_meter") == 11


def test_all_kinds_in_one_batch(database_url: str, database: Database) -> None:
    written(
        database_url,
        [
            message("site", at(5, power_kw=1, power_factor=-0.5)),
            message("site", at(5, mass_t=1, temperature_c=180), kind="flowmeter"),
            message("site", at(5, co2_pct=11, operating_fraction=1), kind="cems"),
            message("site", at(5, mass_t=1, running=True), kind="beltscale"),
            message("site", b"{", kind="beltscale"),
        ],
    )
    assert database.totals() == {"received": 5, "stored": 4, "duplicate": 0, "rejected": 1}
    assert len(database.rows("SELECT * FROM api.readings")) == 8


def test_a_poisoned_row_is_found_and_the_rest_stored(database_url: str, database: Database) -> None:
    database.rows("ALTER TABLE core.reading_meter ADD CHECK (power_kw <> 666)")
    database.rows("ALTER TABLE core.reading_cems ADD CHECK (co2_pct <> 66)")
    readings = [at(500 - i, power_kw=666 if i in (7, 8, 93) else i) for i in range(100)]
    written(
        database_url,
        [
            message("site", readings),
            message("site", at(1, co2_pct=66), kind="cems"),
            message("site", b"online", device="m1/state"),
        ],
    )
    assert database.totals() == {"received": 101, "stored": 97, "duplicate": 0, "rejected": 4}
    assert database.reasons() == {"out_of_range": 4}
    letters = database.rows("SELECT payload FROM core.dead_letter")
    assert [json.loads(payload) for (payload,) in letters[:3]] == [readings[i] for i in (7, 8, 93)]
    assert database.value("SELECT state FROM core.device WHERE kind = 'meter'") == "online"


def test_a_dead_letter_of_an_array_holds_its_element(database_url: str, database: Database) -> None:
    batch = [message("site", b'[{"ts":1}, {"ts": 2} ,{"ts":1}]')]
    written(database_url, batch, batch)
    assert database.totals() == {"received": 6, "stored": 0, "duplicate": 4, "rejected": 2}
    rows = database.rows(
        "SELECT payload, payload_bytes, client, detail FROM core.dead_letter ORDER BY 1 DESC"
    )
    assert [row[:3] for row in rows] == [(b'{"ts":1}', 8, CLIENT), (b'{"ts": 2}', 9, CLIENT)]
    assert rows[0][3].startswith("Element 0: ts is 1")


def test_an_element_that_is_refused_late_is_named(database_url: str, database: Database) -> None:
    """By what is stored, by the quota and by the database: not only by the decoder."""
    database.rows("ALTER TABLE core.reading_meter ADD CHECK (power_kw <> 666)")
    database.rows(
        "INSERT INTO core.device (site, kind, device) "
        "SELECT 'full', 'meter', 'd' || n FROM generate_series(1, 1000) n"
    )
    first, again = at(9, power_kw=1), at(9, power_kw=2)
    written(
        database_url,
        [
            message("site", [first, at(8, power_kw=1), again]),
            message("site", [at(7, power_kw=1), at(6, power_kw=666)], "m2"),
            message("full", [at(5, power_kw=1)], "new"),
            message("site", again, "m1"),
            message("site", first | {"power_kw": 3}, "m1"),
        ],
    )
    rows = database.rows("SELECT reason, split_part(detail, ':', 1) FROM api.dead_letters ORDER BY 1, 2")
    assert rows[1:] == [
        ("conflict", "power_kw contradicts what is stored for this ts"),
        ("out_of_range", "Element 1"),
        ("quota", "Element 0"),
    ]
    assert rows[0] == ("conflict", "Element 2")


def test_quota_of_new_devices(database_url: str, database: Database) -> None:
    registered = database.rows(
        "INSERT INTO core.device (site, kind, device) VALUES ('site', 'meter', 'known') RETURNING device_id"
    )
    database.rows(
        "INSERT INTO core.device_period (device_id, valid_from) VALUES (%s, '2020-01-01T00:00:00Z')",
        registered[0],
    )
    new = [message("site", at(5, power_kw=1), f"new-{i}") for i in range(flush.MAX_NEW_DEVICES_PER_HOUR + 2)]
    states = [message("site", b"online", f"silent-{i}/state") for i in range(2)]
    written(
        database_url,
        new[:600],
        [
            *new[600:],
            *states,
            message("site", at(5, power_kw=1), "known"),
            message("other", at(5, power_kw=1)),
        ],
        [new[0], message("site", at(4, power_kw=1), "new-1")],
        [message("site", at(4, power_kw=1), "late")],
    )
    assert database.reasons() == {"quota": 5}
    assert database.totals() == {"received": 1009, "stored": 1003, "duplicate": 1, "rejected": 5}
    letters = database.rows("SELECT topic, payload FROM core.dead_letter WHERE topic ~ 'state' ORDER BY 1")
    assert letters == [(f"telemetry/v1/site/meter/silent-{i}/state", b"online") for i in range(2)]
    assert database.value("SELECT count(*) FROM core.device WHERE device ~ 'silent'") == 0


def test_a_state_that_is_none_is_a_dead_letter(database_url: str, database: Database) -> None:
    batch = [message("site", text, "m1/state") for text in (b"asleep", b"", b"online", b"x" * 300_000)]
    written(database_url, batch, batch)
    assert database.reasons() == {"bad_field": 1, "too_large": 1}
    assert database.totals() == {"received": 4, "stored": 0, "duplicate": 2, "rejected": 2}
    assert database.rows("SELECT state FROM core.device") == [("online",)]


def test_a_state_the_database_refuses_is_a_dead_letter(database_url: str, database: Database) -> None:
    database.rows("ALTER TABLE core.device ADD CHECK (device <> 'm1')")
    written(database_url, [message("site", b"offline", "m1/state"), message("site", b"online", "m2/state")])
    assert database.reasons() == {"out_of_range": 1}
    assert database.rows("SELECT device, state FROM core.device ORDER BY 1") == [("m2", "online")]


def test_states_are_guarded_by_time(database_url: str, database: Database) -> None:
    def said(state: bytes, second: int) -> Message:
        return replace(message("site", state, "m1/state"), received_at=NOW + timedelta(seconds=second))

    written(database_url, [said(b"online", 0), said(b"offline", 1)], [said(b"online", -5)])
    assert database.rows("SELECT state, state_at FROM core.device") == [
        ("offline", NOW + timedelta(seconds=1))
    ]
    assert database.totals()["received"] == 0


def test_touched_quarter_hours_are_dirty(database_url: str, database: Database) -> None:
    quarter = int(NOW.timestamp()) // 900
    written(
        database_url,
        [message("site", [at(1, power_kw=1), at(3000, power_kw=1), at(2999, power_kw=1)])],
        [message("site", [at(3000, power_kw=1), at(2999, power_kw=2)])],  # nothing new
        [message("site", at(3000, voltage_v=1))],  # merged
    )
    (device,) = database.rows("SELECT device_id FROM core.device")[0]
    assert database.rows("SELECT device_ids, quarters FROM core.dirty ORDER BY dirty_id") == [
        ([device, device], [quarter - 4, quarter - 1]),
        ([device], [quarter - 4]),
    ]


def test_a_failed_transaction_leaves_nothing_behind(database_url: str, database: Database) -> None:
    """The connection is cut inside the first transactions; the writer comes through, and counts once."""
    waits = """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = 'test write' AND wait_event_type = 'Lock' AND datname = current_database()
    """

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            await ingest.write(message("site", at(100, power_kw=0)))
            with psycopg.connect(database_url) as lock:
                lock.execute("LOCK TABLE core.ingest_total IN ACCESS EXCLUSIVE MODE")
                batch = message("site", [at(9, power_kw=1), at(8, power_kw=2)])
                writing = asyncio.create_task(ingest.write(batch))
                for _ in range(3):
                    await asyncio.to_thread(until, lambda: database.rows(waits), "it waits for the lock")
            await writing

    run(steps())
    assert database.totals() == {"received": 3, "stored": 3, "duplicate": 0, "rejected": 0}
    assert database.value("SELECT count(*) FROM core.dirty") == 2


def test_a_commit_whose_answer_was_lost_is_not_doubled(database_url: str, database: Database) -> None:
    """As if the connection broke after COMMIT: a writer that did not learn of it writes the batch again."""

    async def steps() -> None:
        async with Ingest(database_url) as ingest, Ingest(database_url) as same:
            first = message("site", at(100, power_kw=0))
            await ingest.write(first)
            await same.write(first)
            batch = message("site", [at(9, power_kw=1), at(8, power_kw=2), at(7)])
            await ingest.write(batch)
            await same.write(batch)

    run(steps())
    assert database.value("SELECT count(*) FROM core.reading_meter") == 3
    assert database.totals() == {"received": 8, "stored": 3, "duplicate": 4, "rejected": 1}


def test_unknown_errors_of_the_schema_reject_nothing(database_url: str, database: Database) -> None:
    """A missing table is nobody's reading's fault: it is tried again until the table is there."""

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            database.rows("ALTER TABLE core.dirty RENAME TO away")
            writing = asyncio.create_task(ingest.write(message("site", at(9, power_kw=1))))
            await asyncio.to_thread(until, lambda: ingest.writer.problem, "it cannot write")
            assert "carbonflow migrate" in str(ingest.writer.problem)
            database.rows("ALTER TABLE core.away RENAME TO dirty")
            await writing
            assert ingest.writer.problem is None

    run(steps())
    assert database.totals() == {"received": 1, "stored": 1, "duplicate": 0, "rejected": 0}


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\u2028", "\\u001b[2J"])
def test_odd_text_can_be_stored(database_url: str, database: Database, text: str) -> None:
    payload = f'{{"ts":"{at(5)["ts"]}","power_kw":1,"note":"{text}"}}'.encode()
    bad = f'{{"ts":"{text}","power_kw":1}}'.encode()
    written(database_url, [message("site", payload), message("site", bad)])
    assert database.totals() == {"received": 2, "stored": 1, "duplicate": 0, "rejected": 1}
    assert "note" in database.value("SELECT extra::text FROM core.reading_meter")


def test_the_rights_of_the_ingest_role_are_enough(role_url: Callable[[str], str], database: Database) -> None:
    batch = [
        message("site", [at(50, power_kw=1), at(40, power_kw=1), at(45, power_kw=1), at(45, voltage_v=1), 7]),
        message("site", b"online", device="m1/state"),
        message("site", at(5, mass_t=1, running=True), kind="beltscale"),
    ]
    url = role_url("carbonflow_ingest")
    written(url, batch, [message("site", [at(50, voltage_v=2), at(40, power_kw=9)])])
    assert database.totals() == {"received": 8, "stored": 6, "duplicate": 0, "rejected": 2}
