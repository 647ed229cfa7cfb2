"""The publishers' own record of what the broker acknowledged, for a checker to compare with the database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from simulators.payload import Role, Unit
from simulators.spec import DeviceId, Reading


@dataclass(slots=True)
class Tally:
    """Units acknowledged by the broker, by what should become of them."""

    published: int = 0
    readings: int = 0
    """Good readings, each once however often or in however many parts it was sent."""
    parts: int = 0
    """Units beyond the first of a reading sent in parts: stored by merging."""
    duplicates: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    """Bad units by the reason they are to be refused for."""

    def count(self, unit: Unit) -> None:
        """Count one acknowledged unit."""
        self.published += 1
        self.parts += unit.role is Role.PART
        self.duplicates += unit.role is Role.DUPLICATE
        if unit.completes is not None:
            self.readings += 1
        if unit.reason is not None:
            self.bad[unit.reason] += 1


class Journal(Protocol):
    """Keeps every acknowledged good reading once, and every bad unit."""

    def reading(self, reading: Reading) -> None:
        """A reading was wholly published."""
        ...

    def bad(self, topic: str, reason: str) -> None:
        """A bad unit was published."""
        ...

    def readings(self) -> Iterator[Reading]:
        """Every reading that was published, in the order of acknowledgement."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class NoJournal:
    """Keeps nothing, for long runs of which only the counts matter."""

    def reading(self, reading: Reading) -> None:
        """A reading was wholly published."""

    def bad(self, topic: str, reason: str) -> None:
        """A bad unit was published."""

    def readings(self) -> Iterator[Reading]:
        """None."""
        return iter(())

    def close(self) -> None:
        """Nothing more comes."""


class MemoryJournal:
    """A journal of one run, in memory."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self.rejects: list[tuple[str, str]] = []

    def reading(self, reading: Reading) -> None:
        """A reading was wholly published."""
        self._readings.append(reading)

    def bad(self, topic: str, reason: str) -> None:
        """A bad unit was published."""
        self.rejects.append((topic, reason))

    def readings(self) -> Iterator[Reading]:
        """Every reading that was published, in the order of acknowledgement."""
        return iter(self._readings)

    def close(self) -> None:
        """Nothing more comes."""


class FileJournal:
    """A journal in a file of JSON lines, appended to: `{"topic", "ts", "seq", "values"}` for a reading,
    `{"topic", "reason"}` for a bad unit. Its memory does not grow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def reading(self, reading: Reading) -> None:
        """A reading was wholly published."""
        self._write(
            {
                "topic": reading.device.topic,
                "ts": reading.ts,
                "seq": reading.seq,
                "values": dict(reading.values),
            }
        )

    def bad(self, topic: str, reason: str) -> None:
        """A bad unit was published."""
        self._write({"topic": topic, "reason": reason})

    def readings(self) -> Iterator[Reading]:
        """Every reading in the file, also of earlier runs."""
        if self._file is not None and not self._file.closed:
            self._file.flush()
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                if "ts" in entry:
                    device = DeviceId(*entry["topic"].split("/")[2:])
                    yield Reading(device, entry["ts"], entry["seq"], entry["values"])

    def close(self) -> None:
        """Nothing more comes."""
        if self._file is not None:
            self._file.close()

    def _write(self, entry: dict[str, object]) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")
