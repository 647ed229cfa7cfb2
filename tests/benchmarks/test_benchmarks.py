"""The benchmarks measure what they say: their load is valid, their floors are judged, all of them run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.domain.registry.parse import parse
from services.ingest.decode import Decoder
from services.ingest.message import Limits, Message, Received
from tests.benchmarks import ledger
from tests.benchmarks.generator import Load, payload, share
from tests.benchmarks.publisher import Frames, frame
from tests.benchmarks.results import Sample, Target, cells, result
from tests.benchmarks.traffic import Fleet, instant, reading, registry_document

ROOT = Path(__file__).resolve().parents[2]
FLEET = Fleet(devices=400, sites=20)
NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
# So small that the figures say nothing; all that is measured is.
TINY: dict[str, Any] = {
    "devices": 400, "sites": 20, "messages": 3_000, "arrays": 50, "array_devices": 40, "slow_messages": 1_000,
    "rows": 2_000, "batch": 1_000, "load_s": 1.0, "load_per_s": 200.0, "idle_probes": 2, "values": 2_000,
    "away_s": 8.0, "fresh_s": 1.0, "late_devices": 40, "late_arrays": 20, "explained": 6, "ledger_meters": 20,
    "ledger_hours": [2],
}  # fmt: skip


@pytest.mark.parametrize("device", [0, 40, 60, 80])
def test_readings_have_the_size_that_the_figures_are_stated_for(device: int) -> None:
    kind = FLEET.kind(device)
    for number in (1, 1000):
        text = reading(kind, device, number, instant(NOON, number))
        assert 120 <= len(text) <= 200, kind


def test_readings_are_valid_and_in_order() -> None:
    decoder = Decoder(Limits(too_old_s=400 * 86_400, future_s=300))
    load = Load("", FLEET.devices, FLEET.sites, 0, NOON)
    times = []
    for number in range(7, 3 * FLEET.devices, FLEET.devices):
        message = Message(FLEET.topic(7), payload(load, number), 1, datetime(2026, 3, 2, tzinfo=UTC))
        [unit] = decoder.decode(message)
        assert isinstance(unit, Received)
        times.append(unit.reading.time)
    assert times == sorted(set(times))


def test_an_array_continues_where_the_last_one_ended() -> None:
    load = Load("", FLEET.devices, FLEET.sites, 0, NOON, array=3)
    first, second = (json.loads(payload(load, number)) for number in (5, 5 + FLEET.devices))
    assert [each["seq"] for each in first + second] == [0, 1, 2, 3, 4, 5]


def test_every_device_is_registered_with_a_source() -> None:
    registry = parse(json.dumps(registry_document(FLEET))).registry
    assert len(registry.sites) == FLEET.sites
    assert sum(len(site.devices) for site in registry.sites.values()) == FLEET.devices
    assert sum(len(site.sources) for site in registry.sites.values()) == FLEET.devices
    kinds = {FLEET.kind(device) for device in range(FLEET.devices)}
    assert kinds == {"meter", "flowmeter", "beltscale", "cems"}


@pytest.mark.parametrize("limit", [0, 1, 6, 7, 8, 400])
def test_the_connections_share_exactly_what_is_allowed(limit: int) -> None:
    shares = [share(limit, connection, 4) for connection in range(4)]
    assert sum(shares) == limit
    assert max(shares) - min(shares) <= 1


def test_frames_are_cut_at_messages() -> None:
    made = [frame("a/b", bytes([number]) * number, number) for number in range(5)]
    frames = Frames(made)
    assert len(frames) == 5
    assert bytes(frames.between(1, 4)) == b"".join(made[1:4])


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (None, None),
        (Target(20, 40), True),
        (Target(21, 40), False),
        (Target(0.5, 1, "ratio"), True),
        (Target(0.51, 1, "ratio"), False),
        (Target(20, 20, upper=True), True),
        (Target(19, 19, upper=True), False),
    ],
)
def test_a_floor_is_judged_by_the_medians(target: Target | None, met: bool | None) -> None:
    samples = [Sample(10, 100), Sample(20, 40), Sample(1000, 1000)]
    found = result("name", "unit", samples, target, "other")
    assert (found.value, found.reference_value, found.ratio) == (20, 100, 0.5)
    assert found.met is met
    assert cells(found)[-1] == {None: "", True: "yes", False: "NO"}[met]


def test_a_ratio_that_was_not_measured_meets_nothing() -> None:
    assert result("name", "unit", [Sample(1)], Target(0.1, 0.1, "ratio")).met is False


def test_the_ledger_is_named_by_how_much_it_computes() -> None:
    names = ("x1", "x1.cpu", "x16", "x16.core", "mixed")
    found = ledger.sum_up({name: [Sample(2e6)] for name in names})
    assert [(each.name, each.met) for each in found] == [
        ("ledger", True),
        ("ledger.cpu", None),
        ("ledger.x16", None),
        ("ledger.x16.core", None),
        ("ledger.mixed", None),
    ]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli.main", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)


def test_an_unknown_benchmark_is_named() -> None:
    done = run("nonsense")
    assert done.returncode == 1
    assert done.stderr == (
        "There is no benchmark nonsense: "
        "choose of pipeline, arrays, write, latency, idle, fresh, outage, paho, sql, ledger, formulas, "
        "explain, aiomqtt.\n"
    )


@pytest.mark.slow
def test_all_of_it_runs_and_is_written_as_the_contract_says(tmp_path: Path) -> None:
    output = tmp_path / "bench-results.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--repeats=1", f"--output={output}"]
    done = subprocess.run(
        [*command, f"--scale={json.dumps(TINY)}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    content = json.loads(output.read_text())
    assert content["machine"]["database_settings"]["fsync"] == "on"
    assert {"postgresql", "timescaledb", "mosquitto", "python", "mqtt5"} <= set(
        content["machine"]["versions"]
    )
    found = {each["name"]: each for each in content["results"]}
    wanted = (
        "ceiling",
        "pipeline",
        "arrays",
        "write.clean",
        "write.partials",
        "latency.p99",
        "latency.idle",
        "outage.rss",
        "outage.stall",
        "outage.catch_up",
        "formula.steam",
        "ledger",
        "ledger.mixed",
    )
    assert set(wanted) | {"reference.paho_copy", "reference.aiomqtt_executemany"} <= set(found)
    keys = {"name", "value", "unit", "reference", "reference_value", "ratio", "floor", "goal", "met"}
    assert all(keys <= set(each) and each["value"] >= 0 for each in content["results"])
    assert found["pipeline"]["reference"] == "ceiling"
    assert found["pipeline"]["floor"] == 30_000
