"""Stopping what the clone started and removing what it made. Needs no `.venv`."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deploy.local import broker, postgres, process, services
from deploy.local import state as states
from deploy.local.files import clear_os_errors
from deploy.local.layout import Layout
from deploy.local.lock import locked
from deploy.local.progress import NoProgress
from deploy.local.relocate import Programs
from deploy.local.state import DamagedStateError, Server

_CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".import_linter_cache")
_MADE = (".venv", ".local", "carbonflow.egg-info", "build", "bench-results.json", *_CACHES)


def stop_recorded(layout: Layout) -> bool:
    """Stop the processes in the state file; whether anything ran. Raises SetupError."""
    served = services.stop_all(layout)
    state = states.load(layout.state)
    if state is None:
        return served
    ran = _stop(state.mqtt, broker.STOP_SIGNALS), _stop(state.database, postgres.STOP_SIGNALS)
    states.save(state, layout.state)
    return served or any(ran)


def _stop(server: Server, signals: process.Signals) -> bool:
    if not server.running() or server.process is None:
        server.process = None
        return False
    process.stop(server.process, signals)
    server.process = None
    return True


def remove_all(root: Path) -> None:
    """Leave the clone as git made it, with no process of its own. Raises SetupError."""
    layout = Layout(root)
    with clear_os_errors(root):
        if layout.local.exists():
            with locked(layout.lock, NoProgress()):
                _stop_all(layout)
        for path in _made(root):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _stop_all(layout: Layout) -> None:
    with suppress(DamagedStateError):  # what it recorded is found below, by its command line
        stop_recorded(layout)
    programs = Programs.under(layout.packages)
    commands = (
        (broker.command(programs.mosquitto, layout.broker), broker.STOP_SIGNALS),
        (postgres.command(programs.postgres_bin, layout.postgres), postgres.STOP_SIGNALS),
    )
    for command, signals in commands:
        for stray in process.find(command):
            process.stop(stray, signals)


def _made(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _MADE)
    yield from list(root.rglob("__pycache__"))
