"""Who takes which sites: what follows from the others' reports, and how they are kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.partitions import why_not
from services.ingest.connection import Connection
from services.ingest.message import Message
from services.ingest.partition import overlap, shared_sentence, shared_sites
from services.ingest.watch import Sightings
from services.store import partitions as store
from services.store.partitions import MAX_UNOWNED, Partition, Report
from services.store.pool import connect
from tests.ingest.conftest import Database

NOBODY = cast(Connection, None)
sites = st.just(frozenset("#")) | st.frozensets(st.sampled_from("abc"), min_size=1)


def partition(client: str, *owned: str, live: bool = True, connected: bool = True) -> Partition:
    return Partition(client, frozenset(owned), frozenset(owned), connected, False, live, not live)


def said(client: str, *sites: str, connected: bool = True) -> Report:
    return Report(client, sites, connected=connected, watching=False, in_flight=0)


def messages(*topics: str) -> list[Message]:
    return [Message(topic, b"", 0, datetime.now(UTC)) for topic in topics]


@given(sites, sites)
def test_an_overlap_is_mutual_and_all_includes_each(own: frozenset[str], other: frozenset[str]) -> None:
    both = overlap(own, other)
    taken_by_both = {site for site in own | other if {site, "#"} & own and {site, "#"} & other}
    assert both == (taken_by_both - {"#"} or own & other)
    assert both == overlap(other, own)


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ([partition("b", "y")], None),
        ([partition("me", "x")], None),
        ([partition("b", "x", live=False)], None),
        ([partition("b", "x", connected=False)], None),
        ([partition("b", "x", "y")], "b takes site x, too: "),
        ([partition("b", "x"), partition("c", "#")], "b takes site x, too; c takes sites w, x, too: "),
    ],
)
def test_what_is_said_of_shared_sites(others: list[Partition], says: str | None) -> None:
    sentence = shared_sentence(shared_sites("me", frozenset("xw"), others))
    if says is None:
        assert sentence is None
    else:
        assert sentence is not None
        assert sentence.startswith(says)


def test_many_shared_sites_are_not_all_named() -> None:
    names = [f"s{number}" for number in range(8)]
    sentence = shared_sentence(
        shared_sites("me", frozenset("#"), [partition("b", *names), partition("c", "#")])
    )
    assert sentence is not None
    assert "b takes sites s0, s1, s2, s3, s4 and 3 more, too; c takes all sites, too" in sentence


def test_sightings_are_settled_one_call_later() -> None:
    sightings = Sightings()
    sightings.owned = frozenset({"mine"})
    seen = messages(
        "telemetry/v1/mine/meter/m",
        "telemetry/v1/lost/meter/m",
        "telemetry/v1/lost",
        "telemetry/v1/late/meter/m/state",
        "telemetry/v1",
        f"telemetry/v1/{'x' * 100}/meter/m",
    )
    assert sightings.receive(NOBODY, seen)
    assert sightings.settle(frozenset({"mine"})) == {}
    settled = sightings.settle(frozenset({"mine", "late"}))
    assert settled == {"lost": 2, "": 1, "x" * 64: 1}
    assert sightings.settle(frozenset({"mine", "late"})) == {}


def test_made_up_sites_do_not_fill_the_memory() -> None:
    sightings = Sightings()
    sightings.receive(NOBODY, messages(*(f"telemetry/v1/{number}/meter/m" for number in range(3000))))
    sightings.settle(frozenset())
    assert len(sightings.settle(frozenset())) == MAX_UNOWNED


def in_database(url: str, steps: Any) -> None:
    async def run() -> None:
        async with await connect(url, name="test", autocommit=True) as connection:
            await steps(connection)

    asyncio.run(run())


def test_what_a_session_was_asked_for_is_known_until_it_is_ended(database_url: str) -> None:
    async def steps(connection: Any) -> None:
        assert await store.report(connection, said("a", "x", "y", connected=False)) == ["#"]
        [row] = await store.partitions(connection)
        assert row.subscribed == frozenset()
        await store.report(connection, said("a", "x", "y"))
        assert await store.report(connection, said("a", "y", "z", connected=False)) == ["#", "x"]
        [row] = await store.partitions(connection)
        assert row.sites == {"y", "z"}
        assert row.subscribed == {"x", "y"}, "the broker has not confirmed yet"
        assert await store.report(connection, said("a", "y", "z")) == ["#", "x"]
        [row] = await store.partitions(connection)
        assert row.subscribed == {"y", "z"}
        await store.ended(connection, "a", ["#", "x"])
        assert await store.report(connection, said("a", "y", "z")) == []
        assert await store.report(connection, said("b", "#")) == []
        assert await store.retire(connection, "a")
        assert not await store.retire(connection, "a")

    in_database(database_url, steps)


def test_sites_that_nobody_takes_are_kept_within_bounds(database_url: str, database: Database) -> None:
    async def steps(connection: Any) -> None:
        await store.add_unowned(connection, {"lost": 2, "other": 1})
        await store.add_unowned(connection, {"lost": 3})
        assert await store.count_unowned(connection) == 2
        await store.report(connection, said("b", "other"))
        assert await store.count_unowned(connection) == 1
        await store.add_unowned(connection, {f"s{number}": 1 for number in range(MAX_UNOWNED)})
        await store.add_unowned(connection, {"one-more": 1, "lost": 1})

    in_database(database_url, steps)
    assert database.rows("SELECT site, messages, owned FROM api.unowned_sites WHERE site !~ '^s'") in (
        [("lost", 6, False), ("other", 1, True)],
        [("other", 1, True), ("lost", 6, False)],
    )


def test_one_session_watches_and_the_next_when_it_ends(database_url: str) -> None:
    async def steps(second: Any) -> None:
        async with await connect(database_url, name="first", autocommit=True) as first:
            assert await store.take_watch(first)
            assert await store.take_watch(first), "it has it already"
            assert not await store.take_watch(second)
            await store.leave_watch(first)
            assert await store.take_watch(second), "it was taken once, whatever was asked"
            await store.leave_watch(second)
            assert await store.take_watch(first)
        assert await store.take_watch(second)

    in_database(database_url, steps)


def test_who_may_be_retired() -> None:
    gone, alone = partition("gone", "x", live=False), partition("alone", "x", "y", live=False)
    runs, everything = partition("runs", "x"), partition("all", "#")
    assert why_not("gone", [gone, runs], lose=False) is None
    assert why_not("alone", [alone, everything], lose=False) is None
    assert why_not("alone", [alone, runs], lose=True) is None
    for client, everyone, says in (
        ("none", [gone], "There is no ingest none"),
        ("runs", [gone, runs], "runs reported within the last 10 s"),
        ("alone", [alone, runs], "Nobody else takes y"),
    ):
        refusal = why_not(client, everyone, lose=False)
        assert refusal is not None
        assert refusal.startswith(says)
