"""Time stamps of a file, as instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from simulators.errors import ConfigError


class StampError(ValueError):
    """A stamp that is no instant."""


def zone(name: str) -> ZoneInfo:
    """The time zone of this IANA name. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"No time zone is called {name!r}.") from error


@dataclass(slots=True)
class StampReader:
    """Reads stamps in the order of the file.

    `format` as strptime's; None for ISO 8601. Stamps without an offset are local times of `zone`. Where a
    local time happens twice (the clock is put back), the first that is later than the stamp before is
    meant, and `ambiguous` counts it; a local time that never happens is an error, not a guess. `offset` is
    added to each.
    """

    format: str | None = None
    zone: ZoneInfo | None = None
    offset: timedelta = timedelta()
    ambiguous: int = 0
    _previous: datetime | None = None

    def read(self, text: str) -> datetime:
        """The instant (UTC). Raises StampError, also where it is not later than the one before; ConfigError
        where a zone is needed."""
        try:
            stamp = datetime.fromisoformat(text) if self.format is None else self._parse(text, self.format)
        except ValueError as error:
            raise StampError(f"{text!r} is not a time ({error})") from error
        instant = stamp.astimezone(UTC) if stamp.tzinfo is not None else self._localise(stamp)
        if self._previous is not None and instant <= self._previous:
            raise StampError(f"{text!r} is not later than the row before")
        self._previous = instant
        return instant + self.offset

    @staticmethod
    def _parse(text: str, form: str) -> datetime:
        # Naive where the format has no zone: `read` gives it one.
        return datetime.strptime(text, form)  # noqa: DTZ007

    def _localise(self, stamp: datetime) -> datetime:
        if self.zone is None:
            raise ConfigError("The times in the file have no zone: name the one they are local to.")
        early, late = (stamp.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early == late:
            return early
        if early.astimezone(self.zone).replace(tzinfo=None) != stamp:
            raise StampError(
                f"{stamp.isoformat()} does not exist in {self.zone.key}: the clock was put forward"
            )
        self.ambiguous += 1
        return early if self._previous is None or early > self._previous else late
