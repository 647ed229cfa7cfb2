"""Faults by name: what devices and networks do to good readings.

Which reading has which fault is a function of seed, device and the reading's number, so that a run that is
stopped and resumed has the same faults. Faults never take anything from the good readings, but for `gap`:
bad units are sent beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from simulators.errors import ConfigError
from simulators.hashing import stable_key, uniform_at
from simulators.payload import Role, Unit, encode, rfc3339, whole
from simulators.spec import DeviceSpec, Reading, Value

_DAY_S: Final = 86_400
_GAP_MAX: Final = 8
_LATE_MIN, _LATE_SPAN = 3, 37
_STAMP_CHARS: Final = len('{"ts":"2000-01-01T00:00:00Z"')

Content = Callable[[Reading, float], Sequence[Unit]]
"""The units sent for a reading, given a random number in [0, 1)."""


def _bad(reading: Reading, text: str, reason: str, *, alone: bool = False, topic: str = "") -> Unit:
    return Unit(topic or reading.device.topic, text, Role.BAD, reason=reason, alone=alone)


def _altered(reading: Reading, values: Mapping[str, Value | str | None], reason: str) -> Unit:
    """The reading with other values, to be refused."""
    return _bad(reading, encode(rfc3339(reading.ts), reading.seq, values), reason)


def _mistimed(reading: Reading, by_s: float, reason: str) -> Unit:
    """The reading by a clock that is wrong, to be refused."""
    return _bad(reading, encode(rfc3339(reading.ts + by_s), reading.seq, reading.values), reason)


def _first(reading: Reading) -> str:
    return next(iter(reading.values))


def _duplicate(reading: Reading, _draw: float) -> Sequence[Unit]:
    good = whole(reading)
    return (good, Unit(good.topic, good.text, Role.DUPLICATE))


def _partial(reading: Reading, draw: float) -> Sequence[Unit]:
    """Two readings of one instant, each with some of the quantities."""
    names = list(reading.values)
    if len(names) < 2:
        return (whole(reading),)
    cut = 1 + int(draw * (len(names) - 1))
    halves = [{name: reading.values[name] for name in part} for part in (names[:cut], names[cut:])]
    texts = [encode(rfc3339(reading.ts), reading.seq, half) for half in halves]
    topic = reading.device.topic
    return (Unit(topic, texts[0], Role.READING), Unit(topic, texts[1], Role.PART, completes=reading))


def _malformed(reading: Reading, draw: float) -> Sequence[Unit]:
    """Half of them cut off in transmission, half with a number in quotation marks."""
    good = whole(reading)
    if draw < 0.5:
        # The time stamp stays whole: no two are alike, so none is taken for a repetition.
        keep = _STAMP_CHARS + int(2.0 * draw * (len(good.text) - _STAMP_CHARS - 1))
        return (good, _bad(reading, good.text[:keep], "not_json", alone=True))
    quoted = {name: str(value) for name, value in reading.values.items()}
    return (good, _altered(reading, quoted, "bad_field"))


def _nan(reading: Reading, _draw: float) -> Sequence[Unit]:
    broken = {**reading.values, _first(reading): math.nan}
    return (whole(reading), _altered(reading, broken, "bad_field"))


def _future(reading: Reading, draw: float) -> Sequence[Unit]:
    """A device clock about a month ahead."""
    return (whole(reading), _mistimed(reading, 30 * _DAY_S + round(draw * 3600.0, 3), "future"))


def _too_old(reading: Reading, draw: float) -> Sequence[Unit]:
    """A device clock that fell back by years."""
    return (whole(reading), _mistimed(reading, round(draw * 3600.0, 3) - 3650 * _DAY_S, "too_old"))


def _bad_timestamp(reading: Reading, _draw: float) -> Sequence[Unit]:
    """Local time without a zone."""
    good = whole(reading)
    return (good, _bad(reading, good.text.replace('Z"', '"', 1), "bad_timestamp"))


def _no_quantity(reading: Reading, _draw: float) -> Sequence[Unit]:
    empty = dict.fromkeys(reading.values)
    return (whole(reading), _altered(reading, empty, "no_quantity"))


def _out_of_range(reading: Reading, draw: float) -> Sequence[Unit]:
    """A value that nothing can have: a register below zero, a concentration above the whole."""
    impossible = 200.0 + draw if reading.device.kind == "cems" else -1.0 - draw
    broken = {**reading.values, _first(reading): impossible}
    return (whole(reading), _altered(reading, broken, "out_of_range"))


def _conflict(reading: Reading, draw: float) -> Sequence[Unit]:
    """The same instant again, with another value."""
    value = reading.values[_first(reading)]
    other = {**reading.values, _first(reading): round(0.5 * value + draw, 3)}
    return (whole(reading), _altered(reading, other, "conflict"))


def _bad_topic(reading: Reading, _draw: float) -> Sequence[Unit]:
    """A device that was set up with capitals in its name."""
    good = whole(reading)
    topic = f"telemetry/v1/{reading.device.site}/{reading.device.kind}/{reading.device.device.upper()}"
    return (good, _bad(reading, good.text, "bad_topic", alone=True, topic=topic))


def _too_large(reading: Reading, _draw: float) -> Sequence[Unit]:
    """More than the 256 KiB a payload may have."""
    good = whole(reading)
    padded = good.text[:-1] + ',"log":"' + "x" * (257 * 1024) + '"}'
    return (good, _bad(reading, padded, "too_large", alone=True))


CONTENT_FAULTS: Final[Mapping[str, Content]] = MappingProxyType(
    {
        "duplicate": _duplicate,
        "partial": _partial,
        "malformed": _malformed,
        "nan": _nan,
        "future": _future,
        "too_old": _too_old,
        "bad_timestamp": _bad_timestamp,
        "no_quantity": _no_quantity,
        "out_of_range": _out_of_range,
        "conflict": _conflict,
        "bad_topic": _bad_topic,
        "too_large": _too_large,
    }
)

DEFAULT_CHANCES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "duplicate": 0.004,
        "reorder": 0.004,
        "late": 0.002,
        "gap": 0.0006,
        "malformed": 0.0015,
        "future": 0.0006,
        "nan": 0.0006,
        "partial": 0.003,
    }
)
"""A reading's chance of each fault, in the demo."""
OTHER_CHANCES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "too_old": 0.0006,
        "bad_timestamp": 0.0006,
        "no_quantity": 0.0006,
        "out_of_range": 0.0006,
        "conflict": 0.0006,
        "bad_topic": 0.0006,
        "too_large": 0.0001,
        "rollover": 1.0,
        "swap": 0.25,
    }
)
"""Chances of the faults that have to be asked for. `rollover` where above 0: every new device; `swap`: of a
device and day."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which faults, and how often."""

    chances: Mapping[str, float] = field(default_factory=lambda: DEFAULT_CHANCES)

    @classmethod
    def parse(cls, text: str) -> FaultPlan:
        """From `default`, `all`, `none`, names and `name=chance`, separated by commas. Raises ConfigError."""
        chances: dict[str, float] = {}
        known = {**DEFAULT_CHANCES, **OTHER_CHANCES}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, _, chance = word.partition("=")
            if word in ("default", "all", "none"):
                chances.update({"default": DEFAULT_CHANCES, "all": known, "none": {}}[word])
            elif name in known:
                chances[name] = _probability(name, chance) if chance else known[name]
            else:
                raise ConfigError(f"No fault is called {name!r}; there are {', '.join(sorted(known))}.")
        return cls(MappingProxyType(chances))

    def of(self, name: str) -> float:
        """The chance of a fault, 0 where it is not wanted."""
        return self.chances.get(name, 0.0)


