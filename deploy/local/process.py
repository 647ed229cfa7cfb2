"""Processes that outlive the command that started them, known by id and start time.

A process id alone may be another program's after a crash or a reboot, and nothing may be stopped that this
clone did not start.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import SetupError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_POLL_S = 0.02


@dataclass(frozen=True)
class ProcessId:
    """A process, told apart from a later one with the same id."""

    pid: int
    started_ticks: int
    boot_id: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        _reap(self.pid)
        return identify(self.pid) == self


def identify(pid: int) -> ProcessId | None:
    """The process that has this id now, or None where there is none or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything; state and start time are fields 3 and 22 of proc(5).
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return ProcessId(pid, int(fields[19]), _BOOT_ID.read_text(encoding="ascii").strip())


def exists(pid: int) -> bool:
    """Whether any process has this id, be it one that has ended and that its parent has not taken note of."""
    return Path(f"/proc/{pid}").exists()


def find(argv: Sequence[str]) -> list[ProcessId]:
    """The processes started with exactly this command line."""
    wanted = b"".join(argument.encode() + b"\0" for argument in argv)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _command_line(entry) == wanted:
            found.append(identify(int(entry.name)))
    return [process for process in found if process]


def working_in(folder: Path, name: str) -> list[ProcessId]:
    """The processes of the program `name` whose working folder is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _works_in(entry, folder, name):
            found.append(identify(int(entry.name)))
    return [process for process in found if process]


def _works_in(entry: Path, folder: Path, name: str) -> bool:
    try:
        return (entry / "cwd").readlink() == folder and (entry / "exe").readlink().name == name
    except OSError:
        return False  # it has ended, or is somebody else's


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


def _reap(pid: int) -> None:
    """Take the exit status of our own child if it has ended, so that it does not stay a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def spawn(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> ProcessId | None:
    """Start a program in a session of its own, its output appended to `log`; None where it ended at once."""
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), log_flags, 0o640),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return identify(pid)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask `condition` until it holds; False where it did not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


Signals = Sequence[tuple[signal.Signals, float]]
"""What to send, and how many seconds to wait for the process to end before the next."""


def stop(process: ProcessId, signals: Signals) -> None:
    """Send each signal in turn until the process has ended. Raises SetupError where it does not."""
    for number, patience_s in signals:
        if not process.alive():
            return
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        if wait_until(lambda: not process.alive(), patience_s):
            return
    raise SetupError(f"Process {process.pid} does not end: stop it by hand and try again.")
