"""Decoding: every payload ends in the outcome the contract names for it, and nothing raises."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from services.domain.outcome import Reason
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.ingest.beside import DROPPED_EXTRA
from services.ingest.decode import Decoder
from services.ingest.json_text import elements
from services.ingest.message import (
    MAX_PAYLOAD_BYTES,
    Cut,
    Message,
    Received,
    Rejected,
    Rejection,
    StateUnit,
)
from tests.ingest.decoding import (
    BELT,
    CEMS,
    LIMITS,
    METER,
    NOW,
    TS,
    content_of,
    one,
    reading,
    rejection,
    units,
)


def test_reading_has_all_that_was_sent() -> None:
    found = reading({"ts": "2026-03-01T19:59:30.1234567+08:00", "seq": 7, "power_kw": 3, "voltage_v": None})
    assert found.device == DeviceKey("site", Kind.METER, "m1")
    assert found.time == datetime(2026, 3, 1, 11, 59, 30, 123457, tzinfo=UTC)
    assert found.time.tzinfo is UTC
    assert found.seq == 7
    assert dict(zip(NAMES[Kind.METER], found.values, strict=True)) == {
        **dict.fromkeys(NAMES[Kind.METER]),
        "power_kw": 3.0,
    }
    assert (found.status, found.quantity_status, found.extra) == (0, None, None)


def test_boolean_quantity() -> None:
    assert reading({"ts": TS, "running": False}, BELT).values[-1] is False
    assert rejection({"ts": TS, "running": 1}, BELT).reason is Reason.BAD_FIELD
    assert rejection({"ts": TS, "mass_t": True}, BELT).reason is Reason.BAD_FIELD


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"nonsense", Reason.NOT_JSON),
        (b'{"ts":', Reason.NOT_JSON),
        (b'[{"ts":1},', Reason.NOT_JSON),
        (b'\xff{"ts":1}', Reason.NOT_JSON),
        (b"\xef\xbb\xbf{}", Reason.NOT_JSON),
        (b"[" * 100_000, Reason.NOT_JSON),
        (b'{"a":' * 50_000, Reason.NOT_JSON),
        (b"[" * 500 + b"]" * 500, Reason.NOT_JSON),
        (b"42", Reason.BAD_FIELD),
        (b'"text"', Reason.BAD_FIELD),
        (b"null", Reason.BAD_FIELD),
        (b"true", Reason.BAD_FIELD),
        (b"[]", Reason.BAD_FIELD),
        (b"[" + b"0," * 1000 + b"0]", Reason.BAD_FIELD),
        (b"{}", Reason.BAD_TIMESTAMP),
        (b'{"ts":"2026-03-01T11:00:00Z","power_kw":NaN}', Reason.BAD_FIELD),
        (b'{"ts":"2026-03-01T11:00:00Z","power_kw":Infinity}', Reason.BAD_FIELD),
        (b'{"ts":"2026-03-01T11:00:00Z","power_kw":-Infinity}', Reason.BAD_FIELD),
        (b'{"ts":"2026-03-01T11:00:00Z","power_kw":1e400}', Reason.OUT_OF_RANGE),
        (b'{"ts":"2026-03-01T11:00:00Z","power_kw":' + b"9" * 5000 + b"}", Reason.OUT_OF_RANGE),
        (b'{"ts":"2026-03-01T11:00:00Z","power_kw":1,"power_kw":"x"}', Reason.BAD_FIELD),
    ],
)
def test_payloads_that_are_no_readings(payload: bytes, reason: Reason) -> None:
    assert rejection(payload).reason is reason


@pytest.mark.parametrize(
    ("fields", "reason", "says"),
    [
        ({"power_kw": 1}, Reason.BAD_TIMESTAMP, "ts is missing"),
        ({"ts": None, "power_kw": 1}, Reason.BAD_TIMESTAMP, "ts"),
        ({"ts": 1772366370, "power_kw": 1}, Reason.BAD_TIMESTAMP, "1772366370"),
        ({"ts": "1772366370", "power_kw": 1}, Reason.BAD_TIMESTAMP, "1772366370"),
        ({"ts": "2026-03-01T11:00:00", "power_kw": 1}, Reason.BAD_TIMESTAMP, "zone"),
        ({"ts": "2026-03-01", "power_kw": 1}, Reason.BAD_TIMESTAMP, "RFC 3339"),
        ({"ts": "2026-03-01T11:00Z", "power_kw": 1}, Reason.BAD_TIMESTAMP, "RFC 3339"),
        ({"ts": "2026-02-30T11:00:00Z", "power_kw": 1}, Reason.BAD_TIMESTAMP, "2026-02-30"),
        ({"ts": "2026-03-01T24:00:00Z", "power_kw": 1}, Reason.BAD_TIMESTAMP, "24:00"),
        ({"ts": "0000-03-01T11:00:00Z", "power_kw": 1}, Reason.BAD_TIMESTAMP, "0000"),
        ({"ts": "２026-03-01T11:00:00Z", "power_kw": 1}, Reason.BAD_TIMESTAMP, "ts"),
        ({"ts": TS}, Reason.NO_QUANTITY, "power_kw"),
        ({"ts": TS, "power_kw": None, "status": "fault"}, Reason.NO_QUANTITY, "power_kw"),
        ({"ts": TS, "unknown": 3}, Reason.NO_QUANTITY, "power_kw"),
        ({"ts": TS, "power_kw": "3"}, Reason.BAD_FIELD, "power_kw"),
        ({"ts": TS, "power_kw": True}, Reason.BAD_FIELD, "true"),
        ({"ts": TS, "power_kw": [3]}, Reason.BAD_FIELD, "an array"),
        ({"ts": TS, "power_kw": 1, "seq": 2**63}, Reason.BAD_FIELD, "seq"),
        ({"ts": TS, "power_kw": 1, "seq": 1.0}, Reason.BAD_FIELD, "seq"),
        ({"ts": TS, "power_kw": 1, "seq": True}, Reason.BAD_FIELD, "seq"),
        ({"ts": TS, "power_kw": 1, "status": "broken"}, Reason.BAD_FIELD, "broken"),
        ({"ts": TS, "power_kw": 1, "status": 3}, Reason.BAD_FIELD, "status"),
        ({"ts": TS, "power_kw": 1, "status": {"power_kw": "x"}}, Reason.BAD_FIELD, "status of power_kw"),
        ({"ts": TS, "energy_import_kwh": -1}, Reason.OUT_OF_RANGE, "energy_import_kwh"),
        ({"ts": TS, "power_factor": 1.0001}, Reason.OUT_OF_RANGE, "1.0001, outside -1 to 1: "),
        ({"ts": TS, "frequency_hz": -1}, Reason.OUT_OF_RANGE, "outside 0 to 1000 Hz: "),
        ({"ts": TS, "power_kw": 1e16}, Reason.OUT_OF_RANGE, "power_kw"),
        ({"ts": "2026-03-01T12:05:00.000001Z", "power_kw": 1}, Reason.FUTURE, "clock"),
        ({"ts": "9999-12-31T23:59:59-12:00", "power_kw": 1}, Reason.FUTURE, "clock"),
        ({"ts": "2025-01-25T11:59:59Z", "power_kw": 1}, Reason.TOO_OLD, "400 days"),
        ({"ts": "0001-01-01T00:00:00+14:00", "power_kw": 1}, Reason.TOO_OLD, "400 days"),
        ({"ts": "x", "power_kw": "3"}, Reason.BAD_FIELD, "power_kw"),
    ],
)
def test_readings_that_are_wrong(fields: dict[str, Any], reason: Reason, says: str) -> None:
    found = rejection(fields)
    assert found.reason is reason
    assert says in found.detail


@pytest.mark.parametrize(
    "ts",
    ["2026-03-01T12:05:00Z", "2025-01-25T12:00:00Z", "2026-03-01t11:00:00z", "2026-03-01 11:00:00.5-00:30"],
)
def test_timestamps_at_the_edge_are_stored(ts: str) -> None:
    assert reading({"ts": ts, "power_kw": 1}).time == datetime.fromisoformat(ts.upper())


def test_bounds_of_the_definition_are_inside() -> None:
    reading({"ts": TS, "co2_pct": 100, "moisture_pct": 0, "temperature_c": -273.15}, CEMS)
    assert rejection({"ts": TS, "co2_pct": 100.1}, CEMS).reason is Reason.OUT_OF_RANGE


STATUS_CASES: list[tuple[Any, int, str | None]] = [
    (None, 0, None),
    ("valid", 0, None),
    ("fault", STATUS_CODES[Status.FAULT], None),
    ({}, 0, None),
    ({"co2_pct": "valid"}, 0, None),
    ({"co2_pct": "fault", "o2_pct": "fault"}, STATUS_CODES[Status.FAULT], None),
    ({"o2_pct": "calibration"}, 0, '{"o2_pct":"calibration"}'),
    ({"co2_pct": "fault", "o2_pct": "calibration"}, 0, '{"co2_pct":"fault","o2_pct":"calibration"}'),
    ({"velocity_m_s": "fault"}, 0, '{"velocity_m_s":"fault"}'),
    ({"co2_pct": None, "velocity_m_s": "valid"}, 0, None),
]


@pytest.mark.parametrize(("status", "code", "by_quantity"), STATUS_CASES)
def test_status_has_one_form(status: Any, code: int, by_quantity: str | None) -> None:
    found = reading({"ts": TS, "co2_pct": 12, "o2_pct": 6, "velocity_m_s": None, "status": status}, CEMS)
    assert (found.status, found.quantity_status) == (code, by_quantity)


def test_status_of_an_unknown_quantity_is_kept_beside() -> None:
    found = reading({"ts": TS, "co2_pct": 12, "status": {"hg_ug_m3": "odd"}}, CEMS)
    assert (found.status, found.quantity_status) == (0, None)
    assert found.extra == '{"status":{"hg_ug_m3":"odd"}}'


def test_unknown_fields_are_kept() -> None:
    found = reading({"ts": TS, "power_kw": 1, "fw": "1.2", "nested": {"a": [1, None]}, "big": 10**40})
    assert found.extra is not None
    assert json.loads(found.extra) == {"fw": "1.2", "nested": {"a": [1, None]}, "big": 10**40}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b'"x":NaN', {"x": "NaN"}),
        (b'"x":[-Infinity]', {"x": ["-Infinity"]}),
        (b'"x":1e999', {"x": "Infinity"}),
        (b'"x":' + b"9" * 5000, {"x": "Infinity"}),
        (b'"x":"\\ud800y"', {"x": "�y"}),
        (b'"\\ud83d\\ude00":1', {"😀": 1}),
        (b'"x":"\\u0000"', {"x": "\0"}),
    ],
)
def test_odd_unknown_fields_do_not_sink_a_reading(text: bytes, kept: dict[str, Any]) -> None:
    found = one(b'{"ts":"2026-03-01T11:00:00Z","power_kw":1,' + text + b"}")
    assert isinstance(found, Reading)
    assert found.values[2] == 1.0
    assert found.extra is not None
    assert json.loads(found.extra) == kept


def test_too_many_unknown_fields_are_dropped_and_the_reading_stored() -> None:
    found = reading({"ts": TS, "power_kw": 1, "blob": "x" * 5000})
    assert found.extra is not None
    assert found.extra.startswith(DROPPED_EXTRA)
    assert json.loads(found.extra) == {"carbonflow_dropped_bytes": 5011}


def test_a_bad_element_does_not_touch_the_others() -> None:
    texts = [
        b'{"ts":"2026-03-01T11:00:00Z","power_kw":1}',
        b'{"ts":"2026-03-01T11:00:30Z","power_kw":"2"}',
        b"7",
        b'{"ts":"2026-03-01T11:01:00Z","power_kw":3,"note":"],[\\"\\ud800"}',
        b'{"power_kw":4}',
        b'{"ts":"2020-03-01T11:00:00Z","power_kw":5}',
    ]
    found = units(b" [" + b" , ".join(texts) + b"]")
    assert [unit.position for unit in found] == [0, 1, 2, 3, 4, 5]
    reasons = [unit.rejection.reason if isinstance(unit, Rejected) else None for unit in found]
    assert reasons == [
        None, Reason.BAD_FIELD, Reason.BAD_FIELD, None, Reason.BAD_TIMESTAMP, Reason.TOO_OLD
    ]  # fmt: skip
    assert isinstance(found[1], Rejected)
    assert found[1].rejection.detail.startswith("Element 1: power_kw is the string")
    assert elements(found[0].message.payload) == texts


def nested(levels: int) -> bytes:
    return b'{"ts":"2026-03-01T11:02:00Z","power_kw":2,"x":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize("levels", [201, 500, 5000])
def test_a_reading_that_nests_too_deep_is_rejected_alone(levels: int) -> None:
    good = b'{"ts":"2026-03-01T11:00:00Z","power_kw":1,"note":"[[\\"{"}'
    found = units(b" [" + b",".join([good, nested(levels), good, b"7"]) + b"]\n")
    assert [isinstance(unit, Received) for unit in found] == [True, False, True, False]
    assert content_of(found[1]) == Rejection(
        Reason.NOT_JSON,
        "Element 1: It nests deeper than 200 levels and cannot be read: send flat fields.",
    )
    assert elements(found[0].message.payload)[1] == nested(levels)
    assert "nests deeper than 200 levels" in rejection(nested(levels)).detail


def test_a_reading_that_nests_as_deep_as_is_taken() -> None:
    for found in units(b"[" + nested(199) + b"," + nested(5000) + b"," + nested(198) + b"]")[::2]:
        assert isinstance(found, Received)


@pytest.mark.parametrize("broken", ["{},", "{}]", "{} {}", "{]", '{"a', "\x0c{}", "{}],[{}", "[[}]", "nul"])
def test_what_is_no_json_beside_what_is_too_deep_stays_whole(broken: str) -> None:
    found = rejection(b"[" + nested(5000) + b"," + broken.encode() + b"]")
    assert found.reason is Reason.NOT_JSON


def test_quotes_without_end_take_no_time_to_refuse() -> None:
    began = time.process_time()
    assert rejection(b"[" + b'\\"' * 120_000).reason is Reason.NOT_JSON
    assert rejection(b'["' + b'\\"' * 120_000).reason is Reason.NOT_JSON
    assert time.process_time() - began < 5


@pytest.mark.parametrize("more", ["", ',"note":1'])
def test_an_element_out_of_time_is_named(more: str) -> None:
    readings = [
        f'{{"ts":"{ts}","power_kw":1{more}}}' for ts in (TS, "2020-03-01T11:00:00Z", "2026-03-02T00:00:00Z")
    ]
    found = units(f"[{','.join(readings)}]".encode())
    details = [unit.rejection.detail for unit in found if isinstance(unit, Rejected)]
    assert [detail[:13] for detail in details] == ["Element 1: ts", "Element 2: ts"]


def test_an_array_of_a_thousand_is_taken_and_duplicates_stay_units() -> None:
    text = json.dumps([{"ts": TS, "power_kw": 1}] * 1000).encode()
    found = units(text)
    assert len(found) == 1000
    assert all(isinstance(unit, Received) for unit in found)


def test_too_large() -> None:
    text = b'{"ts":"2026-03-01T11:00:00Z","power_kw":1,"x":"' + b"x" * MAX_PAYLOAD_BYTES + b'"}'
    assert rejection(text).reason is Reason.TOO_LARGE
    (unit,) = units(text[:4096], cut=Cut(len(text), b"hash"))
    assert isinstance(unit, Rejected)
    assert unit.rejection.reason is Reason.TOO_LARGE
    assert str(len(text)) in unit.rejection.detail


@pytest.mark.parametrize(
    "topic",
    [
        "telemetry/v1",
        "telemetry/v1/site/meter",
        "telemetry/v1/site/meter/m1/other",
        "telemetry/v1/site/meter/m1/state/x",
        "telemetry/v1/Site/meter/m1",
        "telemetry/v1/site/meter/m1é",
        "telemetry/v1/site/pump/m1",
        "telemetry/v1/site/meter/" + "a" * 64,
        "telemetry/v1//meter/m1",
        "telemetry/v1/site/meter/-a",
        "telemetry/v1/site/meter/a\n",
        "telemetry/v1/site\0/meter/a",
        "telemetry/v1/Site/meter/m1/state",
    ],
)
def test_bad_topics(topic: str) -> None:
    assert rejection({"ts": TS, "power_kw": 1}, topic).reason is Reason.BAD_TOPIC


def test_state_and_result_are_not_readings() -> None:
    decoder = Decoder(LIMITS)
    (state,) = decoder.decode(Message(METER + "/state", b"offline", 1, NOW))
    assert isinstance(state, StateUnit)
    assert state.change.state == "offline"
    assert not decoder.decode(Message(METER + "/state", b"", 1, NOW))
    assert not decoder.decode(Message(METER + "/result", b"{}", 1, NOW))


@pytest.mark.parametrize("payload", [b"asleep", b"ONLINE", b'"online"', b" online", b"\xff\x1b[2J", b"{}"])
def test_other_states_are_rejected(payload: bytes) -> None:
    found = rejection(payload, METER + "/state")
    assert found.reason is Reason.BAD_FIELD
    assert "online or offline" in found.detail


def test_too_large_states() -> None:
    assert rejection(b"x" * (MAX_PAYLOAD_BYTES + 1), METER + "/state").reason is Reason.TOO_LARGE
    (unit,) = units(b"x" * 4096, METER + "/state", Cut(MAX_PAYLOAD_BYTES * 2, b"hash"))
    assert isinstance(unit, Rejected)
    assert unit.rejection.reason is Reason.TOO_LARGE


# Properties.
