"""Writing files so that a kill half way leaves the old file or the new one, never a part."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import SetupError


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace `path` by `text` in one step, durable, with `mode` from the first byte on."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)  # the umask may have taken bits away
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def clear_os_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        raise SetupError(os_error_sentence(error, folder)) from error


def require_space(folder: Path, megabytes: int) -> None:
    """Raise SetupError where less is free, before a download fills the disk (apt hangs on a full one)."""
    free = shutil.disk_usage(folder).free // 2**20
    if free < megabytes:
        raise SetupError(
            f"The disk is nearly full ({free} MB free in {folder}): free {megabytes} MB and try again."
        )


def os_error_sentence(error: OSError, folder: Path) -> str:
    """What `error` means for a set-up in `folder`, and what to do."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full: free 1 GB where {folder} lies and run the same command again."
        case errno.EROFS | errno.EACCES | errno.EPERM:
            where = error.filename or folder
            return f"Cannot write {where}: run from a clone that this user may write to."
        case _:
            return f"Cannot work in {folder}: {error}."
