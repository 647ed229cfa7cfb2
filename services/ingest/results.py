"""What devices that asked for it (`results` in the registry) are told of their readings, after the commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from services.domain.outcome import Outcome, Reason
from services.domain.registry.facts import ended_by
from services.domain.registry.model import Registry
from services.ingest.flush import Account
from services.ingest.letters import Letters
from services.ingest.message import Decoded, Received, StateUnit
from services.ingest.timestamps import instant
from services.ingest.topics import PREFIX, STATE

Mode: TypeAlias = Literal["rejections", "all"]

Listeners: TypeAlias = Mapping[str, Mode]
"""What a device wants to be told, by the topic of its readings."""

Publish: TypeAlias = Callable[[str, bytes], bool]
"""Publishes a payload to a topic at QoS 0; False where it was dropped."""


class _Told(NamedTuple):
    topic: str
    unit: Decoded
    outcome: Outcome
    reason: Reason | None


def listeners(registry: Registry, now: datetime) -> dict[str, Mode]:
    """The devices of the registry that want to be told."""
    return {
        f"{PREFIX}{site_id}/{ref}": device.results
        for site_id, site in registry.sites.items()
        for ref, device in site.devices.items()
        if device.results != "none" and not ended_by(device, now)
    }


class Results:
    """Collects outcomes while a batch is written, and makes the messages of them when it is acknowledged."""

    def __init__(self) -> None:
        self._told: list[_Told] = []

    def note(self, units: Sequence[Decoded], account: Account, wanted: Listeners) -> None:
        """These units are committed, with this account."""
        if not wanted:
            return
        reasons = {id(unit): rejection.reason for unit, rejection in account.refused}
        repeated = {id(unit) for unit in account.repeated}
        for unit in units:
            topic = unit.message.topic.removesuffix(STATE)
            mode = wanted.get(topic)
            reason = reasons.get(id(unit))
            if mode is None or (reason is None and (mode != "all" or isinstance(unit, StateUnit))):
                continue
            outcome = Outcome.STORED if reason is None else Outcome.REJECTED
            if id(unit) in repeated:
                outcome = Outcome.DUPLICATE
            self._told.append(_Told(topic, unit, outcome, reason))

    def take(self) -> list[tuple[str, bytes]]:
        """Topics and payloads of what was noted: a message for each one received."""
        of_message: dict[int, list[_Told]] = {}
        for told in self._told:
            of_message.setdefault(id(told.unit.message), []).append(told)
        self._told = []
        letters = Letters()
        return [(f"{told[0].topic}/result", _payload(told, letters)) for told in of_message.values()]


def _payload(all_told: list[_Told], letters: Letters) -> bytes:
    """An object for a reading, an array for (what is told of) an array."""
    results = [
        {"ts": _ts(told.unit, letters), "outcome": told.outcome, "reason": told.reason} for told in all_told
    ]
    is_array = all_told[0].unit.position is not None
    return json.dumps(results if is_array else results[0], separators=(",", ":")).encode()


def _ts(unit: Decoded, letters: Letters) -> str | None:
    """The instant in UTC; None where it cannot be read."""
    time = unit.reading.time if isinstance(unit, Received) else _instant(letters.payload(unit))
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _instant(text: bytes) -> datetime | None:
    try:
        match json.loads(text):
            case {"ts": str(ts)}:
                time = instant(ts)
                return None if time is None else time.astimezone(UTC)
    except (ValueError, RecursionError, OverflowError):
        pass
    return None
