"""The outage journal on a real disk: durable, bounded, and loud where it is damaged."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.store.journal import MIN_BYTES, Chunk, Journal, Stats
from services.store.journal_file import (
    MAX_CHUNK_BYTES,
    JournalError,
    JournalFullError,
    JournalTakenError,
    disk_bytes,
)

ROOM = 64 * 1024 * 1024
ALL = 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "ingest.journal"


def body(number: int, size: int = 1000) -> bytes:
    """Bytes of that number alone."""
    return number.to_bytes(4, "big") * (size // 4)


def filled(path: Path, chunks: int, size: int = 1000, limit: int = ROOM) -> Journal:
    """A journal with chunks 1 to `chunks`, of 10 messages each."""
    journal = Journal(path, limit)
    for number in range(1, chunks + 1):
        journal.append(10, number, body(number, size))
    return journal


def bodies(journal: Journal, after: int = 0) -> list[bytes]:
    return [chunk.body for chunk in journal.read(after, ALL, ALL)]


def test_what_was_appended_is_read_in_order_and_removed(path: Path) -> None:
    with closing(filled(path, 3)) as journal:
        assert journal.read(0, ALL, ALL) == [Chunk(n, 10, n, body(n)) for n in (1, 2, 3)]
        assert journal.read(1, 10, ALL) == [Chunk(2, 10, 2, body(2))]
        assert journal.stats[:2] == (3, 30)
        journal.remove(2)
        assert (journal.stats.chunks, journal.stats.messages, journal.stats.oldest_us) == (1, 10, 3)
        journal.remove(3)
        assert (journal.stats.chunks, journal.stats.messages, journal.stats.oldest_us) == (0, 0, None)
        assert journal.read(0, ALL, ALL) == []


@pytest.mark.parametrize(
    ("messages", "size", "count"), [(1, ALL, 1), (20, ALL, 2), (29, ALL, 2), (ALL, 1, 1), (ALL, 3000, 3)]
)
def test_a_portion_is_of_whole_chunks_and_never_empty(
    path: Path, messages: int, size: int, count: int
) -> None:
    with closing(filled(path, 5)) as journal:
        assert len(journal.read(0, messages, size)) == count


def test_another_process_finds_what_the_last_one_left(path: Path) -> None:
    filled(path, 3).close()
    with closing(Journal(path, ROOM)) as journal:
        assert (journal.stats.chunks, journal.stats.messages, journal.stats.oldest_us) == (3, 30, 1)
        journal.append(1, 4, b"next")
        assert bodies(journal) == [body(1), body(2), body(3), b"next"]


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_it_is_a_queue(tmp_path_factory: pytest.TempPathFactory, steps: list[int]) -> None:
    """Appends (above 0), removals (below) and new beginnings (0) in any order."""
    path = tmp_path_factory.mktemp("queue") / "journal"
    journal, model, number = Journal(path, ROOM), list[Chunk](), 0
    for step in steps:
        if step > 0:
            for _ in range(step):
                number += 1
                journal.append(number, number, body(number))
            model += [Chunk(0, n, n, body(n)) for n in range(number - step + 1, number + 1)]
        elif step < 0 and model:
            journal.remove(journal.read(0, ALL, ALL)[min(-step, len(model)) - 1].seq)
            del model[:-step]
        else:
            journal.close()
            journal = Journal(path, ROOM)
        found = journal.read(0, ALL, ALL)
        assert [chunk._replace(seq=0) for chunk in found] == model
        assert [chunk.seq for chunk in found] == sorted({chunk.seq for chunk in found})
        assert journal.stats.chunks == len(model)
        assert journal.stats.messages == sum(chunk.messages for chunk in model)
        assert journal.stats.oldest_us == (model[0].oldest_us if model else None)
    journal.close()


def test_nobody_else_may_read_it(path: Path) -> None:
    with closing(filled(path, 1)):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


APPEND = """
import sys
from pathlib import Path
from services.store.journal import Journal
from services.store.journal_file import JournalError
try:
    journal = Journal(Path(sys.argv[1]), 64 * 1024 * 1024)
except JournalError as error:
    sys.exit(str(error))
for number in range(1, 1_000_000):
    journal.append(10, number, number.to_bytes(4, "big") * 5_000)
    if number % 3 == 0 and number > 30:
        journal.remove(number - 30)
    print(number, flush=True)
