"""Compares what publishers sent and the broker acknowledged with what the database has. Pure.

It knows nothing of how ingest works: every acknowledged unit must be found in a stored reading, or as a dead
letter, and not in both.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from tests.torture.journal import EITHER, STORED, Record, Sent
from tests.torture.observe import Cells, Key, Letter, Observed
from tests.torture.stream import REGISTERED

_SHOWN: Final = 5


class Sighting(NamedTuple):
    """A unit that was sent."""

    letter: Letter
    want: str
    acknowledged: bool
    key: Key | None
    """None where it is no reading."""
    cells: Cells
    text: str
    message: tuple[int, int]
    """Which record, and the number of the message in it."""


@dataclass(slots=True)
class Verdict:
    """What became of what was sent."""

    published: int = 0
    """Units that the broker acknowledged."""
    unknown: int = 0
    """Units sent of which no acknowledgement is known: they may be there, or not."""
    lost: list[str] = field(default_factory=list)
    lost_messages: list[tuple[int, int]] = field(default_factory=list)
    """The messages of the lost units: which record, and the number in it."""
    doubled: list[str] = field(default_factory=list)
    in_order: int = 0
    """Readings that surely came in order, each of which must have a live row."""
    wrong: list[str] = field(default_factory=list)
    """Everything else that is not as it must be."""

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        return not (self.lost or self.doubled or self.wrong)


def compare(records: Iterable[Record], observed: Observed, *, loss_expected: bool = False) -> Verdict:
    """Judge. Where loss is expected, what depends on the order of arrival cannot be judged."""
    records = list(records)
    sightings = [sighting for number, record in enumerate(records) for sighting in _sightings(number, record)]
    verdict = Verdict(
        published=sum(sighting.acknowledged for sighting in sightings),
        unknown=sum(not sighting.acknowledged for sighting in sightings),
    )
    contradicted = {sighting.key for sighting in sightings if sighting.want == EITHER}
    for sighting in sightings:
        _fate(verdict, sighting, observed, contradicted)
    verdict.lost = _once(verdict.lost)
    verdict.doubled = _once(verdict.doubled)
    _doubles(verdict, observed)
    _readings(verdict, sightings, observed)
    _letters(verdict, sightings, observed)
    _live(verdict, [] if loss_expected else records, observed)
    _account(verdict, sightings, observed)
    gone = sum(record.without_subscriber for record in records)
    if gone:
        verdict.wrong.append(f"{gone} messages were acknowledged while ingest had no session")
    return verdict


def _sightings(number: int, record: Record) -> Iterator[Sighting]:
    for sent in record.sent:
        acknowledged = sent.number in record.acknowledged
        for raw, text, want in zip(sent.units, sent.texts, sent.wants, strict=True):
            letter = Letter(sent.topic, sha256(raw).digest())
            key, cells = _reading(sent, text) if want in (STORED, EITHER) else (None, {})
            shown = f"{sent.topic} {text[:160]}"
            yield Sighting(letter, want, acknowledged, key, cells, shown, (number, sent.number))


def _reading(sent: Sent, text: str) -> tuple[Key, Cells]:
    fields = json.loads(text)
    site, kind, device = sent.topic.split("/")[2:]
    time = datetime.fromisoformat(fields.pop("ts"))
    fields.pop("seq", None)
    status = fields.pop("status", "valid")
    return Key(site, kind, device, time), {
        name: (float(value), status) for name, value in fields.items() if value is not None
    }


def _is_stored(sighting: Sighting, observed: Observed) -> bool:
    """Whether every cell of it is in the stored reading."""
    if sighting.key is None:
        return False
    stored = observed.readings.get(sighting.key, {})
    return all(stored.get(name) == cell for name, cell in sighting.cells.items())


def _fate(verdict: Verdict, sighting: Sighting, observed: Observed, contradicted: set[Key | None]) -> None:
    stored = _is_stored(sighting, observed)
    reasons = observed.letters.get(sighting.letter, [])
    if stored and reasons:
        verdict.doubled.append(f"stored, and a dead letter ({reasons[0]}): {sighting.text}")
    if not sighting.acknowledged:
        return
    if not stored and not reasons:
        verdict.lost.append(f"{sighting.want}: {sighting.text}")
        verdict.lost_messages.append(sighting.message)
    elif reasons and sighting.want == STORED and sighting.key not in contradicted:
        verdict.wrong.append(f"rejected ({reasons[0]}), though it is good: {sighting.text}")
    elif reasons and sighting.want not in (STORED, EITHER) and reasons[0] != sighting.want:
        verdict.wrong.append(f"rejected as {reasons[0]}, not as {sighting.want}: {sighting.text}")


def _doubles(verdict: Verdict, observed: Observed) -> None:
    for letter, reasons in observed.letters.items():
        verdict.doubled += [f"dead letter again: {letter.topic} ({each})" for each in reasons[1:]]
    for (key, source), count in observed.live.items():
        verdict.doubled += [f"live row of source {source} again: {key}"] * (count - 1)


def _readings(verdict: Verdict, sightings: list[Sighting], observed: Observed) -> None:
    """No cell that nobody sent, and none in two parts that were not merged."""
    sent: defaultdict[Key, set[tuple[str, tuple[float, str]]]] = defaultdict(set)
    for sighting in sightings:
        if sighting.key is not None:
            sent[sighting.key].update(sighting.cells.items())
    for key, cells in observed.readings.items():
        if not cells.items() <= sent.get(key, set()):
            verdict.wrong.append(f"nobody sent {key}: {cells}")


def _letters(verdict: Verdict, sightings: list[Sighting], observed: Observed) -> None:
    sent = {sighting.letter for sighting in sightings}
    for letter, reasons in observed.letters.items():
        if letter not in sent:
            verdict.wrong.append(f"nobody sent the dead letter {letter.topic} ({reasons[0]})")
        elif "damaged" in reasons[0]:
            verdict.wrong.append(f"dead letter {letter.topic}: {reasons[0]}")


def _live(verdict: Verdict, records: list[Record], observed: Observed) -> None:
    """Live rows belong to readings, and every reading that came in order has one."""
    shown = {key for key, _ in observed.live}
    verdict.wrong += [f"live row without a reading: {key}" for key in shown if key not in observed.readings]
    in_order = {key for record in records for key in _in_order(record)}
    due = {key for key in in_order if key in observed.readings}
    verdict.wrong += [f"no live row: {key}" for key in due if key not in shown]
    verdict.in_order = len(due)


def _in_order(record: Record) -> Iterator[Key]:
    """The acknowledged readings of registered devices that were surely newer than all before them.

    An MQTT client may send in another order after it connected again: only what was acknowledged before
    anything newer of its device was sent is surely in order.
    """
    newest: dict[tuple[str, str, str], datetime] = {}
    sent: dict[int, list[Key]] = {}
    for event in record.events:
        if isinstance(event, int):
            yield from (key for key in sent.pop(event, []) if newest[key[:3]] == key.time)
            continue
        sent[event.number] = keys = [
            _reading(event, text)[0]
            for text, want in zip(event.texts, event.wants, strict=True)
            if want in (STORED, EITHER) and tuple(event.topic.split("/")[3:]) in REGISTERED
        ]
        for key in keys:
            newest[key[:3]] = max(key.time, newest.get(key[:3], key.time))


def _account(verdict: Verdict, sightings: list[Sighting], observed: Observed) -> None:
    wrong = verdict.wrong
    if observed.received != observed.stored + observed.duplicate + observed.rejected:
        wrong.append("received is not stored + duplicate + rejected")
    if observed.received < verdict.published:
        wrong.append(f"{verdict.published} units acknowledged, {observed.received} received")
    distinct = {
        (sighting.key, frozenset(sighting.cells.items()))
        for sighting in sightings
        if _is_stored(sighting, observed)
    }
    if observed.stored != len(distinct):
        wrong.append(f"{observed.stored} counted as stored, {len(distinct)} are")
    if observed.rejected != observed.dead_letters:
        wrong.append(f"{observed.rejected} counted as rejected, {observed.dead_letters} dead letters")
    if observed.not_dirty:
        wrong.append(f"{observed.not_dirty} readings of which the ledger is not told")


def _once(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def report(verdict: Verdict) -> list[str]:
    """What is wrong, in lines; of each sort only the first."""
    lines = []
    for name, found in (("lost", verdict.lost), ("doubled", verdict.doubled), ("wrong", verdict.wrong)):
        lines += [f"{name}: {each}" for each in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{name}: {len(found) - _SHOWN} more")
    return lines
