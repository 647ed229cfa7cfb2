"""Making programs of Debian 13 run from a folder on any Debian: their own loader and libraries, by patchelf.

The loader's path must be absolute, so this is done again where the clone has moved.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import SetupError
from deploy.local.files import write_atomic

_POSTGRES_PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_isready", "psql", "pg_dump", "pg_restore")
_BROKER_PROGRAMS = ("usr/sbin/mosquitto", "usr/bin/mosquitto_pub", "usr/bin/mosquitto_sub")


@dataclass(frozen=True)
class Programs:
    """The programs to run."""

    postgres_bin: Path
    mosquitto: Path

    @classmethod
    def under(cls, packages: Path) -> "Programs":
        """The programs in unpacked packages."""
        return cls(packages / "usr/lib/postgresql/17/bin", packages / "usr/sbin/mosquitto")


def relocate(packages: Path) -> Programs:
    """Patch the programs under `packages` to run where they lie; nothing to do where that is done."""
    programs = Programs.under(packages)
    stamp = packages / "relocated"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == str(packages):
        return programs
    patchelf = shutil.which("patchelf", path=str(Path(sys.executable).parent)) or shutil.which("patchelf")
    if patchelf is None:
        raise SetupError("patchelf is missing from .venv: run `make clean` and start again.")
    loader = _only(packages, "usr/lib/*-linux-gnu*/ld-linux*.so.*")
    wanted = [packages / name for name in _BROKER_PROGRAMS]
    wanted += [programs.postgres_bin / name for name in _POSTGRES_PROGRAMS]
    # DT_RPATH, unlike DT_RUNPATH, also holds for the libraries of libraries and for loaded extensions.
    options = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(loader.parent)]
    for program in wanted:
        _patch([patchelf, *options], program)
    write_atomic(stamp, str(packages))
    return programs


def _patch(command: list[str], program: Path) -> None:
    """Patch a copy and put it in the program's place, which may be running."""
    copy = program.with_name(program.name + ".new")
    shutil.copy2(program, copy)
    done = subprocess.run([*command, str(copy)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"Cannot prepare {program.name}: {done.stderr.strip()}.")
    copy.replace(program)


def _only(packages: Path, pattern: str) -> Path:
    found = sorted(packages.glob(pattern))
    if not found:
        raise SetupError(f"The unpacked packages lack {pattern}: run `make clean` and start again.")
    return found[0]