"""


def appending(path: Path) -> subprocess.Popen[str]:
    """A process that appends, removes, and tells what is certain."""
    return subprocess.Popen(
        [sys.executable, "-c", APPEND, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


@pytest.mark.parametrize("after", [1, 50, 333])
def test_what_append_returned_from_survives_kill_9(path: Path, after: int) -> None:
    with appending(path) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(after)]
        process.kill()
        said += process.stdout.readlines()
    last = int(said[-1])
    with closing(Journal(path, ROOM)) as journal:
        found = [int.from_bytes(each[:4], "big") for each in bodies(journal)]
        assert journal.stats.damaged == 0
    assert found == list(range(found[0], found[-1] + 1))
    assert found[-1] in (last, last + 1)
    assert found[0] <= max(1, last - 28)


def test_a_second_process_is_told_in_a_sentence(path: Path) -> None:
    with appending(path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(JournalTakenError, match="Another process has the journal"):
            Journal(path, ROOM)
        process.kill()
    Journal(path, ROOM).close()


def until_full(journal: Journal, size: int) -> None:
    """Append chunks that cannot be packed."""
    while True:
        journal.append(1, 1, os.urandom(size))


def test_it_is_full_at_its_limit_and_takes_more_when_something_was_removed(path: Path) -> None:
    most = 0
    with closing(Journal(path, MIN_BYTES)) as journal:
        for _ in range(3):
            with pytest.raises(JournalFullError, match="takes no more"):
                until_full(journal, 400_000)
            most = max(most, disk_bytes(path))
            assert journal.stats.used_bytes > journal.limit_bytes - 500_000
            before = journal.read(0, ALL, ALL)
            journal.remove(before[len(before) // 2].seq)
            assert journal.read(0, ALL, ALL) == before[len(before) // 2 + 1 :]
    assert most <= MIN_BYTES


def test_the_largest_chunks_keep_within_the_limit(path: Path) -> None:
    with closing(Journal(path, 3 * MIN_BYTES)) as journal:
        with pytest.raises(JournalFullError):
            until_full(journal, MAX_CHUNK_BYTES)
        assert disk_bytes(path) <= 3 * MIN_BYTES
        with pytest.raises(JournalError, match="too large"):
            journal.append(1, 1, bytes(MAX_CHUNK_BYTES + 1))


def test_an_empty_one_gives_its_space_back(path: Path) -> None:
    with closing(filled(path, 30, 1_000_000)) as journal:
        assert journal.stats.disk_bytes > 30_000_000
        journal.remove(30)
        assert journal.stats.disk_bytes < 100_000
        journal.append(1, 1, b"next")
        assert bodies(journal) == [b"next"]


def test_a_smaller_limit_keeps_what_is_there(path: Path) -> None:
    filled(path, 30, 1_000_000).close()
    with closing(Journal(path, MIN_BYTES)) as journal:
        with pytest.raises(JournalFullError):
            journal.append(1, 1, body(31, 1_000_000))
        assert len(bodies(journal)) == 30
        journal.remove(25)
        journal.append(1, 1, body(31, 1_000_000))


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The disk is full, for this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_a_full_journal(path: Path) -> None:
    with closing(filled(path, 50, 100_000)) as journal:
        with no_file_above(6_000_000), pytest.raises(JournalFullError):
            until_full(journal, 100_000)
        kept = bodies(journal)
        assert kept[:50] == [body(n, 100_000) for n in range(1, 51)]
        with no_file_above(6_000_000):
            journal.remove(10)
        journal.append(10, 1, b"next")
        assert bodies(journal) == [*kept[10:], b"next"]


def flip(path: Path, what: bytes) -> None:
    """Turn one bit of the first place where these bytes are."""
    data = bytearray(path.read_bytes())
    position = data.index(what) + len(what) // 2
    data[position] ^= 1
    path.write_bytes(data)


def at_rest(path: Path, chunks: int, size: int = 2000) -> None:
    """A file with these chunks, all of it in the file itself."""
    filled(path, chunks, size).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_turned_bit_is_found_and_the_rest_goes_on(path: Path) -> None:
    at_rest(path, 5)
    flip(path, body(3, 400))
    with closing(Journal(path, ROOM)) as journal:
        assert bodies(journal) == [body(n, 2000) for n in (1, 2, 4, 5)]
        assert (journal.stats.chunks, journal.stats.messages, journal.stats.damaged) == (4, 40, 1)
        journal.remove(5)
    with closing(Journal(path, ROOM)) as journal:  # it is still known
        assert journal.stats.damaged == 1
        journal.append(1, 1, b"next")
        assert bodies(journal) == [b"next"]
    with closing(sqlite3.connect(path)) as database:
        [(seq, kept)] = database.execute("SELECT seq, body FROM damaged").fetchall()
    assert seq == 3
    assert sum(a != b for a, b in zip(kept, body(3, 2000), strict=True)) == 1


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_torn_file_is_set_aside_and_what_it_still_has_goes_on(path: Path, share: float) -> None:
    at_rest(path, 200)
    whole = path.read_bytes()
    os.truncate(path, int(len(whole) * share))
    with closing(Journal(path, ROOM)) as journal:
        found = bodies(journal)
        known = [body(n, 2000) for n in range(1, 201)]
        assert found == [each for each in known if each in found]
        assert journal.stats.damaged == 1
        assert journal.stats.chunks == len(found)
        journal.append(1, 1, b"next")
        assert bodies(journal)[-1] == b"next"
    [aside] = path.parent.glob("*.damaged-*")
    assert aside.read_bytes()[: 10 * 4096] == whole[: 10 * 4096]
    if share > 0.5:
        assert len(found) > 50


def test_damage_that_is_found_while_it_is_open(path: Path) -> None:
    at_rest(path, 200, 40_000)  # more than SQLite holds in memory
    with closing(Journal(path, ROOM)) as journal:
        os.truncate(path, path.stat().st_size // 2)
        found = bodies(journal)
        assert 0 < len(found) < 200
        journal.append(10, 201, b"next")
        assert bodies(journal) == [*found, b"next"]
        assert journal.stats.damaged == 1


@pytest.mark.parametrize("content", [b"not a database at all" * 1000, os.urandom(5000)])
def test_a_file_that_is_none_of_ours_is_set_aside(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with closing(Journal(path, ROOM)) as journal:
        assert journal.stats._replace(disk_bytes=0, used_bytes=0) == Stats(damaged=1)
    [aside] = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == content


def test_another_version_is_left_alone(path: Path) -> None:
    at_rest(path, 1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 9")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another version"):
        Journal(path, ROOM)
    assert path.read_bytes() == before


def test_a_limit_that_is_too_small_is_a_sentence(path: Path) -> None:
    with pytest.raises(JournalError, match="too small"):
        Journal(path, MIN_BYTES - 1)
