"""Durations on the command line."""

from __future__ import annotations

import pytest
import typer

from services.cli.durations import seconds


@pytest.mark.parametrize(("text", "expected"), [("45", 45), ("45s", 45), ("1.5m", 90), ("2h", 7200)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "-3s", "soon", "1d"])
def test_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no duration"):
        seconds(text)
