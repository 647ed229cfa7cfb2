"""The doctor looks at the services and the disk of this machine."""

from __future__ import annotations

import json
import shutil
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

from services.cli.doctor.finding import Finding, failure, ok, warning

_ANSWER_S: Final = 5.0
_FINE: Final = frozenset({"ok", True})
_NUMBERS: Final = (int, float, type(None))


def service(name: str, host: str, port: int) -> Finding:
    """What a service says of itself on /readyz."""
    try:
        with urlopen(f"http://{host}:{port}/readyz", timeout=_ANSWER_S) as answer:
            return of_ready(name, json.load(answer))
    except HTTPError as error:
        with error:
            return of_ready(name, json.load(error))
    except (OSError, HTTPException, ValueError) as error:
        said = f"nothing answers on {host}:{port} ({getattr(error, 'reason', None) or error})"
        return warning(name, said, f"start `carbonflow {name}`, or look where it runs")


def of_ready(name: str, said: dict[str, Any]) -> Finding:
    """What is to be said of a service that says this of itself."""
    problems = [
        f"{part}: {text}"
        for part, text in said.items()
        if part != "ready" and not isinstance(text, _NUMBERS) and text not in _FINE
    ]
    if not said.get("ready"):
        return failure(name, "; ".join(problems) or "not ready", "see docs/runbooks")
    if problems:
        return warning(name, "; ".join(problems), "see docs/runbooks")
    return ok(name, "ready")


def journal(folder: Path, most_bytes: int) -> Finding:
    """Whether there is room for the outage journal."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    kept = sum(each.stat().st_size for each in folder.glob("*.journal*")) if existing == folder else 0
    said = f"{folder}: {_mib(kept)} in use, {_mib(free)} free, bound {_mib(most_bytes)}"
    if kept + free < most_bytes:
        todo = (
            "make room, or lower CARBONFLOW_JOURNAL_MAX_BYTES: the disk would be full before the journal is"
        )
        return warning("journal", said, todo)
    return ok("journal", said)


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / 1024**2:,.0f} MiB"
