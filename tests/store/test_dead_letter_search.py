"""Which dead letters a filter means."""

from __future__ import annotations

import re

import pytest

from services.store.dead_letter_search import topic_pattern

METER = "telemetry/v1/site/meter/m1"


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        (METER, METER, True),
        (METER, f"{METER}/state", False),
        (METER, "telemetry/v1/site/meter/m11", False),
        (f"{METER}/#", METER, True),
        (f"{METER}/#", f"{METER}/state", True),
        (f"{METER}/#", f"{METER}1", False),
        ("telemetry/v1/+/meter/+", METER, True),
        ("telemetry/v1/+/meter/+", f"{METER}/state", False),
        ("telemetry/v1/+", METER, False),
        ("+/+/site/#", METER, True),
        ("#", METER, True),
        ("#", "", True),
        ("+", "telemetry", True),
        ("+", METER, False),
        ("telemetry/v1/site/meter/m.", METER, False),
        ("telemetry/v1/a-b/meter/x_y", "telemetry/v1/a-b/meter/x_y", True),
    ],
)
def test_a_topic_filter_matches_as_at_the_broker(topic_filter: str, topic: str, matches: bool) -> None:
    assert bool(re.search(topic_pattern(topic_filter), topic)) is matches


@pytest.mark.parametrize("wrong", ["telemetry/#/meter", "telemetry/v+/site", "m#", "a/b+", "a/#b"])
def test_what_is_no_topic_filter(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no topic filter"):
        topic_pattern(wrong)
