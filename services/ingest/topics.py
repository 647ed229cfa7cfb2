"""The topics of the contract: `telemetry/v1/{site}/{kind}/{device}`, and `/state` and `/result` below it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from services.domain.outcome import Reason
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.ingest.message import Rejection

PREFIX: Final = "telemetry/v1/"
STATE: Final = "/state"
"""How the topic of a device's state ends."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_FORM: Final = "publish to telemetry/v1/{site}/{kind}/{device}"
_SHOWN = 100


class Channel(Enum):
    """What a device's topic carries."""

    READINGS = "readings"
    STATE = "state"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a topic leads."""

    device: DeviceKey
    channel: Channel


Parsed: TypeAlias = Route | Rejection


def parse_topic(topic: str) -> Parsed:
    """The route of a topic, or why it has none."""
    if not topic.startswith(PREFIX):
        return _bad(f"The topic does not begin with {PREFIX}: {_FORM}.")
    levels = topic[len(PREFIX) :].split("/")
    channel = _channel(levels)
    if channel is None:
        return _bad(f"The topic {shown(topic)} does not have the levels of a device: {_FORM}.")
    site, kind, device = levels[:3]
    for what, text in (("site", site), ("device", device)):
        if not _ID.fullmatch(text):
            return _bad(
                f"The {what} id {shown(text)} in the topic is not valid: use 1 to 63 of a-z, 0-9, _ and -, "
                "beginning with a letter or digit."
            )
    if kind not in _KINDS:
        return _bad(f"The kind {shown(kind)} in the topic is not known: use one of {', '.join(Kind)}.")
    return Route(DeviceKey(site, _KINDS[kind], device), channel)


def shown(text: str) -> str:
    """A foreign text as it can be shown and stored anywhere: quoted, ASCII, not long."""
    quoted = json.dumps(text[:_SHOWN])
    return quoted if len(text) <= _SHOWN else quoted[:-1] + '..."'


_KINDS: Final = {str(kind): kind for kind in Kind}


def _channel(levels: list[str]) -> Channel | None:
    match levels:
        case [_, _, _]:
            return Channel.READINGS
        case [_, _, _, "state"]:
            return Channel.STATE
        case [_, _, _, "result"]:
            return Channel.RESULT
        case _:
            return None


def _bad(detail: str) -> Rejection:
    return Rejection(Reason.BAD_TOPIC, detail)
