"""The published JSON Schemas: as generated, and one with the decoder about what a reading looks like."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from services.cli.main import app
from services.domain.outcome import Reason
from services.domain.quantities import NAMES, QUANTITIES, Kind, Quantity, Status
from services.ingest import wire
from services.ingest.decode import Decoder
from services.ingest.json_schema import FOLDER, TS_PATTERN, documents, payload_schema
from services.ingest.message import Limits, Message, Rejected

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(too_old_s=400 * 86_400, future_s=300)
OF_ITS_FORM = {
    Reason.NOT_JSON,
    Reason.BAD_FIELD,
    Reason.BAD_TIMESTAMP,
    Reason.NO_QUANTITY,
    Reason.OUT_OF_RANGE,
    Reason.TOO_LARGE,
}
SCHEMAS = {kind: payload_schema(kind) for kind in Kind}
VALIDATORS = {kind: Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}


def refused(kind: Kind, payload: Any) -> set[Reason]:
    """Why the decoder refuses elements of a payload for their form; empty where it takes all."""
    text = json.dumps(payload).encode()
    units = Decoder(LIMITS).decode(Message(f"telemetry/v1/site/{kind}/d1", text, 1, NOW))
    return {unit.rejection.reason for unit in units if isinstance(unit, Rejected)} & OF_ITS_FORM


def agree(kind: Kind, payload: Any) -> bool:
    """Whether both say the same of a payload."""
    return VALIDATORS[kind].is_valid(payload) == (not refused(kind, payload))


def test_the_files_are_those_of_the_definition() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == documents()


@pytest.mark.parametrize("kind", Kind)
def test_it_is_a_schema_with_every_quantity_and_its_unit(kind: Kind) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    properties = SCHEMAS[kind]["$defs"]["reading"]["properties"]
    assert list(properties) == [*wire.FIXED_FIELDS, *NAMES[kind]]
    for quantity in QUANTITIES[kind]:
        said = properties[quantity.name]
        assert said["description"] == quantity.description
        assert said["x-register"] is quantity.register
        assert said.get("x-unit") == (None if quantity.boolean else quantity.unit)
        assert (said.get("minimum"), said.get("maximum")) == (quantity.minimum, quantity.maximum)


@pytest.mark.parametrize("kind", Kind)
def test_the_command_prints_it(kind: Kind) -> None:
    for arguments in (["schema", kind], ["schema", kind, "--json"]):
        done = CliRunner().invoke(app, [str(each) for each in arguments])
        assert done.exit_code == 0
        assert json.loads(done.output) == SCHEMAS[kind]


KINDS = st.sampled_from(list(Kind))
TIMES = st.sampled_from(
    ["2026-03-01T11:59:30Z", "2026-03-01t19:59:30.123456789+08:00", "2026-02-28 23:00:00z"]
)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(["valid", "2026-03-01T11:59:30", "12.5", 10**400, -(10**30)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.sampled_from([*map(str, Status), "Valid", ""])


def near(quantity: Quantity) -> st.SearchStrategy[Any]:
    """Values that a quantity may have, and those beside."""
    if quantity.boolean:
        return st.booleans() | st.none() | st.sampled_from([0, 1, "true"])
    assert quantity.minimum is not None
    assert quantity.maximum is not None
    low, high = quantity.minimum, quantity.maximum
    edges = st.sampled_from([low, high, low - 1, high * 2, low * 2 - 1])
    return st.floats(low, high) | st.integers(int(low), int(high)) | edges | st.none()


@st.composite
def reading(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    """Nearly a reading: each field is most often right."""
    found: dict[str, Any] = {"ts": draw(TIMES)}
    for quantity in draw(st.lists(st.sampled_from(QUANTITIES[kind]), max_size=3, unique=True)):
        found[quantity.name] = draw(near(quantity))
    by_quantity = st.dictionaries(st.sampled_from([*NAMES[kind], "odd"]), WORDS | st.none(), max_size=2)
    if draw(st.booleans()):
        found["status"] = draw(WORDS | by_quantity | st.none())
    if draw(st.booleans()):
        found["seq"] = draw(st.integers(-(2**64), 2**64) | st.none())
    if draw(st.integers(0, 3)) == 0:
        found[draw(st.sampled_from([*found, *NAMES[kind], "fw"]))] = draw(JUNK)
    return found


def has_a_whole_float(payload: Any) -> bool:
    """A seq such as 1.0: an integer to JSON Schema, and none to the decoder."""
    elements = payload if isinstance(payload, list) else [payload]
    return any(isinstance(each, dict) and isinstance(each.get("seq"), float) for each in elements)


@settings(max_examples=400, deadline=None)
@given(st.data(), KINDS)
def test_schema_and_decoder_say_the_same_of_a_reading(data: st.DataObject, kind: Kind) -> None:
    payload = data.draw(reading(kind) | JUNK)
    assume(not has_a_whole_float(payload))
    assert agree(kind, payload)


@settings(max_examples=100, deadline=None)
@given(st.data(), KINDS)
def test_and_of_an_array(data: st.DataObject, kind: Kind) -> None:
    payload = data.draw(st.lists(reading(kind) | JUNK, max_size=4))
    assume(not has_a_whole_float(payload))
    assert agree(kind, payload)


@pytest.mark.parametrize("length", [0, 1, 1000, 1001])
def test_the_length_of_an_array(length: int) -> None:
    payload = [{"ts": "2026-03-01T11:59:30Z", "power_kw": 1}] * length
    assert VALIDATORS[Kind.METER].is_valid(payload) is (1 <= length <= 1000)
    assert agree(Kind.METER, payload)


STAMPS = st.builds(
    lambda time, zone, at, other: (time.isoformat()[:at] + other + time.isoformat()[at + 1 :])[:40] + zone,
    st.datetimes(),
    st.sampled_from(["Z", "z", "+00:00", "-05:30", "+08:00", "+0800", "+08", "+08:60", "", "+24:00"]),
    st.integers(0, 30),
    st.sampled_from(["", "0", "9", "2", "T", " ", ",", ".", "-", ":", "W"]),
)


@settings(max_examples=400, deadline=None)
@given(st.from_regex(TS_PATTERN, fullmatch=True) | STAMPS)
@example("0000-01-01T00:00:00Z")
@example("2026-04-31T00:00:00Z")
@example("2026-12-31T23:59:60Z")
@example("2026-12-31T24:00:00Z")
@example("2026-12-31T23:00:00.Z")
@example("2026-12-31T23:00:00.+08:00")
@example("2026-12-31T23:00:00.000001TZ")
@example("2026-12-31T23:00:00.0000010x+08:00")
def test_and_of_a_timestamp(ts: str) -> None:
    assume(ts.isascii() and not ts.endswith("\n"))  # to Python `$` is before a last newline, too
    if ts[4:10] == "-02-29":
        return  # whether a year has one is left to the decoder
    assert agree(Kind.METER, {"ts": ts, "power_kw": 1})


def test_29_february_is_left_to_the_decoder() -> None:
    for year, reasons in ((2024, set()), (2025, {Reason.BAD_TIMESTAMP})):
        payload = {"ts": f"{year}-02-29T00:00:00Z", "power_kw": 1}
        assert VALIDATORS[Kind.METER].is_valid(payload)
        assert refused(Kind.METER, payload) == reasons


def test_time_is_no_matter_of_form() -> None:
    for ago in (timedelta(days=500), timedelta(days=-1)):
        payload = {"ts": (NOW - ago).isoformat(), "power_kw": 1}
        assert VALIDATORS[Kind.METER].is_valid(payload)
        assert not refused(Kind.METER, payload)
