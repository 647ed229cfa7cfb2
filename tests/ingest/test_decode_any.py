"""Decoding of anything at all: one answer, whichever way it is found."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.domain.quantities import NAMES, Kind
from services.domain.reading import Reading
from services.ingest.json_text import elements, whole_elements
from services.ingest.message import (
    Rejection,
    Unit,
)
from services.ingest.timestamps import RFC3339, instant
from tests.ingest.decoding import (
    NOW,
    TS,
    content_of,
    one,
    reading,
    units,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = st.sampled_from([*NAMES[Kind.METER], "ts", "seq", "status", "note"])
FIELD_VALUES = (
    JSON
    | st.just(TS)
    | st.floats(-10, 10)
    | st.sampled_from(["valid", "fault", 1e400])
    | st.dictionaries(FIELD_NAMES, st.sampled_from(["valid", "fault", "x", None]), max_size=2)
)
OBJECTS = st.dictionaries(FIELD_NAMES, FIELD_VALUES, max_size=6)
GOOD = st.fixed_dictionaries({"ts": st.just(TS), "power_kw": st.floats(-1e15, 1e15)})


def comparable(unit: Unit) -> object:
    content = content_of(unit)
    return content if isinstance(content, Reading) else content.reason


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ud80e1NIts ', max_size=60).map(str.encode))
@example(b"[" * 2000 + b"]" * 2000)
def test_decode_never_raises(payload: bytes) -> None:
    for unit in units(payload):
        assert isinstance(content_of(unit), Reading | Rejection)


@settings(max_examples=200, deadline=None)
@given(st.lists(OBJECTS | GOOD | JSON, min_size=1, max_size=5))
def test_an_array_is_decoded_as_its_elements_would_be(values: list[Any]) -> None:
    payload = json.dumps(values).encode("utf-8", "replace")
    found = units(payload)
    assert len(found) == len(values)
    for unit, value, text in zip(found, values, elements(payload), strict=True):
        assert json.loads(text) == json.loads(json.dumps(value)) or "NaN" in text.decode()
        if not isinstance(value, list):
            assert comparable(unit) == comparable(units(text)[0])


@settings(max_examples=200, deadline=None)
@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_split_as_json_would(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    found = whole_elements(text)
    assert found is not None
    assert [repr(json.loads(each)) for each in found] == [repr(each) for each in json.loads(text)]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='[]{},:"\\ a1', max_size=30).map(lambda text: f"[{text}]".encode()))
def test_what_is_no_array_is_not_split(text: bytes) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    found = whole_elements(text)
    assert (found is None) == (expected is None)
    assert found is None or [json.loads(each) for each in found] == expected


@settings(max_examples=200, deadline=None)
@given(GOOD, st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_unknown_fields_never_sink_a_reading(good: dict[str, Any], unknown: dict[str, Any]) -> None:
    unknown = {name: value for name, value in unknown.items() if name not in {*good, "seq", "status"}}
    found = one(json.dumps({**unknown, **good}).encode())
    assert isinstance(found, Reading)
    assert found.values[2] == good["power_kw"]
    assert (found.extra is None) == (not unknown)


@given(st.timedeltas(timedelta(days=-399), timedelta(seconds=300)), st.integers(-14 * 60, 14 * 60))
def test_time_is_kept_to_the_microsecond(ago: timedelta, zone: int) -> None:
    time = NOW + ago
    local = (time + timedelta(minutes=zone)).replace(tzinfo=None)
    sign = "-" if zone < 0 else "+"
    ts = f"{local.isoformat()}{sign}{abs(zone) // 60:02}:{abs(zone) % 60:02}"
    assert reading({"ts": ts, "power_kw": 1}).time == time


NUMBERS = (
    st.sampled_from(
        [
            "0",
            "-0",
            "-0.0",
            "1e3",
            "1E-400",
            "1e400",
            "01",
            "1.",
            ".5",
            "+1",
            "9" * 25,
            "9" * 400,
            "5.0",
            "NaN",
            "true",
        ]
    )
    | st.floats(allow_nan=False).map(repr)
    | st.decimals(-1e15, 1e15, allow_nan=False).map(str)
)
VALUES = NUMBERS | st.sampled_from(
    ["null", "false", '"3"', "[]", "{}", '"valid"', '"fault"', '"x"', f'"{TS}"']
)
MEMBERS = st.tuples(st.sampled_from(["power_kw", "voltage_v", "power_factor", "seq", "status", "ts"]), VALUES)
BLANKS = st.sampled_from(["", " ", "\n\t "])


@settings(max_examples=400, deadline=None)
@given(st.lists(MEMBERS, max_size=5), BLANKS, st.booleans())
def test_both_wire_models_say_the_same(members: list[tuple[str, str]], blank: str, as_array: bool) -> None:
    """An unknown field leads past the narrow model."""
    members = [("ts", f'"{TS}"'), *members]
    text = f"{blank},".join(f'"{name}"{blank}:{blank}{value}' for name, value in members)
    opening, closing = ("[{", "}]") if as_array else ("{", "}")
    narrow = one(f"{blank}{opening}{text}{closing}{blank}".encode())
    whole = one(f'{opening}{text},"unknown":0{closing}'.encode())
    if isinstance(narrow, Rejection):
        assert isinstance(whole, Rejection)
        assert whole.reason == narrow.reason
    else:
        assert isinstance(whole, Reading)
        assert whole == narrow._replace(extra='{"unknown":0}')


STAMPS = st.from_regex(RFC3339, fullmatch=True) | st.builds(
    lambda time, zone, at, other: (
        f"{time.isoformat()}{zone}"[:at] + other + f"{time.isoformat()}{zone}"[at + 1 :]
    ),
    st.datetimes(),
    st.sampled_from(
        ["Z", "z", "+00:00", "-05:30", "+08:00", "+0800", "+08", "+08:60", "+08:00:00", "", "+24:00"]
    ),
    st.integers(0, 32),
    st.sampled_from(["", "0", "7", ":", "-", ".", ",", "T", "t", " ", "Z", "W", "٣"]),
)


@settings(max_examples=500, deadline=None)
@given(STAMPS)
@example("2026-W09-7T08:00:00Z")
@example("20260301T080000Z0000")
@example("2026-03-01T08:00:00,5Z")
@example("2026-03-01T08:00:00+08:00:00")
def test_instants_are_those_of_rfc_3339(text: str) -> None:
    found = instant(text)
    if re.fullmatch(RFC3339, text) is None:
        assert found is None
        return
    zone = "Z" if text[-1] in "zZ" else text[-6:]
    head, fraction = text[:19].upper(), text[19 : -len(zone)]
    try:
        second = datetime.fromisoformat(head + zone)
        expected = second + timedelta(microseconds=floor(Fraction(f"0{fraction}") * 10**6 + Fraction(1, 2)))
    except (ValueError, OverflowError):
        expected = None  # no such day, or a leap second
    assert found == expected
