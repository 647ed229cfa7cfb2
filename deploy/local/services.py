"""The services that a clone runs beside its servers, recorded so that a later command can end them."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from deploy.local import process
from deploy.local.errors import SetupError
from deploy.local.files import write_atomic
from deploy.local.layout import Layout
from deploy.local.process import ProcessId

# A service drains on SIGTERM (flush, commit, acknowledge); a second signal ends it at once.
SERVICE_SIGNALS = ((signal.SIGTERM, 30.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def start(layout: Layout, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> ProcessId:
    """Start `carbonflow ARGUMENTS` in the background with `environment` on top of ours. Raises SetupError."""
    log = log_file(layout, name)
    started = process.spawn(
        (sys.executable, "-m", "services.cli.main", *arguments), log, {**os.environ, **environment}
    )
    if started is None:
        raise SetupError(f"The service {name} ended at once: {log} says why.")
    _save(layout, {**_load(layout), name: started})
    return started


def stop_all(layout: Layout) -> bool:
    """Stop every recorded service, the last started first; whether any ran. Raises SetupError."""
    recorded = _load(layout)
    running = [each for each in reversed(recorded.values()) if each.alive()]
    for each in running:
        process.stop(each, SERVICE_SIGNALS)
    layout.services.unlink(missing_ok=True)
    return bool(running)


def _load(layout: Layout) -> dict[str, ProcessId]:
    try:
        saved = json.loads(layout.services.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SetupError(f"{layout.services} is damaged: remove it and try again.") from error
    return {name: ProcessId(**each) for name, each in saved.items()}


def _save(layout: Layout, services: Mapping[str, ProcessId]) -> None:
    content = {name: asdict(each) for name, each in services.items()}
    write_atomic(layout.services, json.dumps(content, indent=2) + "\n", mode=0o600)


def log_file(layout: Layout, name: str) -> Path:
    """Where a service's output goes."""
    return layout.logs / f"{name}.log"
