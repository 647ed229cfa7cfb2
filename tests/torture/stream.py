"""What the devices of a site send: readings, parts, repetitions, contradictions, nonsense, wrong clocks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from tests.torture.journal import EITHER, STORED, Sent

DAY_S: Final = 86_400
METERS: Final = tuple(f"m{number}" for number in range(6))
GAS_METERS: Final = tuple(f"g{number}" for number in range(2))
REGISTERED: Final = tuple(("meter", device) for device in METERS) + tuple(
    ("flowmeter", device) for device in GAS_METERS
)
_STRANGE: Final = (("cems", "c0"), ("beltscale", "b0"), ("beltscale", "b1"))
# Below the quota of a site: beyond it the outcome hangs on the hour.
_MOST_NEW_DEVICES: Final = 400
_LARGE_BYTES: Final = 256 * 1024 + 1

# How far a device's clock is off [s], how likely, and what becomes of its readings. All are far from the
# limits (5 min ahead, 400 days): what is delivered twice must be judged alike both times.
_CLOCKS: Final = (
    (0, 70, STORED),
    (150, 8, STORED),
    (-3_600, 8, STORED),
    (-3 * DAY_S, 5, STORED),
    (DAY_S, 5, "future"),
    (-500 * DAY_S, 4, "too_old"),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of account, not yet sent."""

    topic: str
    text: str
    want: str
    pad_to: int = 0


class Stream:
    """The messages of one site, from a seed. `first` is the number of the first unit."""

    def __init__(self, site: str, random: Random, first: int, clock: Callable[[], datetime]) -> None:
        self._site = site
        self._random = random
        self._next = first
        self._clock = clock
        self._skews: dict[str, tuple[int, str]] = {}
        self._good: deque[tuple[str, dict[str, Any]]] = deque(maxlen=40)
        self._bad: deque[Unit] = deque(maxlen=20)
        self._parts: deque[Unit] = deque()
        self._new_devices = 0
        self._makers: tuple[tuple[Callable[[], Sent], int], ...] = (
            (lambda: self._single(self._reading(*self._device())), 55),
            (self._array, 10),
            (self._repeated, 8),
            (self._part, 9),
            (self._contradicting, 4),
            (lambda: self._single(self._bad_unit(alone=True)), 9),
            (self._repeated_bad, 3),
            (lambda: self._single(self._reading("meter", self._new_device())), 1),
        )

    def __iter__(self) -> Iterator[Sent]:
        """Messages without end."""
        makers = [maker for maker, _ in self._makers]
        weights = [weight for _, weight in self._makers]
        while True:
            yield self._random.choices(makers, weights)[0]()

    def _single(self, unit: Unit) -> Sent:
        self._next += 1
        return Sent(self._next - 1, unit.topic, (unit.text,), (unit.want,), pad_to=unit.pad_to)

    def _array(self) -> Sent:
        kind, device = self._device()
        units = []
        number = self._next
        for _ in range(self._random.randint(1, 12)):
            bad = kind == "meter" and self._random.random() < 0.15
            units.append(self._bad_unit(alone=False) if bad else self._reading(kind, device))
            self._next += 1
        texts, wants = zip(*((unit.text, unit.want) for unit in units), strict=True)
        return Sent(number, self._topic(kind, device), texts, wants, array=True)

    def _repeated(self) -> Sent:
        if not self._good:
            return self._single(self._reading(*self._device()))
        topic, fields = self._random.choice(self._good)
        return self._single(Unit(topic, json.dumps(fields), STORED))

    def _contradicting(self) -> Sent:
        if not self._good:
            return self._single(self._reading(*self._device()))
        topic, fields = self._random.choice(self._good)
        name = next(name for name, value in fields.items() if isinstance(value, float))
        return self._single(Unit(topic, json.dumps({**fields, name: fields[name] + 1}), EITHER))

    def _part(self) -> Sent:
        """The first part of a reading, or the second of an earlier one."""
        if self._parts and self._random.random() < 0.5:
            return self._single(self._parts.popleft())
        kind, device = self._device()
        ts, want = self._instant(device)
        first, *others = self._values(kind).items()
        topic = self._topic(kind, device)
        self._parts.append(Unit(topic, json.dumps({"ts": ts, **dict(others)}), want))
        return self._single(Unit(topic, json.dumps({"ts": ts, first[0]: first[1]}), want))

    def _repeated_bad(self) -> Sent:
        return self._single(self._random.choice(self._bad) if self._bad else self._bad_unit(alone=True))

    def _reading(self, kind: str, device: str) -> Unit:
        ts, want = self._instant(device)
        fields = {"ts": ts, "seq": self._next, **self._values(kind)}
        if self._random.random() < 0.05:
            fields["status"] = self._random.choice(("maintenance", "fault", "manual"))
        topic = self._topic(kind, device)
        if want == STORED:
            self._good.append((topic, fields))
        return Unit(topic, json.dumps(fields), want)

    def _bad_unit(self, *, alone: bool) -> Unit:
        """A unit that must be refused; one that needs a message of its own only where `alone`."""
        number = self._next
        ts = self._stamp(0)
        bad: list[tuple[str, dict[str, Any]]] = [
            ("bad_field", {"ts": ts, "seq": number, "power_kw": "12.5"}),
            ("bad_field", {"ts": ts, "seq": number, "power_kw": float("nan")}),
            ("bad_timestamp", {"ts": ts[:19], "seq": number, "power_kw": 1.5}),
            ("no_quantity", {"ts": ts, "seq": number, "power_kw": None}),
            ("out_of_range", {"ts": ts, "seq": number, "power_factor": 95.0}),
            ("out_of_range", {"ts": ts, "seq": number, "frequency_hz": 50_000.0}),
        ]
        reason, fields = self._random.choice(bad)
        unit = Unit(self._topic("meter", "m0"), json.dumps(fields), reason)
        if alone and self._random.random() < 0.35:
            unit = self._bad_message(ts)
        if alone and not unit.pad_to:
            self._bad.append(unit)
        return unit

    def _bad_message(self, ts: str) -> Unit:
        text = json.dumps({"ts": ts, "seq": self._next, "power_kw": 1.5})
        topic = self._topic("meter", "m1")
        return self._random.choices(
            (
                Unit(topic, text[:-1], "not_json"),
                Unit(self._topic("thermostat", "t1"), text, "bad_topic"),
                Unit(f"{topic}/oops", text, "bad_topic"),
                Unit(topic, text, "too_large", pad_to=_LARGE_BYTES),
            ),
            (10, 10, 10, 1),
        )[0]

    def _device(self) -> tuple[str, str]:
        return self._random.choice(REGISTERED + _STRANGE)

    def _new_device(self) -> str:
        self._new_devices += self._new_devices < _MOST_NEW_DEVICES
        return f"n{self._new_devices}"

    def _topic(self, kind: str, device: str) -> str:
        return f"telemetry/v1/{self._site}/{kind}/{device}"

    def _values(self, kind: str) -> dict[str, Any]:
        """A register that rises with the number of the unit, gauges, and no two readings alike."""
        number, gauge = self._next, round(self._random.uniform(1, 500), 3)
        match kind:
            case "meter":
                return {"energy_import_kwh": number / 100, "power_kw": gauge, "voltage_v": 230.5}
            case "flowmeter":
                return {"volume_nm3": number / 100, "flow_nm3_h": gauge, "temperature_c": 20.25}
            case "cems":
                return {"co2_pct": 12.5, "flow_nm3_h": gauge, "moisture_pct": 8.5, "temperature_c": 55.5}
            case _:
                return {"mass_t": number / 100, "rate_t_h": gauge, "running": gauge > 100}

    def _instant(self, device: str) -> tuple[str, str]:
        """The `ts` of a reading by the device's clock, which jumps now and then, and what becomes of it."""
        if device not in self._skews or self._random.random() < 0.1:
            skew_s, _, want = self._random.choices(_CLOCKS, [weight for _, weight, _ in _CLOCKS])[0]
            self._skews[device] = (skew_s, want)
        skew_s, want = self._skews[device]
        return self._stamp(skew_s), want

    def _stamp(self, skew_s: int) -> str:
        """The time, with the number of the unit as microseconds: so no two are equal."""
        second = self._clock() + timedelta(seconds=skew_s)
        return second.replace(microsecond=self._next % 1_000_000).isoformat()


