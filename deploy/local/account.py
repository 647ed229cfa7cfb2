"""The account the servers run under.

PostgreSQL refuses to run as root. As root the servers run as `nobody`; where the clone lies in a folder that
others may not enter (such as root's home), they are given one right of root's, to pass file permissions.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import SetupError

_ACCOUNT = "nobody"
# The right to pass file permissions, kept over the change of user and handed on to what is started. The last
# flag makes it count in access(2) too, by which initdb looks for its programs.
_PASS_FOLDERS = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")


@dataclass(frozen=True)
class Account:
    """Who runs the servers, and the command that becomes them."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def command(self, argv: Sequence[str]) -> list[str]:
        """`argv`, run as this account."""
        return [*self.prefix, *argv]

    def own(self, path: Path, mode: int) -> None:
        """Give one file or folder to this account."""
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def folder(self, path: Path) -> Path:
        """Make a folder that only this account may enter."""
        path.mkdir(parents=True, exist_ok=True)
        self.own(path, 0o700)
        return path


def server_account(local: Path) -> Account:
    """The account for the servers of the clone whose private folder is `local`."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SetupError(
            "PostgreSQL does not run as root: install the package util-linux, or run as an ordinary user."
        )
    entry = pwd.getpwnam(_ACCOUNT)
    prefix = [setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    if not others_may_enter(local):
        prefix += _PASS_FOLDERS
    prefix.append("--")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        raise SetupError(
            f"PostgreSQL does not run as root, nor may root start it as {_ACCOUNT} in {local.parent}: "
            "run as an ordinary user, or from a folder that every user may enter."
        )
    return Account(entry.pw_uid, entry.pw_gid, tuple(prefix))


def others_may_enter(folder: Path) -> bool:
    """Whether any account can reach this folder."""
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))
