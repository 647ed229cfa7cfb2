"""One command at a time in one clone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.progress import Progress


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock file; a second command waits. The kernel frees it where a holder is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)  # the servers' account passes through `.local`; what is secret in it is 0600
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another command in this clone"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
