"""What the database refuses is found in few transactions; large bodies take no memory besides their own."""

from __future__ import annotations

import asyncio
import tracemalloc
from hashlib import sha256
from math import ceil, log2
from random import Random

from services.ingest.message import MAX_PAYLOAD_BYTES, Decoded
from services.store.dead_letters import DeadLetter, keep_dead_letters
from services.store.pool import connect
from tests.ingest.conftest import Database, Publisher, Service, ago, until
from tests.ingest.test_write import NOW, Ingest, at, message

POISONED = 4_321
ROWS = 10_000


def test_a_row_that_the_database_refuses_costs_a_logarithm_of_transactions(
    database_url: str, database: Database
) -> None:
    """Each is counted by what it leaves: one commit moves the account once."""
    database.rows("ALTER TABLE core.reading_meter ADD CHECK (power_kw <> 666)")
    database.rows("CREATE TABLE public.moved (rejected bigint)")
    database.rows(
        "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        "'BEGIN INSERT INTO public.moved VALUES (new.rejected); RETURN new; END'"
    )
    database.rows(
        "CREATE TRIGGER note AFTER INSERT OR UPDATE ON core.ingest_total FOR EACH ROW "
        "EXECUTE FUNCTION public.note()"
    )

    async def steps() -> None:
        async with Ingest(database_url) as ingest:
            units: list[Decoded] = []
            for number in range(ROWS):
                fields = at(ROWS - number, power_kw=666 if number == POISONED else 1)
                units += ingest.decoder.decode(message("site", fields))
            await ingest.writer.write(units)

    asyncio.run(steps())
    assert database.totals() == {
        "received": ROWS, "stored": ROWS - 1, "duplicate": 0, "rejected": 1,
    }  # fmt: skip
    assert database.reasons() == {"out_of_range": 1}
    assert database.value("SELECT count(*) FROM core.reading_meter") == ROWS - 1
    # Of each halving one half is committed, and one is refused, until a single row is left.
    assert database.value("SELECT count(*) FROM public.moved") <= ceil(log2(ROWS)) + 1


def test_large_dead_letters_are_copied_in_portions(database_url: str, database: Database) -> None:
    """As many as the window holds: what is made of them for the database at once is a small part of them."""
    random = Random(1)
    payloads = [random.randbytes(MAX_PAYLOAD_BYTES) for _ in range(128)]
    letters = [
        DeadLetter(
            NOW, f"telemetry/v1/s/meter/m{number}", "not_json", "no", body, len(body), sha256(body).digest()
        )
        for number, body in enumerate(payloads)
    ]

    async def steps() -> int:
        async with await connect(database_url, name="test") as connection:
            tracemalloc.start()
            kept = await keep_dead_letters(connection, "c", letters)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(kept) == len(letters)
        return peak

    assert asyncio.run(steps()) < 8 * 1024 * 1024 < sum(map(len, payloads)) / 3
    assert database.value("SELECT sum(octet_length(payload)) FROM core.dead_letter") == sum(
        map(len, payloads)
    )


def test_unknown_fields_beyond_the_budget_are_dropped_and_counted(
    service: Service, publisher: Publisher, database: Database, site_id: str
) -> None:
    service.start(CARBONFLOW_UNKNOWN_FIELDS_MIB="0")
    publisher.publish(
        f"telemetry/v1/{site_id}/meter/m",
        {"ts": ago(9), "power_kw": 1, "note": "ab"},
        {"ts": ago(8), "power_kw": 2},
    )
    until(lambda: database.totals()["stored"] == 2, "both are stored")
    rows = database.rows("SELECT power_kw, extra::text FROM core.reading_meter ORDER BY time")
    assert rows == [(1, '{"carbonflow_dropped_bytes":13}'), (2, None)]
    until(lambda: service.metric("unknown_fields_dropped_total") == 1, "it is counted")
