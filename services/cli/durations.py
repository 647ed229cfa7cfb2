"""Durations on the command line."""

from __future__ import annotations

import re
from typing import Final

import typer

_DURATION: Final = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>s|m|h)?")
_SECONDS: Final = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A duration such as 45, 45s, 10m or 2h in seconds. Raises typer.BadParameter."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match["number"]) <= 0:
        raise typer.BadParameter(f"{text!r} is no duration: write 45s, 10m or 2h.")
    return float(match["number"]) * _SECONDS[match["unit"]]
