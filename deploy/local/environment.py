"""The clone's Python environment: `.venv` with the project and its tools.

It is made once, and brought up to date when what it is made from changes.

Only the standard library is used here, because this runs before anything is installed.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local import packages, teardown
from deploy.local.errors import SetupError
from deploy.local.files import clear_os_errors, require_space, write_atomic
from deploy.local.layout import Layout
from deploy.local.lock import locked
from deploy.local.progress import LineProgress, Progress

ROOT = Path(__file__).resolve().parents[2]
_INPUTS = ("pyproject.toml", "constraints.txt")
_STAMP = "carbonflow-stamp"
_SPACE_MB = 1500  # .venv takes 600, and pip unpacks beside it
# Settings that would put packages elsewhere than into .venv, or take them from elsewhere.
_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "VIRTUAL_ENV")
_PIP_SENTENCES = (
    (re.compile(r"No space left|Disk quota"), "the disk is full: free 2 GB and run the same command again"),
    (
        re.compile(
            r"Temporary failure|Name or service not known|Connection refused|ConnectTimeout|Read timed out|"
            r"NewConnectionError|Network is unreachable|ConnectionResetError|ProxyError|SSLError|"
            r"NameResolutionError"
        ),
        "the package index cannot be reached: check the network and run the same command again",
    ),
    (
        re.compile(r"Permission denied|Read-only file system"),
        "it may not write here: run as this folder's owner",
    ),
)


def main(arguments: Sequence[str]) -> int:
    """`install` (the default) or `clean`; the exit status."""
    try:
        match list(arguments):
            case [] | ["install"]:
                install(ROOT, LineProgress())
            case ["clean"]:
                clean(ROOT)
            case _:
                sys.stderr.write("Usage: bootstrap.py [install | clean]\n")
                return 2
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; run the same command again to go on.\n")
        return 130
    return 0


def install(root: Path, progress: Progress) -> None:
    """Make or update `.venv` where needed. Raises SetupError."""
    venv = root / ".venv"
    wanted = fingerprint(root)
    if _stamp(venv) == wanted:
        return
    layout = Layout(root)
    with clear_os_errors(root), locked(layout.local / "setup.lock", progress):
        if _stamp(venv) == wanted:  # another command has made it while this one waited
            return
        _make(layout, venv, progress)
        write_atomic(venv / _STAMP, wanted)


def fingerprint(root: Path) -> str:
    """What `.venv` is made from; equal fingerprints need no work. First line: what needs a new one."""
    base = f"{Path(sys.executable).resolve()} {sys.version_info[:3]} {root}"
    inputs = hashlib.sha256()
    for name in _INPUTS:
        file = root / name
        inputs.update(file.read_bytes() if file.exists() else b"")
    return f"{base}\n{inputs.hexdigest()}\n"


def _stamp(venv: Path) -> str | None:
    """The fingerprint of the finished environment; None where there is none or its interpreter is gone."""
    try:
        stamp = (venv / _STAMP).read_text(encoding="utf-8")
    except OSError:
        return None
    return stamp if (venv / "bin/python").exists() else None


def _make(layout: Layout, venv: Path, progress: Progress) -> None:
    log = layout.local / "setup.log"
    temporary = layout.local / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = _environment(temporary)
    stamp = _stamp(venv)
    if stamp is None or stamp.splitlines()[0] != fingerprint(layout.root).splitlines()[0]:
        _create(layout, venv, environment, log, progress)
    (venv / _STAMP).unlink(missing_ok=True)
    with progress.step("Installing Python packages"):
        _run(
            _pip_command(layout.root, venv),
            layout.root,
            environment,
            log,
            "Cannot install the Python packages",
        )
    shutil.rmtree(temporary)


def _pip_command(root: Path, venv: Path) -> list[str]:
    # Without pip's cache, which lies outside the clone, and without compiling, which Python does when needed.
    options = ["--no-cache-dir", "--no-compile", "--disable-pip-version-check", "--progress-bar=off"]
    constraints = ["-c", "constraints.txt"] if (root / "constraints.txt").exists() else []
    return [str(venv / "bin/python"), "-m", "pip", "install", *options, *constraints, "-e", ".[dev]"]


def _environment(temporary: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {**kept, "TMPDIR": str(temporary), "PIP_NO_INPUT": "1"}


def _create(
    layout: Layout, venv: Path, environment: Mapping[str, str], log: Path, progress: Progress
) -> None:
    """Make an empty environment with pip. One without a stamp was killed half way and is thrown away."""
    if venv.exists():
        shutil.rmtree(venv)
    require_space(layout.local, _SPACE_MB)
    python = str(Path(sys.executable).resolve())
    with_pip = importlib.util.find_spec("ensurepip") is not None
    options = [] if with_pip else ["--without-pip"]
    with progress.step("Making .venv"):
        _run([python, "-m", "venv", *options, str(venv)], layout.root, environment, log, "Cannot make .venv")
    if not with_pip:
        _pip_from_debian(layout, venv, environment, log, progress)


def _pip_from_debian(
    layout: Layout, venv: Path, environment: Mapping[str, str], log: Path, progress: Progress
) -> None:
    """Debian's bare python3 comes without pip; its wheel is in a package of its own."""
    target = layout.local / "pip"
    packages.fetch(["python3-pip-whl"], layout.apt, target, log, progress)
    wheel = next((target / "usr/share/python-wheels").glob("pip-*.whl"), None)
    if wheel is None:
        raise SetupError(f"Debian's package of pip holds no pip: install the package python3-venv ({log}).")
    command = [
        str(venv / "bin/python"),
        f"{wheel}/pip",
        "install",
        "--no-index",
        "--no-cache-dir",
        str(wheel),
    ]
    _run(command, layout.root, environment, log, "Cannot install pip")


def _run(command: Sequence[str], cwd: Path, environment: Mapping[str, str], log: Path, failure: str) -> None:
    """Run one program, its output kept in the log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        start = file.tell()
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
        )
    if done.returncode != 0:
        output = log.read_bytes()[start:].decode("utf-8", errors="replace")
        raise SetupError(pip_sentence(output, failure, log))


def pip_sentence(output: str, failure: str, log: Path) -> str:
    """What to do about the failure that pip has printed."""
    for pattern, reason in _PIP_SENTENCES:
        if pattern.search(output):
            return f"{failure}: {reason} (details in {log})."
    return f"{failure}: {log} says why."


def clean(root: Path) -> None:
    """Stop the servers of this clone and remove everything that set-up, tests and tools have made in it."""
    teardown.remove_all(root)
