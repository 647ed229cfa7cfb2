"""The comparison finds what it must find."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.torture.check import compare
from tests.torture.journal import EITHER, STORED, Journal, Record, Sent, read
from tests.torture.observe import Key, Letter, Observed
from tests.torture.stream import Stream

NOW = datetime(2026, 3, 1, 8, 0, 0, 7, UTC)
METER = "telemetry/v1/s/meter/m0"
TS = NOW.isoformat()
GOOD = Sent(0, METER, (f'{{"ts": "{TS}", "power_kw": 1.5, "voltage_v": null}}',), (STORED,))
OTHER_PART = Sent(1, METER, (f'{{"ts": "{TS}", "voltage_v": 230.5}}',), (STORED,))
BAD = Sent(2, METER, ('{"power_kw": "1"}', "7"), ("bad_field", "bad_field"), array=True)
CONTRADICTING = Sent(4, METER, (f'{{"ts": "{TS}", "power_kw": 2.5}}',), (EITHER,))
KEY = Key("s", "meter", "m0", NOW)


def letter(sent: Sent, position: int = 0) -> Letter:
    return Letter(sent.topic, sha256(sent.units[position]).digest())


def record(*unacknowledged: Sent) -> Record:
    sent = [GOOD, OTHER_PART, BAD, CONTRADICTING]
    acknowledged = {each.number for each in sent if each not in unacknowledged}
    return Record(sent, acknowledged, [GOOD, *acknowledged])


def observed() -> Observed:
    """What is there where all went well."""
    return Observed(
        readings={KEY: {"power_kw": (1.5, "valid"), "voltage_v": (230.5, "valid")}},
        letters={
            letter(BAD): ["bad_field"],
            letter(BAD, 1): ["bad_field"],
            letter(CONTRADICTING): ["conflict"],
        },
        live=Counter({(KEY, 1): 1}),
        received=6,
        stored=2,
        duplicate=1,
        rejected=3,
        dead_letters=3,
    )


def test_all_is_well() -> None:
    verdict = compare([record()], observed())
    assert verdict.good, verdict
    assert (verdict.published, verdict.unknown, verdict.in_order) == (5, 0, 1)


def lose_reading(there: Observed) -> None:
    there.readings.clear()
    there.live.clear()
    there.stored, there.received = 0, 5


def lose_part(there: Observed) -> None:
    del there.readings[KEY]["voltage_v"]


def lose_letter(there: Observed) -> None:
    del there.letters[letter(BAD, 1)]


@pytest.mark.parametrize("lose", [lose_reading, lose_part, lose_letter])
def test_what_is_lost(lose: Callable[[Observed], None]) -> None:
    there = observed()
    lose(there)
    assert compare([record()], there).lost


def test_what_was_not_acknowledged_may_be_missing() -> None:
    there = observed()
    del there.readings[KEY]["voltage_v"]
    there.stored, there.duplicate = 1, 2
    verdict = compare([record(OTHER_PART)], there)
    assert verdict.good, verdict
    assert (verdict.published, verdict.unknown) == (4, 1)


def keep_twice(there: Observed) -> None:
    there.letters[letter(BAD)].append("bad_field")


def keep_and_store(there: Observed) -> None:
    there.letters[letter(GOOD)] = ["future"]


def emit_twice(there: Observed) -> None:
    there.live[KEY, 1] += 1


@pytest.mark.parametrize("double", [keep_twice, keep_and_store, emit_twice])
def test_what_is_doubled(double: Callable[[Observed], None]) -> None:
    there = observed()
    double(there)
    assert compare([record()], there).doubled


def invent_reading(there: Observed) -> None:
    there.readings[KEY._replace(device="m9")] = {"power_kw": (1.5, "valid")}


def invent_cell(there: Observed) -> None:
    there.readings[KEY]["current_a"] = (1.0, "valid")


def invent_letter(there: Observed) -> None:
    there.letters[Letter(METER, b"?")] = ["not_json"]


def mistake_reason(there: Observed) -> None:
    there.letters[letter(BAD)] = ["not_json"]


def miscount_stored(there: Observed) -> None:
    there.stored += 1
    there.received += 1


def miscount_rejected(there: Observed) -> None:
    there.rejected -= 1
    there.duplicate += 1


def miscount_received(there: Observed) -> None:
    there.received += 1


def receive_less(there: Observed) -> None:
    there.received, there.duplicate = 4, -1


def leave_out_live(there: Observed) -> None:
    there.live.clear()


def orphan_live(there: Observed) -> None:
    there.live[KEY._replace(time=NOW + timedelta(seconds=1)), 1] = 1


def leave_clean(there: Observed) -> None:
    there.not_dirty = 1


@pytest.mark.parametrize(
    "spoil",
    [
        invent_reading,
        invent_cell,
        invent_letter,
        mistake_reason,
        miscount_stored,
        miscount_rejected,
        miscount_received,
        receive_less,
        leave_out_live,
        orphan_live,
        leave_clean,
    ],
)
def test_what_is_wrong(spoil: Callable[[Observed], None]) -> None:
    there = observed()
    spoil(there)
    assert compare([record()], there).wrong


def test_a_good_reading_that_was_rejected_is_seen() -> None:
    there = Observed(letters={letter(GOOD): ["bad_field"]}, received=1, rejected=1, dead_letters=1)
    verdict = compare([Record([GOOD], {GOOD.number})], there)
    assert verdict.wrong
    assert not verdict.lost


def test_a_message_that_no_session_got_is_seen() -> None:
    told = record()
    told.without_subscriber = 1
    assert compare([told], observed()).wrong


def test_a_journal_survives_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = Journal(path)
    first.write([], [GOOD, BAD])
    first.write([(GOOD.number, 0)], [])
    first.close()
    with path.open("ab") as file:
        file.write(b'["a", 2')
    second = Journal(path)
    second.write([(BAD.number, 16)], [CONTRADICTING])
    second.close()
    found = read(path)
    assert found.sent == [GOOD, BAD, CONTRADICTING]
    assert found.acknowledged == {GOOD.number, BAD.number}
    assert found.events == [GOOD, BAD, GOOD.number, BAD.number, CONTRADICTING]
    assert found.without_subscriber == 1


def test_a_stream_is_the_same_for_the_same_seed_and_has_everything() -> None:
    def messages(first: int) -> list[Sent]:
        return list(islice(Stream("s", Random("a"), first, lambda: NOW), 3000))

    sent = messages(0)
    assert sent == messages(0)
    assert sent[-1] != messages(7)[-1]
    wants = {want for each in sent for want in each.wants}
    assert wants == {
        STORED,
        EITHER,
        "not_json",
        "bad_topic",
        "bad_field",
        "bad_timestamp",
        "no_quantity",
        "out_of_range",
        "future",
        "too_old",
        "too_large",
    }
    numbers = [each.number for each in sent]
    assert numbers == sorted(set(numbers))
    assert any(each.array and len(json.loads(each.payload)) == len(each.units) > 1 for each in sent)
