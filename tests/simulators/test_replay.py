"""Replay of files: times, units, registers, errors by line, and the real readings at a real broker."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.errors import ConfigError
from simulators.payload import rfc3339
from simulators.replay.columns import Column
from simulators.replay.run import Replay, ReplayConfig, ReplayError, ReplayReport
from simulators.replay.stamps import StampError, StampReader, zone
from simulators.replay.table import BadRow, Row, Table, TableFormat
from simulators.spec import DeviceId

PARIS = zone("Europe/Paris")
DEVICE = DeviceId("t-replay", "meter", "house")
# 68 degF and 29.92 inHg to 0 degC and 101.325 kPa.
SCF_TO_NM3 = "0.028316846592*273.15/293.15"


@pytest.mark.parametrize(
    ("text", "column", "scale"),
    [
        ("power_kw=P", "P", 1.0),
        ("power_kw = Active power (W) * 0.001", "Active power (W)", 0.001),
        ("energy_import_kwh=P/60", "P", 1 / 60),
        (f"flow_wet_nm3_h=q*{SCF_TO_NM3}", "q", 0.028316846592 * 273.15 / 293.15),
        ("temperature_c=t*-1e0", "t", -1.0),
    ],
)
def test_mappings(text: str, column: str, scale: float) -> None:
    parsed = Column.parse(text)
    assert (parsed.column, parsed.accumulate) == (column, False)
    assert parsed.scale == pytest.approx(scale, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["power_kw", "=P", "power_kw=", "a=b*c", "a=b/0", "a=b*0", "a=b*inf", "a=b**2"]
)
def test_mappings_that_make_no_sense(text: str) -> None:
    with pytest.raises(ConfigError):
        Column.parse(text)


def read(*stamps: str, **options: Any) -> list[str]:
    reader = StampReader(**options)
    return [rfc3339(reader.read(stamp)) for stamp in stamps]


def test_stamps() -> None:
    assert read("2007-02-01 00:00:00", zone=PARIS) == ["2007-01-31T23:00:00Z"]
    assert read("2007-07-01T00:00:00", zone=PARIS) == ["2007-06-30T22:00:00Z"]
    assert read("2007-07-01T00:00:00+08:00") == ["2007-06-30T16:00:00Z"]
    assert read("2021-10-18 15", format="%Y-%m-%d %H", zone=zone("Etc/GMT+5")) == ["2021-10-18T20:00:00Z"]
    assert read("1/2/2007 3:04", format="%d/%m/%Y %H:%M", zone=zone("UTC")) == ["2007-02-01T03:04:00Z"]
    assert read("2007-02-01T00:00Z", offset=timedelta(hours=1)) == ["2007-02-01T01:00:00Z"]


def test_a_time_that_happens_twice_is_taken_in_order() -> None:
    stamps = ("2026-10-25 01:30", "2026-10-25 02:30", "2026-10-25 02:30", "2026-10-25 03:30")
    reader = StampReader(zone=PARIS)
    instants = [reader.read(stamp) for stamp in stamps]
    assert [b - a for a, b in pairwise(instants)] == [timedelta(hours=1)] * 3
    assert reader.ambiguous == 2


def test_a_time_that_never_was_is_no_time() -> None:
    with pytest.raises(StampError, match="does not exist in Europe/Paris"):
        read("2026-03-29 02:30", zone=PARIS)


def test_times_must_go_on() -> None:
    with pytest.raises(StampError, match="not later"):
        read("2026-03-01 02:30", "2026-03-01 02:30", zone=PARIS)
    with pytest.raises(StampError, match="not a time"):
        read("yesterday", zone=PARIS)
    with pytest.raises(ConfigError, match="no zone"):
        read("2026-03-01 02:30")
    with pytest.raises(ConfigError, match="No time zone is called"):
        zone("Paris/Europe")


@given(st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-01-01")))
@settings(max_examples=80)
def test_local_times_come_back(stamp: datetime) -> None:
    try:
        instant = StampReader(zone=PARIS).read(stamp.isoformat())
    except StampError:
        assert stamp.date() == date(2026, 3, 29)
    else:
        assert instant.astimezone(PARIS).replace(tzinfo=None) == stamp


def table(tmp_path: Path, text: str, *columns: Column, **options: Any) -> Table:
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    form = TableFormat(columns, options.pop("times", ("t",)), zone=zone("UTC"), **options)
    return Table(path, form)


def test_rows_and_registers(tmp_path: Path) -> None:
    text = "t;p;v\n2026-01-01 00:00;6;230\n2026-01-01 00:01;?;\n2026-01-01 00:02;3;231.5\n"
    power = Column("power_kw", "p", 1.0)
    volts = Column("voltage_v", "v", 1.0)
    energy = Column.parse("energy_import_kwh=p/60", accumulate=True)
    rows = list(table(tmp_path, text, power, volts, energy, register_start=10.0).rows())
    assert [row.values for row in rows if isinstance(row, Row)] == [
        {"power_kw": 6.0, "voltage_v": 230.0, "energy_import_kwh": 10.1},
        {},
        {"power_kw": 3.0, "voltage_v": 231.5, "energy_import_kwh": 10.15},
    ]
    survey = table(tmp_path, text, power, volts, energy).survey()
    assert (survey.rows, survey.readings, survey.empty_rows, survey.missing_values) == (3, 2, 1, 3)
    assert survey.registers == {"energy_import_kwh": pytest.approx(0.15)}


def test_every_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    rows = ("2026-01-01 00:00,1", "2026-01-01 00:01,x", "2026-13-01 00:02,1", "2026-01-01 00:00,1")
    text = "\n".join(("t,p", *rows, "2026-01-01 01:00"))
    data = table(tmp_path, text, Column("power_kw", "p", 1.0))
    bad = [row for row in data.rows() if isinstance(row, BadRow)]
    assert [row.line for row in bad] == [3, 4, 5]
    with pytest.raises(ReplayError, match=rf"{data.path}:3: p is 'x', not a number\n.*:4: .*\n.*:5: "):
        Replay(data, ReplayConfig("mqtt://localhost", DEVICE)).prepare()
    report = Replay(data, ReplayConfig("mqtt://localhost", DEVICE, skip_bad=True)).prepare()
    assert report.readings == 1
    assert report.as_json()["bad_rows"] == 3


def test_of_very_many_bad_rows_some_are_named(tmp_path: Path) -> None:
    data = table(tmp_path, "t,p\n" + "never,1\n" * 500, Column("power_kw", "p", 1.0))
    with pytest.raises(ReplayError) as failure:
        Replay(data, ReplayConfig("mqtt://localhost", DEVICE)).prepare()
    assert len(str(failure.value).splitlines()) == 21
    assert str(failure.value).endswith("and 480 more")


def test_what_is_wrong_with_the_file_is_said(tmp_path: Path) -> None:
    power = Column("power_kw", "p", 1.0)
    for columns, message in (
        ((Column("power_kw", "q", 1.0),), "no column 'q'; it has t, p"),
        ((power, power), "mapped twice"),
        ((), "Nothing is mapped"),
    ):
        with pytest.raises(ConfigError, match=message):
            table(tmp_path, "t,p\n", *columns).survey()
    with pytest.raises(ReplayError, match="holds no readings"):
        Replay(table(tmp_path, "t,p\n", power), ReplayConfig("mqtt://localhost", DEVICE)).prepare()
    with pytest.raises(ConfigError, match="cannot be read"):
        Table(tmp_path / "none.csv", TableFormat((power,), ("t",))).survey()


def test_nothing_is_sent_from_the_future(tmp_path: Path) -> None:
    data = table(tmp_path, "t,p\n2106-01-01 00:00,1\n2106-01-01 00:01,2\n", Column("power_kw", "p", 1.0))
    with pytest.raises(ConfigError, match="shift it to now"):
        Replay(data, ReplayConfig("mqtt://localhost", DEVICE)).prepare()
    now = datetime.now(UTC)
    report = Replay(data, ReplayConfig("mqtt://localhost", DEVICE, shift_to=now)).prepare()
    assert (report.first, report.last) == (now - timedelta(minutes=1), now)


def uci(folder: Path) -> Table:
    columns = (
        Column.parse("power_kw=Global_active_power"),
        Column.parse("voltage_v=Voltage"),
        Column.parse("energy_import_kwh=Global_active_power/60", accumulate=True),
    )
    return Table(
        folder / "uci_household_power_2007-02-01_02.txt",
        # The averages' stamps are taken for the begins of their minutes.
        TableFormat(columns, ("Date",), zone=PARIS, offset=timedelta(minutes=1)),
    )


def epa(folder: Path) -> Table:
    """Hours are named by their begin, in local standard time all year (no hour is missing or twice in
    November): the plant is taken for one in New Hampshire, UTC-5. Stamps become the ends of the hours."""
    return Table(
        folder / "epa_orispl58054_stack_flow_2021q4.csv",
        TableFormat(
            (Column.parse(f"flow_wet_nm3_h=adjusted_scfh*{SCF_TO_NM3}"),),
            ("date", "hour"),
            time_format="%Y-%m-%d %H",
            zone=zone("Etc/GMT+5"),
            offset=timedelta(hours=1),
        ),
    )


def publish(data: Table, config: ReplayConfig) -> ReplayReport:
    return asyncio.run(Replay(data, config).run())


def test_the_household_arrives_whole(
    real_data: Path, listen: Callable[[str], Any], operator_url: str, site_id: str
) -> None:
    device = DEVICE._replace(site=site_id)
    heard = listen(device.topic)
    end = datetime(2026, 11, 1, tzinfo=UTC)
    report = publish(uci(real_data), ReplayConfig(operator_url, device, shift_to=end, opening=True))
    assert report.readings == report.published == 2882
    heard.wait_for(lambda h: len(h.units()) == 2882)
    contents = [content for _, content in heard.units()]
    assert contents[0] == {"ts": rfc3339(end - timedelta(minutes=2881)), "energy_import_kwh": 0.0}
    assert contents[-1]["energy_import_kwh"] == pytest.approx(58.2685, abs=1e-9)
    assert contents[-1]["ts"] == "2026-11-01T00:00:00Z"
    assert sum(content["power_kw"] for content in contents[1:]) / 60.0 == pytest.approx(58.2685, abs=1e-9)
    assert report.survey.missing_values == 0


def test_the_stack_arrives_whole(
    real_data: Path, listen: Callable[[str], Any], operator_url: str, site_id: str
) -> None:
    device = DeviceId(site_id, "cems", "st01")
    heard = listen(device.topic)
    now = datetime.now(UTC).replace(microsecond=0)
    report = publish(epa(real_data), ReplayConfig(operator_url, device, shift_to=now))
    assert report.published == 1785
    heard.wait_for(lambda h: len(h.units()) == 1785)
    contents = [content for _, content in heard.units()]
    assert contents[-1]["ts"] == rfc3339(now)
    instants = [datetime.fromisoformat(content["ts"]) for content in contents]
    assert {b - a for a, b in pairwise(instants)} == {timedelta(hours=1)}
    assert instants[0] > now - timedelta(days=400)
    with (real_data / "epa_orispl58054_stack_flow_2021q4.csv").open() as file:
        scf = sum(float(row["adjusted_scfh"]) for row in csv.DictReader(file))
    assert sum(content["flow_wet_nm3_h"] for content in contents) == pytest.approx(
        scf * 0.026384945, rel=1e-8
    )


def test_pacing_follows_the_distance_of_the_readings(
    tmp_path: Path, listen: Callable[[str], Any], operator_url: str, site_id: str, manual_clock: Any
) -> None:
    device = DEVICE._replace(site=site_id)
    heard = listen(device.topic)
    text = "t,p\n" + "".join(f"2026-01-01 00:0{i},{i}\n" for i in (0, 1, 3, 7))
    data = table(tmp_path, text, Column("power_kw", "p", 1.0))
    clock = manual_clock(1.8e9, 1.9e9)
    config = ReplayConfig(operator_url, device, speed=60.0)
    report = asyncio.run(Replay(data, config, clock).run())
    assert report.published == 4
    assert [instant - 1.8e9 for instant in clock.seen] == [0.0, 1.0, 3.0, 7.0]
    heard.wait_for(lambda h: len(h.messages) == 4)
    assert [json.loads(payload)["power_kw"] for _, payload in heard.payloads()] == [0, 1, 3, 7]


def test_a_dry_run_publishes_nothing(tmp_path: Path) -> None:
    data = table(tmp_path, "t,p\n2026-01-01 00:00,1\n", Column("power_kw", "p", 1.0))
    report = publish(data, ReplayConfig("mqtt://127.0.0.1:1", DEVICE, dry_run=True))
    assert (report.readings, report.published) == (1, 0)
    assert report.as_json()["first"] == "2026-01-01T00:00:00Z"


def test_an_opening_needs_a_register_and_a_distance(tmp_path: Path) -> None:
    energy = Column.parse("energy_import_kwh=p", accumulate=True)
    config = ReplayConfig("mqtt://localhost", DEVICE, opening=True)
    for columns, rows in (((Column("power_kw", "p", 1.0),), 2), ((energy,), 1)):
        text = "t,p\n" + "".join(f"2026-01-01 00:0{i},1\n" for i in range(rows))
        with pytest.raises(ConfigError, match="opening"):
            Replay(table(tmp_path, text, *columns), config).prepare()
