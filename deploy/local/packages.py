"""Debian packages, downloaded and unpacked inside the clone: apt with a state of its own, nothing installed.

Only the standard library is used here, because the set-up needs it before there is a `.venv`.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local import sources
from deploy.local.errors import SetupError
from deploy.local.files import require_space, write_atomic
from deploy.local.progress import Progress

SERVERS = ("postgresql-17-timescaledb", "mosquitto", "mosquitto-clients")
# What the servers depend on by package and never load: the JIT compiler is off, and Debian's wrapper scripts,
# locales and account tools are not used. Half of the download.
_NOT_NEEDED = re.compile(
    r"(libllvm|libz3|perl|libperl|lib[a-z0-9-]+-perl$|locales$|libc-l10n$|passwd$|procps$|debconf$|adduser$|"
    r"login|ucf$|openssl$|openssl-provider|tzdata$|init-system|sysvinit|base-passwd$|readline-common$|netbase$|"
    r"postgresql-common|postgresql-client-common$|ssl-cert$|libdb5|libgdbm|libsem|libsepol|sensible-utils$)"
)
_URI_LINE = re.compile(r"'[^']*' (?P<name>[^_ ]+)_(?P<version>[^_ ]+)_[^_ ]+\.deb ")
# Machine settings that must not reach the private apt: its folders, hooks that touch the machine, the user
# that downloads (who may not enter this clone) and the release it prefers.
_DROPPED_SETTINGS = re.compile(r"(Dir\b|.*Invoke|APT::Sandbox|APT::Default-Release|APT::Update\b|DPkg\b)")
_APT_SENTENCES = (
    (r"No space left|You don't have enough free space", "the disk is full: free 1 GB"),
    (
        r"NO_PUBKEY|not signed|invalid signature|Sub-process .*sqv",
        "this machine does not know the key of Debian 13: update its package debian-archive-keyring",
    ),
    (
        r"Unable to locate package|no installation candidate|does not have a Release file",
        f"the machine's sources do not offer Debian 13 (trixie): {sources.INSTEAD}",
    ),
    (
        r"Could not (resolve|connect)|Temporary failure|timed out|Failed to fetch|Unable to connect",
        "the package server cannot be reached: check the network",
    ),
)


_SPACE_MB = 600  # package lists 60, packages 50, unpacked 180, and room for the data


def fetch(names: Sequence[str], apt: Path, target: Path, log: Path, progress: Progress) -> None:
    """Unpack the packages and what they depend on into `target`, with apt's state and cache in `apt`.

    Safe to kill: `target` appears complete or not at all.
    """
    for program in ("apt-get", "apt-config", "dpkg-deb"):
        if shutil.which(program) is None:
            raise SetupError(sources.NO_SOURCES)
    machine_sources = sources.read_machine_sources()
    apt.mkdir(parents=True, exist_ok=True)
    require_space(apt, _SPACE_MB)
    for folder in ("lists/partial", "archives/partial", "packages"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    write_atomic(apt / "debian.sources", "\n".join(source.stanza() for source in machine_sources))
    write_atomic(apt / "status", "")
    runner = _Apt(apt, log)
    runner.configure()
    with progress.step("Reading Debian's package lists"):
        runner.run("update")
    with progress.step(f"Downloading {', '.join(names)}"):
        debs = runner.download(names)
    with progress.step("Unpacking the packages"):
        _unpack(debs, target, log)


class _Apt:
    """apt-get with everything it writes inside one folder."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.log = log
        self.config = folder / "apt.conf"

    def configure(self) -> None:
        """Write the configuration: the machine's (proxy, certificates) without its folders and hooks."""
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
        kept = [line for line in dump.stdout.splitlines() if not _DROPPED_SETTINGS.match(line)]
        own = {
            "Dir::State": f"{self.folder}/",
            "Dir::State::lists": f"{self.folder}/lists/",
            "Dir::State::status": f"{self.folder}/status",
            "Dir::State::extended_states": f"{self.folder}/extended_states",
            "Dir::Cache": f"{self.folder}/",
            "Dir::Cache::archives": f"{self.folder}/archives/",
            "Dir::Log": f"{self.folder}/",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::sourcelist": f"{self.folder}/debian.sources",
            "Dir::Etc::sourceparts": "/dev/null",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "APT::Update::Error-Mode": "any",  # else an unreachable server is only a warning
            "Acquire::Retries": "3",
        }
        lines = [*kept, *(f'{name} "{value}";' for name, value in own.items())]
        write_atomic(self.config, "\n".join(lines) + "\n")

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run apt-get; its output, or a SetupError with the reason."""
        environment = {
            **os.environ,
            "APT_CONFIG": str(self.config),
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(
            ["apt-get", "-q", *arguments],
            env=environment,
            cwd=cwd or self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ apt-get {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        if done.returncode != 0:
            raise SetupError(apt_sentence(done.stdout + done.stderr, self.log))
        return done.stdout

    def download(self, names: Sequence[str]) -> list[Path]:
        """Download the packages and their dependencies, verified by apt; the files."""
        plan = self.run("install", "--yes", "--no-install-recommends", "--print-uris", *names)
        wanted = [
            f"{match['name']}={match['version'].replace('%3a', ':')}"
            for match in _URI_LINE.finditer(plan)
            if not _NOT_NEEDED.match(match["name"])
        ]
        folder = self.folder / "packages"
        self.run("download", *wanted, cwd=folder)
        return sorted(folder.glob("*.deb"))


def apt_sentence(output: str, log: Path) -> str:
    """What to do about the failure that apt-get has printed."""
    for pattern, reason in _APT_SENTENCES:
        if re.search(pattern, output):
            return f"Cannot get the Debian packages: {reason} (details in {log})."
    return f"Cannot get the Debian packages: apt-get failed, and {log} says why."


def _unpack(debs: Sequence[Path], target: Path, log: Path) -> None:
    unfinished = target.with_name(target.name + ".new")
    for old in (unfinished, target):
        if old.exists():
            shutil.rmtree(old)
    unfinished.mkdir(parents=True, mode=0o755)
    unfinished.chmod(0o755)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for error in pool.map(lambda deb: _unpack_one(deb, unfinished), debs):
            if error:
                with log.open("a", encoding="utf-8") as file:
                    file.write(error)
                full = "No space left" in error
                raise SetupError(
                    "The disk is full: free 1 GB and run the same command again."
                    if full
                    else f"Cannot unpack the Debian packages: {log} says why; run `make clean` and try again."
                )
    unfinished.rename(target)


def _unpack_one(deb: Path, target: Path) -> str | None:
    """Unpack one package; what dpkg-deb said where it failed."""
    done = subprocess.run(
        ["dpkg-deb", "-x", str(deb), str(target)], capture_output=True, text=True, check=False
    )
    return f"$ dpkg-deb -x {deb.name}\n{done.stderr}\n" if done.returncode else None
