"""Unknown fields beyond the budget of a site, or of all sites, are dropped; readings never."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.domain.outcome import Reason
from services.domain.quantities import NAMES, Kind
from services.domain.reading import DeviceKey
from services.ingest.beside import DROPPED_EXTRA
from services.ingest.decode import Decoder
from services.ingest.extras import SITES, ExtraBudget
from services.ingest.message import Decoded, Limits, Message, Received, Rejected, Rejection

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXTRA = json.dumps({"note": "ü" * 46}, ensure_ascii=False)
SIZE = len(EXTRA.encode())


def reading(extra: str | None, site: str = "a", hours: float = 0.0) -> Received:
    at = NOON + timedelta(hours=hours)
    message = Message(f"telemetry/v1/{site}/meter/m", b"{}", 1, at)
    values: tuple[Any, ...] = (1.0,) * len(NAMES[Kind.METER])
    return Received(DeviceKey(site, Kind.METER, "m"), at, 1, values, 0, None, extra, message, None)


def kept(budget: ExtraBudget, *units: Decoded) -> list[bool]:
    """Of each reading with unknown fields, whether it keeps them."""
    found = budget.within(units)
    assert [unit.message for unit in found] == [unit.message for unit in units]
    return [
        not unit.extra.startswith(DROPPED_EXTRA)
        for unit in found
        if isinstance(unit, Received) and unit.extra
    ]


def test_a_site_keeps_up_to_its_budget_and_others_theirs() -> None:
    budget = ExtraBudget(3 * SIZE)
    assert kept(budget, *[reading(EXTRA)] * 4) == [True, True, True, False]
    assert kept(budget, reading(EXTRA), reading('{"a":1}'), reading(EXTRA, "b")) == [False, False, True]


def test_what_is_dropped_says_how_much_it_was() -> None:
    [unit] = ExtraBudget(0).within([reading(EXTRA)])
    assert isinstance(unit, Received)
    assert json.loads(unit.extra or "") == {"carbonflow_dropped_bytes": SIZE}
    assert unit == reading(f"{DROPPED_EXTRA}{SIZE}}}")


def test_all_sites_share_a_budget() -> None:
    budget = ExtraBudget(2 * SIZE)
    many = [reading(EXTRA, f"s{number}") for number in range(3 * SITES)]
    assert kept(budget, *many) == [True] * 2 * SITES + [False] * SITES


@pytest.mark.parametrize(("hours", "keeps"), [(0.99, False), (1.0, True), (5.0, True), (-1.0, False)])
def test_each_hour_begins_anew_and_an_earlier_one_does_not_come_again(hours: float, keeps: bool) -> None:
    budget = ExtraBudget(SIZE)
    assert kept(budget, reading(EXTRA), reading(EXTRA, hours=hours)) == [True, keeps]


def test_other_units_and_what_the_decoder_dropped_cost_nothing() -> None:
    budget = ExtraBudget(SIZE)
    rejected = Rejected(Rejection(Reason.NOT_JSON, "no"), reading(None).message, None)
    plain: list[Decoded] = [reading(None), rejected]
    assert budget.within(plain) is plain
    [dropped] = Decoder(Limits(10_000 * 86_400, 300)).decode(
        Message(
            "telemetry/v1/a/meter/m",
            json.dumps({"ts": NOON.isoformat(), "power_kw": 1, "x": "y" * 5000}).encode(),
            1,
            NOON,
        )
    )
    assert kept(budget, dropped, dropped, reading(EXTRA)) == [False, False, True]
