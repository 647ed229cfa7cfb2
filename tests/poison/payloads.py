"""Payloads and topics as no device should send them, from a seed; of each it is known how many units it is.

Pure. Counting is by the contract (section 2), not by the decoder: a whole message that cannot be split is one
unit, an array is as many as it has elements, a state that can be noted is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any, Final, NamedTuple

SMALL_BYTES: Final = 1024
LARGE_BYTES: Final = 1024 * 1024
TOO_LARGE_BYTES: Final = 256 * 1024
MOST_ELEMENTS: Final = 1000
REFUSED_BY_DATABASE: Final = 666_666.0
"""A power that the database of a run is told to refuse."""
SITES: Final = 10
DEVICES: Final = 20
"""Of each site, and of each kind; the first one is so odd that others keep their order."""


PREFIX: Final = "telemetry/v1/"
WRONG_TOPICS: Final = (
    "", "a", "a/meter", "a/meter/", "/meter/d", "a/meter/d/", "a/meter/d/x", "a/meter/d/state/x", "A/meter/d",
    "a/Meter/d", "a/thermostat/d", "a b/meter/d", "-a/meter/d", "a/meter/D%20", "a/meter/d;DROP TABLE",
    "../meter/d", "ä/meter/d", "a/meter/\U0001f525", f"{'a' * 64}/meter/d", "\u202ea/meter/d", "/" * 150,
    "a/meter/" + "d" * 300, "a/meter/d\u0301",
)  # fmt: skip
WRONG_TIMES: Final[tuple[Any, ...]] = (
    "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2026-06-30T23:59:60Z",
    "10000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "",
    "2026-01-01T00:00:00 Asia/Shanghai", "now", "\u0662\u0660\u0662\u0666-01-01T00:00:00Z",
    1_767_225_600, 1_767_225_600_000, 1.5e9, None, True,
)  # fmt: skip
NUMBERS: Final = ("1e999", "-1e400", "9" * 20, "9" * 600, "1" + "0" * 400 + ".5", "0." + "3" * 300 + "e9")


class Poison(NamedTuple):
    """One message."""

    topic: str
    payload: bytes
    units: int


class Maker:
    """Makes messages, one like the other only where that is its point."""

    def __init__(self, random: Random, start: datetime) -> None:
        self._random = random
        self._start = start
        self._number = 0
        self._last = Poison("telemetry/v1/site-0/meter/d-0", b"", 1)
        self.small: Mapping[str, tuple[Callable[[], Poison], int]] = MappingProxyType(
            {
                "good": (self._good, 8),
                "wrong type": (self._wrong_type, 10),
                "number as string": (self._number_as_string, 8),
                "NaN and Infinity": (self._not_finite, 6),
                "huge number": (self._huge_number, 5),
                "out of range": (self._out_of_range, 5),
                "nothing measured": (self._nothing_measured, 4),
                "wrong time": (self._wrong_time, 8),
                "wrong status": (self._wrong_status, 4),
                "cut off": (self._cut_off, 6),
                "garbage": (self._garbage, 4),
                "invalid UTF-8": (self._invalid_utf8, 4),
                "NUL": (self._nul, 3),
                "deep": (self._deep, 2),
                "odd unknown fields": (self._unknown_fields, 5),
                "keys twice": (self._keys_twice, 2),
                "array with bad elements": (self._array, 6),
                "array of nonsense": (self._nonsense_array, 2),
                "empty": (self._empty, 2),
                "topic": (self._topic_trick, 5),
                "state": (self._state, 2),
                "random id": (self._random_id, 2),
                "conflict": (self._conflict, 3),
                "again": (lambda: self._last, 4),
            }
        )
        """Up to `SMALL_BYTES`, by category, with weights."""
        self.large: Mapping[str, tuple[Callable[[], Poison], int]] = MappingProxyType(
            {
                "too large": (self._too_large, 3),
                "large garbage": (self._large_garbage, 3),
                "long string": (self._long_string, 2),
                "large array": (self._large_array, 3),
                "array too long": (self._array_too_long, 2),
                "very deep": (self._very_deep, 2),
                "many keys": (self._many_keys, 2),
                "long topic": (self._long_topic, 1),
            }
        )

    def make(self, categories: Mapping[str, tuple[Callable[[], Poison], int]]) -> Iterator[Poison]:
        """Messages of these categories, by their weights, without end."""
        makers = [maker for maker, _ in categories.values()]
        weights = [weight for _, weight in categories.values()]
        while True:
            made = self._random.choices(makers, weights)[0]()
            if len(made.payload) <= SMALL_BYTES:
                self._last = made
            yield made

    def refused_by_database(self) -> Poison:
        """A reading that is good by the contract and that the run's database refuses."""
        return self._one({"ts": self._ts(), "power_kw": REFUSED_BY_DATABASE})

    # What they are made of.

    def _ts(self) -> str:
        """The next instant: no two are equal, and each is later than those before."""
        self._number += 1
        return (self._start + timedelta(microseconds=100 * self._number)).isoformat()

    def _device(self, kind: str = "meter") -> str:
        random = self._random
        return f"telemetry/v1/site-{random.randrange(SITES)}/{kind}/d-{random.randrange(DEVICES)}"

    def _fields(self, **more: Any) -> dict[str, Any]:
        power = round(self._random.uniform(0, 500), 3)
        return {"ts": self._ts(), "seq": self._number, "power_kw": power, "voltage_v": 398.5, **more}

    def _one(self, fields: Any, topic: str | None = None) -> Poison:
        return Poison(topic or self._device(), json.dumps(fields).encode(), 1)

    def _text(self, text: str) -> Poison:
        return Poison(self._device(), text.encode(), 1)

    # Up to 1 KiB.

    def _good(self) -> Poison:
        return self._one(self._fields())

    def _wrong_type(self) -> Poison:
        random = self._random
        wrong: Any = random.choice([[], {}, True, "", [1.5], {"value": 1.5}, "null", [[]]])
        name = random.choice(["ts", "seq", "power_kw", "voltage_v", "energy_import_kwh"])
        if random.random() < 0.1:
            return self._one(random.choice([None, True, 1, -1.5, "reading", self._number]))
        fields = self._fields(n=self._number)
        if random.random() < 0.2:
            fields |= dict.fromkeys(("energy_import_kwh", "current_a", "power_factor", "frequency_hz"), wrong)
        return self._one(fields | {name: wrong})

    def _number_as_string(self) -> Poison:
        return self._one(self._fields(power_kw=f"{self._random.uniform(0, 500):.3f}"))

    def _not_finite(self) -> Poison:
        word = self._random.choice(["NaN", "Infinity", "-Infinity"])
        return self._text(f'{{"ts":"{self._ts()}","seq":{self._number},"power_kw":{word}}}')

    def _huge_number(self) -> Poison:
        number = self._random.choice(NUMBERS)
        name = self._random.choice(["power_kw", "seq", "n"])
        return self._text(f'{{"ts":"{self._ts()}","voltage_v":230.5,"{name}":{number}}}')

    def _out_of_range(self) -> Poison:
        return self._one(self._fields(power_factor=self._random.uniform(1.1, 1e6)))

    def _nothing_measured(self) -> Poison:
        nothing: dict[str, Any] = self._random.choice([{}, {"power_kw": None}, {"mass_t": 5.5}])
        return self._one({"ts": self._ts(), **nothing})

    def _wrong_time(self) -> Poison:
        ts = self._ts()
        wrong = [
            ts[:19],
            ts[:16],
            f"{ts[:19]}+24:00",
            f"{ts[:19]}+05:60",
            f"{ts[:19]}-00:00:30",
            [ts],
            ts * 9,
        ]
        chosen = self._random.choice([*wrong, *WRONG_TIMES])
        return self._one(self._fields(n=self._number) | {"ts": chosen})

    def _wrong_status(self) -> Poison:
        wrong: Any = self._random.choice(
            [
                "VALID",
                "ok",
                "",
                0,
                True,
                ["valid"],
                {"power_kw": "ok"},
                {"power_kw": 5},
                {"x": "y"},
                "v" * 500,
            ]
        )
        return self._one(self._fields(status=wrong))

    def _cut_off(self) -> Poison:
        whole = json.dumps([self._fields()] if self._random.random() < 0.3 else self._fields())
        return self._text(whole[: self._random.randrange(1, len(whole))])

    def _garbage(self) -> Poison:
        garbage = self._random.randbytes(self._random.randint(1, SMALL_BYTES))
        # An array, an object or a blank at the front would have to be judged by JSON's grammar.
        return Poison(self._device(), b"\xff" + garbage, 1)

    def _invalid_utf8(self) -> Poison:
        broken = self._random.choice(
            [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"]
        )
        payload = json.dumps(self._fields(note="HERE")).encode().replace(b"HERE", broken)
        return Poison(self._device(), payload, 1)

    def _nul(self) -> Poison:
        if self._random.random() < 0.4:
            return Poison(self._device(), bytes(self._random.randint(1, 500)) + b"%d" % self._number, 1)
        return self._one(self._fields(**{self._random.choice(["a\0b", "note"]): "x\0y", "s": "\ud800"}))

    def _deep(self) -> Poison:
        levels = self._random.randint(1, 480)
        opened, closed = self._random.choice([("[", "]"), ('{"a":', "}")])
        nested = f"{opened * levels}1{closed * levels}"[: SMALL_BYTES - 80]
        return self._text(f'{{"ts":"{self._ts()}","power_kw":1.5,"x":{nested}}}')

    def _unknown_fields(self) -> Poison:
        random = self._random
        names = random.choice(
            [["x" * 200], [f"k{n}" for n in range(40)], ["ümlaut", "", "\U0001f525"], ["__proto__"]]
        )
        return self._one(
            self._fields(**dict.fromkeys(names, random.choice([1, "text", None, [1, {"a": []}]])))
        )

    def _keys_twice(self) -> Poison:
        return self._text(f'{{"ts":"x","ts":"{self._ts()}","power_kw":"1","power_kw":2.5}}')

    def _array(self) -> Poison:
        elements = [self._element() for _ in range(self._random.randint(1, 6))]
        while len(text := f"[{', '.join(elements)}]") > SMALL_BYTES:
            elements.pop()
        return Poison(self._device(), text.encode(), len(elements))

    def _element(self) -> str:
        good = json.dumps({"ts": self._ts(), "power_kw": self._random.uniform(0, 500)})
        bad = f'{{"ts":"{self._ts()}","power_kw":"{self._number}"}}'
        return self._random.choice([good, good, bad, f'{{"ts":{self._number}}}', f"[{self._number}]", "{}"])

    def _nonsense_array(self) -> Poison:
        count = self._random.randint(2, 12)
        each = self._random.choice(
            [str(self._number), f'"{self._number}"', "null", "[]", "{}", '"[,]"', "NaN"]
        )
        self._number += 1
        return Poison(self._device(), f"[{','.join([each] * count)}]".encode(), count)

    def _empty(self) -> Poison:
        payload = self._random.choice(
            [b"", b" ", b"\n\n", b"[]", b"[ ]", b"{}", b"null", b'""', b"[", b"[,]", b"]"]
        )
        return Poison(self._device(), payload, 1)

    def _topic_trick(self) -> Poison:
        topic = PREFIX + self._random.choice(WRONG_TOPICS)
        return self._one(self._fields(), topic)

    def _state(self) -> Poison:
        topic, self._number = f"{self._device()}/state", self._number + 1
        return self._random.choice(
            [
                Poison(topic, b"online", 0),
                Poison(topic, b"offline", 0),
                Poison(topic, b"", 0),
                Poison(topic, b"ONLINE %d" % self._number, 1),
                Poison(topic, b"\xff\0%d" % self._number, 1),
                Poison(topic.replace("/state", "/result"), b"%d" % self._number, 0),
            ]
        )

    def _random_id(self) -> Poison:
        topic = f"telemetry/v1/flood-{self._random.randrange(3)}/meter/{self._random.randbytes(12).hex()}"
        return self._one(self._fields(), topic)

    def _conflict(self) -> Poison:
        """The same device and instant as ever, another value: one is stored."""
        ts = (self._start - timedelta(hours=1)).isoformat()
        return self._one(
            {"ts": ts, "power_kw": self._random.uniform(0, 500)}, "telemetry/v1/site-0/meter/edits"
        )

    # Up to 1 MiB.

    def _size(self, low: int = 2 * SMALL_BYTES, high: int = TOO_LARGE_BYTES) -> int:
        return self._random.randint(low, high)

    def _too_large(self) -> Poison:
        text = json.dumps(self._fields()).encode()
        return Poison(self._device(), text.ljust(self._size(TOO_LARGE_BYTES + 1, LARGE_BYTES)), 1)

    def _large_garbage(self) -> Poison:
        size = self._size()
        start = self._random.choice([b"\xff", b"\0", b'{"a":"', b"tru"])
        garbage = self._random.choice([self._random.randbytes(size), b'"' * size, b"\\" * size, b"{" * size])
        return Poison(self._device(), (start + garbage)[: TOO_LARGE_BYTES - 9] + b"%d\xff" % self._number, 1)

    def _long_string(self) -> Poison:
        return self._one(self._fields(note="n" * self._size(high=TOO_LARGE_BYTES - 200)))

    def _large_array(self) -> Poison:
        elements = [self._element() for _ in range(self._random.randint(20, MOST_ELEMENTS))]
        return Poison(self._device(), f"[{','.join(elements)}]".encode(), len(elements))

    def _array_too_long(self) -> Poison:
        element = self._random.choice(["1", "{}", "[]", self._element()])
        payload = f"[{','.join([element] * self._random.randint(1001, 3000))}]".encode()[:TOO_LARGE_BYTES]
        return Poison(self._device(), payload, 1)

    def _very_deep(self) -> Poison:
        levels = self._random.randint(1000, 100_000)
        text = self._random.choice(
            [
                "[" * levels + f"{self._number}" + "]" * levels,
                "[" * levels,
                '{"a":' * (levels // 2),
                "[{" * levels,
            ]
        )
        return Poison(self._device(), text.encode()[:TOO_LARGE_BYTES], 1)

    def _many_keys(self) -> Poison:
        return self._one(self._fields(**{f"key-{n}": n for n in range(self._random.randint(300, 12_000))}))

    def _long_topic(self) -> Poison:
        return self._one(self._fields(), "telemetry/v1/" + "x" * self._random.randint(1000, 60_000))


def utc_start() -> datetime:
    """An hour ago, to the second: instants that follow stay behind the clock."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
