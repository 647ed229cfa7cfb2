"""The generator keeps its word: counts that the contract gives, sizes, the same for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from random import Random

import pytest

from services.ingest.decode import Decoder
from services.ingest.message import Limits, Message, StateUnit
from tests.poison.payloads import LARGE_BYTES, SMALL_BYTES, Maker

START = datetime(2026, 3, 1, 11, tzinfo=UTC)
NOON = START.replace(hour=12)
LARGE = sorted(Maker(Random(1), START).large)
CATEGORIES = [*sorted(Maker(Random(1), START).small), *LARGE]


@pytest.mark.parametrize("name", CATEGORIES)
def test_the_decoder_counts_as_the_generator_does(name: str) -> None:
    maker = Maker(Random(name), START)
    decoder = Decoder(Limits(too_old_s=400 * 86_400, future_s=300))
    categories = {**maker.small, **maker.large}
    for made in islice(maker.make({name: categories[name]}), 20 if name in LARGE else 300):
        assert len(made.payload) <= (LARGE_BYTES if name in LARGE else SMALL_BYTES)
        units = decoder.decode(Message(made.topic, made.payload, 1, NOON))
        counted = [unit for unit in units if not isinstance(unit, StateUnit)]
        assert len(counted) == made.units, made


def test_a_seed_gives_the_same() -> None:
    first, second = (Maker(Random(7), START) for _ in range(2))
    assert list(islice(first.make(first.small), 500)) == list(islice(second.make(second.small), 500))
