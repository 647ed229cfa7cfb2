"""Units of payloads, as the tests of the decoder ask for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from services.domain.reading import Reading
from services.ingest.decode import Decoder
from services.ingest.message import (
    Cut,
    Limits,
    Message,
    Received,
    Rejection,
    StateUnit,
    Unit,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(too_old_s=400 * 86_400, future_s=300)
METER = "telemetry/v1/site/meter/m1"
CEMS = "telemetry/v1/site/cems/stack"
BELT = "telemetry/v1/site/beltscale/b1"
TS = "2026-03-01T11:59:30Z"


def units(payload: bytes, topic: str = METER, cut: Cut | None = None) -> list[Unit]:
    found = Decoder(LIMITS).decode(Message(topic, payload, 1, NOW, cut))
    return [unit for unit in found if not isinstance(unit, StateUnit)]


def content_of(unit: Unit) -> Reading | Rejection:
    return unit.reading if isinstance(unit, Received) else unit.rejection


def one(payload: bytes | dict[str, Any], topic: str = METER) -> Reading | Rejection:
    (unit,) = units(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), topic)
    return content_of(unit)


def reading(payload: dict[str, Any], topic: str = METER) -> Reading:
    content = one(payload, topic)
    assert isinstance(content, Reading), content
    return content


def rejection(payload: bytes | dict[str, Any], topic: str = METER) -> Rejection:
    content = one(payload, topic)
    assert isinstance(content, Rejection), content
    assert content.detail.endswith(".")
    assert content.detail.isascii()
    assert content.detail.isprintable()
    return content
