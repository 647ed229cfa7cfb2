"""What ingest has for the time when the database is away: the journal, the spool, and how long they last."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from services.ingest.arrival import Endurance, minutes_left
from services.ingest.errors import IngestError
from services.ingest.metrics import Metrics
from services.ingest.spool import GATHER_S, Spool
from services.settings import Settings
from services.store.journal import Journal
from services.store.journal_file import JournalError


class Outage:
    """The journal of one ingest process, by the settings."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._path = path = settings.journal_dir.expanduser() / f"{settings.ingest_client_id}.journal"
        self._after_s = settings.journal_after_s
        most_bytes = settings.journal_max_bytes
        self.spool = Spool(lambda: Journal(path, most_bytes), clock, settings.batch_max_readings)
        self.endurance = Endurance(time.monotonic, self.spool.packed_size, GATHER_S)

    async def open(self) -> None:
        """Open the journal. Raises IngestError: without one readings would wait at the broker alone."""
        try:
            await self.spool.open()
        except JournalError as error:
            raise IngestError(str(error)) from error
        except OSError as error:
            raise IngestError(
                f"The journal {self._path} cannot be opened ({error.strerror}): set CARBONFLOW_JOURNAL_DIR "
                "to a folder that this user may write."
            ) from error

    @property
    def after_s(self) -> float:
        """How long the database may be away before messages go to the journal [s]."""
        return self._after_s

    @property
    def damage(self) -> str | None:
        """That something of the journal could not be read, in a sentence."""
        damaged = self.spool.stats.damaged
        if not damaged:
            return None
        return f"{damaged} parts of {self._path} are damaged and kept aside: see CarbonflowJournalDamaged."

    @property
    def minutes_left(self) -> float:
        """Until the journal would be full at the rate of the last minute [min]."""
        return minutes_left(self.spool.room_bytes, self.endurance.bytes_per_s)

    def show(self, metrics: Metrics) -> None:
        """Tell Prometheus."""
        spool = self.spool
        metrics.gauge("journal_messages", "Messages in the outage journal", lambda: spool.stats.messages)
        metrics.gauge("journal_bytes", "Bytes of the journal in use", lambda: spool.stats.used_bytes)
        metrics.gauge("journal_limit_bytes", "Bytes that the journal may use", lambda: spool.limit_bytes)
        metrics.gauge(
            "journal_oldest_age_seconds",
            "Time since the oldest message in the journal was received; 0 where there is none",
            lambda: spool.oldest_age_s,
        )
        metrics.gauge(
            "journal_minutes_left",
            "Minutes until the journal would be full at the rate of the last minute, also while it is empty",
            lambda: self.minutes_left,
        )
        metrics.gauge(
            "journal_damaged",
            "Damaged chunks and files of the journal, kept aside",
            lambda: spool.stats.damaged,
        )