def registry(sites: list[str]) -> dict[str, Any]:
    """The registry of the sites: each with a source of electricity and one of gas over its meters."""
    return {"version": 1, "sites": {site: _site() for site in sites}}


def _site() -> dict[str, Any]:
    since: dict[str, Any] = {"from": "2020-01-01", "interval_s": 30}
    electricity = {**since, "carrier": "electricity", "energy_quantity": "energy_import_kwh"}
    gas = {**since, "carrier": "natural_gas", "energy_quantity": "volume_nm3", "base_state": "20C"}
    factors = {
        "electricity": {"quantity": "energy_import_kwh", "factor_set": "CN_MEE_PROVINCE"},
        "natural_gas": {
            "quantity": "volume_nm3",
            "factor_set": "CN_NDRC_2.1",
            "factor_base_state": "0C",
        },
    }

    def source(scope: int, method: str, carrier: str, devices: list[str]) -> dict[str, Any]:
        facts = {"from": "2020-01-01", "devices": devices, **factors[carrier], "in_total": True}
        return {"scope": scope, "method": method, "carrier": carrier, "facts": [facts]}

    return {
        "timezone": "Asia/Shanghai",
        "country": "CN",
        "region": "CN-SH",
        "devices": {
            **{f"meter/{device}": {"facts": [electricity]} for device in METERS},
            **{f"flowmeter/{device}": {"facts": [gas]} for device in GAS_METERS},
        },
        "sources": {
            "grid": source(2, "electricity", "electricity", [f"meter/{device}" for device in METERS]),
            "boiler": source(1, "fuel", "natural_gas", [f"flowmeter/{device}" for device in GAS_METERS]),
        },
    }


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)