def _probability(name: str, text: str) -> float:
    try:
        chance = float(text)
    except ValueError:
        chance = math.nan
    if not 0.0 <= chance <= 1.0:
        raise ConfigError(f"The chance of {name} must be between 0 and 1, not {text!r}.")
    return chance


class FaultLine:
    """The faults of one device: good readings go in, units come out, in the order of sending."""

    def __init__(self, plan: FaultPlan, seed: int, spec: DeviceSpec) -> None:
        def key(name: str) -> int:
            return stable_key(seed, spec.seed_name, "fault", name)

        self._gap_chance = plan.of("gap") if spec.bridges else 0.0
        self._gap_key, self._choice_key, self._detail_key = key("gap"), key("choice"), key("detail")
        self._choices = [
            (name, plan.of(name)) for name in ("reorder", "late", *CONTENT_FAULTS) if plan.of(name) > 0.0
        ]
        self._held: list[tuple[int, Sequence[Unit]]] = []
        self.missing = 0
        """Readings that were never sent."""

    def feed(self, readings: Iterable[Reading]) -> Iterator[Unit]:
        """What is sent when these readings are due."""
        for reading in readings:
            if self._in_gap(reading.seq):
                self.missing += 1
            else:
                yield from self._send(reading)
            yield from self._release(reading.seq)

    def flush(self) -> Iterator[Unit]:
        """What is still held back."""
        yield from self._release(None)

    def _send(self, reading: Reading) -> Iterator[Unit]:
        fault = self._choose(reading.seq)
        draw = uniform_at(self._detail_key, reading.seq)
        if fault == "reorder":
            self._held.append((reading.seq + 1, (whole(reading),)))
        elif fault == "late":
            self._held.append((reading.seq + _LATE_MIN + int(draw * _LATE_SPAN), (whole(reading),)))
        elif fault is None:
            yield whole(reading)
        else:
            yield from CONTENT_FAULTS[fault](reading, draw)

    def _choose(self, seq: int) -> str | None:
        if not self._choices:
            return None
        draw = uniform_at(self._choice_key, seq)
        for name, chance in self._choices:
            if draw < chance:
                return name
            draw -= chance
        return None

    def _in_gap(self, seq: int) -> bool:
        """Whether one of the last readings began a gap that reaches this one."""
        if not self._gap_chance:
            return False
        for back in range(_GAP_MAX):
            draw = uniform_at(self._gap_key, seq - back)
            # Below the chance the number itself is again uniform: it gives the length.
            if draw < self._gap_chance and back < 2 + (_GAP_MAX - 1) * draw / self._gap_chance:
                return True
        return False

    def _release(self, seq: int | None) -> Iterator[Unit]:
        due = [units for release, units in self._held if seq is None or release <= seq]
        if due:
            self._held = [
                (release, units) for release, units in self._held if seq is not None and release > seq
            ]
        for units in due:
            yield from units


def swap_instants(plan: FaultPlan, seed: int, spec: DeviceSpec, begin: float, end: float) -> list[int]:
    """When the device is replaced within [begin, end): at most once a day, between two readings."""
    chance, step = plan.of("swap"), spec.process.step_s
    if not chance or not spec.registers or spec.interval_s <= step:
        return []
    key = stable_key(seed, spec.seed_name, "fault", "swap")
    instants = []
    for day in range(int(begin // _DAY_S), int(end // _DAY_S) + 1):
        draw = uniform_at(key, day)
        rounds = int(draw / chance * (_DAY_S // spec.interval_s)) if draw < chance else None
        if rounds is not None:
            instants.append(day * _DAY_S + rounds * spec.interval_s + spec.phase_s % spec.interval_s + step)
    return [instant for instant in instants if begin <= instant < end]
