"""How readings of one device and instant meet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.outcome import Outcome
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.ingest.merge import merge
from services.ingest.status import canonical

NAMES_OF_KIND = NAMES[Kind.BELTSCALE]
AT = datetime(2026, 3, 1, tzinfo=UTC)
FAULT = STATUS_CODES[Status.FAULT]


def belt(
    words: dict[str, str] | None = None, seq: int | None = None, extra: str | None = None, **values: float
) -> Reading:
    measured = tuple(values.get(name) for name in NAMES_OF_KIND)
    status, quantity_status = canonical(NAMES_OF_KIND, measured, words or {})
    key = DeviceKey("site", Kind.BELTSCALE, "b")
    return Reading(key, AT, seq, measured, status, quantity_status, extra)


CASES = [
    ("the same", belt(mass_t=1), belt(mass_t=1), Outcome.DUPLICATE, belt(mass_t=1)),
    ("a part", belt(mass_t=1, rate_t_h=2), belt(rate_t_h=2), Outcome.DUPLICATE, belt(mass_t=1, rate_t_h=2)),
    ("seq", belt(mass_t=1, seq=1), belt(mass_t=1, seq=2), Outcome.DUPLICATE, belt(mass_t=1, seq=1)),
    ("unknown fields", belt(mass_t=1), belt(mass_t=1, extra="{}"), Outcome.DUPLICATE, belt(mass_t=1)),
    ("more", belt(mass_t=1), belt(rate_t_h=2), Outcome.STORED, belt(mass_t=1, rate_t_h=2)),
    (
        "first seq stays",
        belt(mass_t=1, seq=1),
        belt(rate_t_h=2, seq=2),
        Outcome.STORED,
        belt(mass_t=1, rate_t_h=2, seq=1),
    ),
    (
        "first seq there",
        belt(mass_t=1),
        belt(rate_t_h=2, seq=2, extra="{}"),
        Outcome.STORED,
        belt(mass_t=1, rate_t_h=2, seq=2, extra="{}"),
    ),
    ("false is a value", belt(mass_t=1), belt(running=False), Outcome.STORED, belt(mass_t=1, running=False)),
    ("other value", belt(mass_t=1), belt(mass_t=2), Outcome.REJECTED, belt(mass_t=1)),
    ("more and other", belt(mass_t=1), belt(mass_t=2, rate_t_h=3), Outcome.REJECTED, belt(mass_t=1)),
    ("other status", belt(mass_t=1), belt({"mass_t": "fault"}, mass_t=1), Outcome.REJECTED, belt(mass_t=1)),
    (
        "more, of other status",
        belt(mass_t=1),
        belt({"rate_t_h": "fault"}, rate_t_h=2),
        Outcome.STORED,
        belt({"rate_t_h": "fault"}, mass_t=1, rate_t_h=2),
    ),
    (
        "more, of the same status",
        belt({"mass_t": "fault"}, mass_t=1),
        belt({"rate_t_h": "fault"}, rate_t_h=2),
        Outcome.STORED,
        belt({"mass_t": "fault", "rate_t_h": "fault"}, mass_t=1, rate_t_h=2),
    ),
    (
        "other value of the same status",
        belt({"mass_t": "fault"}, mass_t=1),
        belt({"mass_t": "fault", "rate_t_h": "fault"}, mass_t=2, rate_t_h=2),
        Outcome.REJECTED,
        belt({"mass_t": "fault"}, mass_t=1),
    ),
    (
        "status of what is not measured",
        belt(mass_t=1),
        belt({"rate_t_h": "fault"}, mass_t=1),
        Outcome.STORED,
        belt({"rate_t_h": "fault"}, mass_t=1),
    ),
    (
        "value after its status",
        belt({"rate_t_h": "fault"}, mass_t=1),
        belt(mass_t=1, rate_t_h=2),
        Outcome.STORED,
        belt(mass_t=1, rate_t_h=2),
    ),
    (
        "status after its value",
        belt(mass_t=1, rate_t_h=2),
        belt({"rate_t_h": "fault"}, mass_t=1),
        Outcome.DUPLICATE,
        belt(mass_t=1, rate_t_h=2),
    ),
]


@pytest.mark.parametrize(
    ("_name", "stored", "new", "outcome", "after"), CASES, ids=[case[0] for case in CASES]
)
def test_merge(_name: str, stored: Reading, new: Reading, outcome: Outcome, after: Reading) -> None:
    found = merge(stored, new)
    assert (found.outcome, found.reading) == (outcome, after)
    assert (found.contradicts is not None) == (outcome is Outcome.REJECTED)


def test_a_uniform_status_has_one_form() -> None:
    assert belt({"mass_t": "fault"}, mass_t=1).status == FAULT
    merged = merge(belt({"mass_t": "fault"}, mass_t=1), belt({"rate_t_h": "fault"}, rate_t_h=2)).reading
    assert (merged.status, merged.quantity_status) == (FAULT, None)
    mixed = merge(merged, belt(speed_m_s=3)).reading
    assert (mixed.status, mixed.quantity_status) == (0, '{"mass_t":"fault","rate_t_h":"fault"}')


WORDS = st.sampled_from(["valid", "fault", "manual"])
PARTS = st.builds(
    lambda values, words: belt(words, **values),
    st.dictionaries(st.sampled_from(NAMES_OF_KIND[:3]), st.sampled_from([1.0, 2.0]), min_size=1),
    st.dictionaries(st.sampled_from(NAMES_OF_KIND[:3]), WORDS),
)


@given(PARTS, PARTS)
def test_again_changes_nothing(first: Reading, second: Reading) -> None:
    once = merge(first, second)
    twice = merge(once.reading, second)
    if once.outcome is Outcome.REJECTED:
        assert once.reading == first
        assert twice.outcome is Outcome.REJECTED
    else:
        assert twice.outcome is Outcome.DUPLICATE
        assert twice.reading == once.reading
        assert merge(once.reading, first).outcome is Outcome.DUPLICATE


@given(PARTS, PARTS)
def test_the_order_makes_no_difference(first: Reading, second: Reading) -> None:
    one_way, other_way = merge(first, second), merge(second, first)
    assert (one_way.outcome is Outcome.REJECTED) == (other_way.outcome is Outcome.REJECTED)
    if one_way.outcome is not Outcome.REJECTED:
        assert one_way.reading == other_way.reading
