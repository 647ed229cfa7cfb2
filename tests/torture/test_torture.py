"""The short form of `make torture`: a minute in which everything is killed, and nothing may be lost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("servers")  # so that the packages are there
def test_nothing_is_lost_or_doubled() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--seconds", "60", "--seed", "20260301", "--rate", "150"],
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-8000:]
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["lost"] == result["doubled"] == 0
    assert result["kills"] >= 5
    # A unit may be received more than once, never less.
    assert result["stored"] + result["duplicate"] + result["rejected"] >= result["published"] > 5_000
    assert min(result["stored"], result["duplicate"], result["rejected"]) > 500
