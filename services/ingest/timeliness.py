"""Which times of readings are plausible, by the clock of the one who receives them."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.domain.outcome import Reason
from services.ingest.message import Limits, Rejection


class Timeliness:
    """The plausible times of messages that were received at a moment, which many share."""

    def __init__(self, limits: Limits, received_at: datetime) -> None:
        self._future = timedelta(seconds=limits.future_s)
        self._too_old = timedelta(seconds=limits.too_old_s)
        self.set(received_at)

    def set(self, received_at: datetime) -> None:
        """From now on of messages received then."""
        self.at = received_at
        self.earliest = received_at - self._too_old
        self.latest = received_at + self._future

    def of(self, received_at: datetime) -> Timeliness:
        """This, of messages received then."""
        if received_at is not self.at:
            self.set(received_at)
        return self

    def rejection(self, time: datetime) -> Rejection:
        """Of a time that is not plausible: the clock is wrong, or the reading too old to be taken."""
        if time > self.at:
            return Rejection(
                Reason.FUTURE,
                f"ts {time.isoformat()} is more than {self._future.total_seconds():g} s ahead of our clock: "
                "set the device's clock.",
            )
        return Rejection(
            Reason.TOO_OLD,
            f"ts {time.isoformat()} is older than {self._too_old.total_seconds() / 86_400:g} days: correct "
            "the device's clock, or raise CARBONFLOW_TOO_OLD_DAYS and replay.",
        )
