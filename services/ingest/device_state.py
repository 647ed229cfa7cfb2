"""What is published below a device's topic: whether it is online, or nothing to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.domain.outcome import Reason
from services.ingest.message import (
    MAX_PAYLOAD_BYTES,
    Decoded,
    Message,
    Rejected,
    Rejection,
    StateChange,
    StateUnit,
)
from services.ingest.refusal import too_large
from services.ingest.topics import Channel, Route, shown

_STATES: Final = {b"online": "online", b"offline": "offline"}


def state_of(route: Route, message: Message) -> Sequence[Decoded]:
    """What is below a device's topic: a state, or nothing to keep. An empty payload clears a retained one."""
    if route.channel is not Channel.STATE or not message.payload:
        return ()
    if message.cut is not None or len(message.payload) > MAX_PAYLOAD_BYTES:
        return (Rejected(too_large(message.length), message, None),)
    state = _STATES.get(message.payload)
    if state is None:
        return (Rejected(_no_state(message.payload), message, None),)
    return (StateUnit(StateChange(route.device, state), message),)


def _no_state(payload: bytes) -> Rejection:
    what = shown(payload.decode("utf-8", "replace"))
    return Rejection(
        Reason.BAD_FIELD, f"The state is {what}: publish online or offline, without quotes or blanks."
    )
