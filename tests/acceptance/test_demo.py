"""The demo as a user starts it: everything up, a day of readings through MQTT, and its own judgement."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KINDS = {"meter", "flowmeter", "cems", "beltscale"}


def run_demo(folder: Path, *options: str) -> dict[str, Any]:
    """Run the demo apart from the clone's servers; its line of JSON."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "demo", "--dir", str(folder), "--json", *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:] + ended.stdout[-4000:]
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


@pytest.mark.timeout(500)
@pytest.mark.usefixtures("servers")  # so that the packages are there
def test_the_demo_proves_itself_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = run_demo(tmp_path, "--for", "20s", "--seed", "7")
    assert first["ok"]
    assert first["received"] == first["stored"] + first["duplicate"] + first["rejected"] == first["published"]
    assert first["rejected"] == first["injected_bad"] > 0
    assert set(first["kinds"]) == KINDS
    assert first["stored"] > 20_000
    assert len(first["sources"]) == 8
    assert all(abs(source["error_pct"]) < 0.5 for source in first["sources"].values())

    second = run_demo(tmp_path, "--for", "10s")
    assert second["ok"]
    assert 0 < second["stored"] < first["stored"] / 10
    for name, source in second["sources"].items():
        before = first["sources"][name]["co2_kg"]
        # Hours are added up in the order in which the database gives them: the last bit may differ.
        assert source["co2_kg"] >= before * (1 - 1e-12)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("servers")
def test_a_run_that_was_killed_is_recovered_from(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", "demo", "--dir", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert killed.stderr is not None
    with killed.stderr:
        for line in killed.stderr:
            if "the fleet publishes" in line:
                break
        killed.kill()
        killed.wait()
    assert run_demo(tmp_path, "--for", "5s")["ok"]
