"""The commands `simulate` and `replay`, as they are called."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from services.cli.replay import replay
from services.cli.simulate import simulate
from simulators.errors import StateError
from simulators.replay.run import ReplayError

pytestmark = pytest.mark.usefixtures("no_states_left")


@pytest.fixture
def app() -> typer.Typer:
    """Both commands."""
    commands = typer.Typer()
    commands.command()(simulate)
    commands.command()(replay)
    return commands


def test_simulate_reports_what_it_did(
    app: typer.Typer, operator_url: str, site_id: str, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    arguments = ["simulate", "--mqtt-url", operator_url, "--sites", "plant", "--site-prefix", f"{site_id}-"]
    arguments += ["--for", "1s", "--backfill", "10m", "--state", str(tmp_path), "--journal", str(journal)]
    result = CliRunner().invoke(app, [*arguments, "--faults", "duplicate=0.2,nan=0.2", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["published"] == report["readings"] + report["duplicates"] + report["injected_bad"]
    assert report["bad_by_reason"] == {"bad_field": report["injected_bad"]}
    assert report["readings"] == pytest.approx(90, abs=6)
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert sum("ts" in entry for entry in entries) == report["readings"]
    assert sum("reason" in entry for entry in entries) == report["injected_bad"]
    # A second run goes on from there.
    again = CliRunner().invoke(app, [*arguments, "--seed", "9", "--json"])
    assert isinstance(again.exception, StateError)
    assert "seed 1, not 9" in str(again.exception)


def test_ctrl_c_ends_a_simulation_in_order(
    operator_url: str, site_id: str, listen: Callable[[str], Any]
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-campus/meter/main")
    arguments = ["simulate", "--mqtt-url", operator_url, "--sites", "campus", "--site-prefix", f"{site_id}-"]
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", *arguments, "--backfill", "5m", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        heard.wait_for(lambda h: len(h.units()) >= 10)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert json.loads(output)["unacknowledged"] == 0
    assert b"Traceback" not in errors


def test_simulate_writes_a_registry(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    result = CliRunner().invoke(app, ["simulate", "--devices", "30", "--registry", str(path)])
    assert result.exit_code == 0, result.output
    document = YAML(typ="safe").load(path.read_text())
    assert len(document["sites"]["gen-000"]["devices"]) == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--faults", "lightning"], "No fault is called 'lightning'"),
        (["--sites", "moon"], "No site is called 'moon'"),
        (["--mqtt-url", "http://x"], "mqtt://"),
        (["--registry", "x.yaml"], "--devices"),
    ],
)
def test_simulate_says_what_is_wrong(app: typer.Typer, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["simulate", "--mqtt-url", "mqtt://localhost", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def test_replay_publishes_a_file(app: typer.Typer, operator_url: str, site_id: str, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("day;hour;W\n2026-01-01;0;1500\n2026-01-01;1;?\n2026-01-01;2;500\n")
    arguments = ["replay", str(data), "--site", site_id, "--device", "d", "--kind", "meter"]
    arguments += ["--time", "day,hour", "--time-format", "%Y-%m-%d %H", "--timezone", "Asia/Shanghai"]
    arguments += ["--map", "power_kw=W*0.001", "--accumulate", "energy_import_kwh=W/1000"]
    result = CliRunner().invoke(app, [*arguments, "--mqtt-url", operator_url, "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["published"], report["empty_rows"], report["missing_values"]) == (2, 1, 2)
    assert (report["first"], report["last"]) == ("2025-12-31T16:00:00Z", "2025-12-31T18:00:00Z")
    assert report["registers"] == {"energy_import_kwh": 2.0}
    people = CliRunner().invoke(app, [*arguments, "--dry-run", "--shift-to", "2026-06-01T00:00:00Z"])
    assert "2 readings" in people.stdout
    assert "2026-06-01" in people.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "power_w=W"], "A meter has no quantity 'power_w'"),
        (["--accumulate", "power_kw=W"], "not a register"),
        (["--map", "power_kw=W", "--shift-to", "later"], "--shift-to"),
        (["--map", "power_kw=W", "--timezone", "Mars"], "No time zone"),
        (["--map", "power_kw=W"], "no zone"),
    ],
)
def test_replay_says_what_is_wrong(
    app: typer.Typer, tmp_path: Path, arguments: list[str], message: str
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("t,W\n2026-01-01 00:00,x\n")
    fixed = ["--site", "s", "--device", "d", "--kind", "meter", "--time", "t", "--dry-run"]
    result = CliRunner().invoke(app, ["replay", str(data), *fixed, *arguments])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    wrong_row = CliRunner().invoke(
        app, ["replay", str(data), *fixed, "--map", "power_kw=W", "--timezone", "UTC"]
    )
    assert isinstance(wrong_row.exception, ReplayError)
    assert "data.csv:2: W is 'x', not a number" in str(wrong_row.exception)
