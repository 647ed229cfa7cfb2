"""From a rejection to the dead letter that is kept of it."""

from __future__ import annotations

from hashlib import sha256

from services.domain.outcome import Reason
from services.ingest.json_text import elements
from services.ingest.message import KEPT_BYTES, Decoded, Rejected, Rejection
from services.store.dead_letters import DeadLetter


class Letters:
    """Makes the dead letters of one transaction; the elements of an array are found once."""

    def __init__(self) -> None:
        self._elements: dict[int, list[bytes]] = {}

    def of(self, unit: Decoded, rejection: Rejection) -> DeadLetter:
        """The dead letter of a unit: of an element of an array, it holds that element."""
        message = unit.message
        if not isinstance(unit, Rejected):  # those say it already
            rejection = rejection.of_element(unit.position)
        payload = self.payload(unit)
        length, digest = message.cut or (len(payload), sha256(payload).digest())
        if rejection.reason is Reason.TOO_LARGE:
            payload = payload[:KEPT_BYTES]
        return DeadLetter(
            received_at=message.received_at,
            topic=message.topic,
            reason=rejection.reason,
            detail=rejection.detail,
            payload=payload,
            payload_bytes=length,
            payload_sha256=digest,
        )

    def payload(self, unit: Decoded) -> bytes:
        """The text of a unit. The caller keeps its message alive."""
        message, position = unit.message, unit.position
        if position is None:
            return message.payload
        if id(message) not in self._elements:
            self._elements[id(message)] = elements(message.payload)
        return self._elements[id(message)][position]
