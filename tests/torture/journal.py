"""A publisher's own record: what it is about to send, and what the broker has acknowledged.

JSON lines, appended. What is sent is on disk before it is sent, so that nothing can be in the database that
no journal knows of; an acknowledgement that is missing only makes less be demanded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STORED: Final = "stored"
"""Wanted of a unit: stored, or there already."""
EITHER: Final = "either"
"""Wanted of a unit that contradicts another: it hangs on which of them came."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message. `wants` says of each unit `stored`, `either`, or why it is to be refused."""

    number: int
    """Of its first unit: unique in the journal, and ascending."""
    topic: str
    texts: tuple[str, ...]
    wants: tuple[str, ...]
    array: bool = False
    pad_to: int = 0
    """Filled up with blanks to so many bytes."""

    @property
    def units(self) -> list[bytes]:
        """The raw bytes of each unit."""
        return [text.encode().ljust(self.pad_to) for text in self.texts]

    @property
    def payload(self) -> bytes:
        """The body of the message."""
        return b"[" + b",".join(self.units) + b"]" if self.array else self.units[0]


@dataclass(slots=True)
class Record:
    """What a journal says."""

    sent: list[Sent] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    """Numbers of messages."""
    events: list[Sent | int] = field(default_factory=list)
    """In order: a message is about to be sent, or the number of one is acknowledged."""
    without_subscriber: int = 0
    """Acknowledged as `no matching subscribers`: the session of ingest was not there."""


class Journal:
    """Appends to a journal file. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # A killed writer may have left half a line.
        os.write(self._file, b"\n")

    def write(self, acknowledged: Sequence[tuple[int, int]], sent: Sequence[Sent]) -> None:
        """Append acknowledgements (number, reason code) and what is about to be sent, onto the disk."""
        lines: list[list[object]] = [["a", number, code] for number, code in acknowledged]
        lines += [
            ["s", each.number, each.topic, each.texts, each.wants, each.array, each.pad_to] for each in sent
        ]
        if lines:
            os.write(self._file, "".join(json.dumps(line) + "\n" for line in lines).encode())
            os.fsync(self._file)

    def close(self) -> None:
        """Nothing more comes."""
        os.close(self._file)


def entries(path: Path) -> Iterator[list[object]]:
    """The whole lines of a journal."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # blank, or cut by a kill: then nothing of it was sent
            yield entry


def read(path: Path) -> Record:
    """What a journal says, also of earlier processes."""
    record = Record()
    for entry in entries(path):
        match entry:
            case ["s", int(number), str(topic), list(texts), list(wants), bool(array), int(pad_to)]:
                sent = Sent(number, topic, tuple(texts), tuple(wants), array, pad_to)
                record.sent.append(sent)
                record.events.append(sent)
            case ["a", int(number), int(code)]:
                record.acknowledged.add(number)
                record.events.append(number)
                record.without_subscriber += code != 0
            case _:
                raise ValueError(f"{path} has a strange line: {entry}")
    return record
