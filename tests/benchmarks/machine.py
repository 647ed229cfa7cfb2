"""What the figures were made on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.child import ROOT
from tests.benchmarks.stack import Stack
from tests.benchmarks.suite import Scale

_PACKAGES: Final = (
    "aiomqtt", "carbonflow", "mqtt5", "numpy", "paho-mqtt", "psycopg", "pydantic", "uvloop",
)  # fmt: skip


def describe(stack: Stack, scale: Scale, repeats: int) -> dict[str, Any]:
    """Processors, memory, versions, settings, and what was measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "memory_kb": int(_field(Path("/proc/meminfo"), "MemTotal").split()[0]),
        "kernel": platform.release(),
        "load_average_before": os.getloadavg()[0],
        "commit": _commit(),
        "versions": {
            "python": platform.python_version(),
            **stack.versions(),
            **{name: version(name) for name in _PACKAGES},
        },
        "database_settings": stack.settings(),
        "scale": asdict(scale),
        "repeats": repeats,
    }


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return platform.machine()


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
