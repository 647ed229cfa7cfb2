"""The trixie package sources of a Debian machine, derived from the sources it already has.

So a company's own mirror, proxy and keys are used, and no host name stands in this project.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import SetupError

RELEASE = "trixie"
_DEBIAN_NAMES = (
    r"(?:buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)"
)
_BASE = re.compile(rf"{_DEBIAN_NAMES}/?")
_UPDATES = re.compile(rf"{_DEBIAN_NAMES}-(?:updates|proposed-updates)")
_SECURITY = re.compile(rf"{_DEBIAN_NAMES}(?:-security|/updates)")
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)"
)
_KEPT_OPTIONS = ("signed-by", "trusted", "check-date", "check-valid-until")

INSTEAD = (
    "use `docker compose up`, or set CARBONFLOW_DATABASE_URL and CARBONFLOW_MQTT_URL to servers of your own"
)
NO_SOURCES = (
    f"This machine has no Debian package sources, which the private database and broker come from: {INSTEAD}."
)


@dataclass(frozen=True)
class Source:
    """One archive: where it is and how it is trusted."""

    uri: str
    suite: str
    options: tuple[tuple[str, str], ...] = field(default=())

    def stanza(self) -> str:
        """This source in the deb822 format."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {self.suite}", "Components: main"]
        lines += [f"{name}: {value}" for name, value in self.options]
        return "\n".join(lines) + "\n"


def read_machine_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """The sources of trixie, from the files of this machine."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    found: list[Source] = []
    for file in files:
        if file.suffix in {".list", ".sources"} and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            found += from_deb822(text) if file.suffix == ".sources" else from_one_line(text)
    unique = list(dict.fromkeys(found))
    if not any(source.suite == RELEASE for source in unique):
        raise SetupError(NO_SOURCES)
    return unique


def from_one_line(text: str) -> list[Source]:
    """The trixie sources for a file of `deb [options] uri suite components` lines."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is None:
            continue
        words = [word.partition("=") for word in (match["options"] or "").split()]
        options = {name.lower(): value for name, _, value in words}
        found += _derive(match["uri"].split(), [match["suite"]], match["components"].split(), options)
    return found


def from_deb822(text: str) -> list[Source]:
    """The trixie sources for a file of deb822 stanzas."""
    found = []
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        found += _derive(
            fields.get("uris", "").split(),
            fields.get("suites", "").split(),
            fields.get("components", "").split(),
            fields,
        )
    return found


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] in " \t":
            fields[name] = fields.get(name, "") + "\n" + line
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def _derive(
    uris: Iterable[str], suites: Iterable[str], components: Iterable[str], options: dict[str, str]
) -> list[Source]:
    if "main" not in set(components):
        return []
    kept = tuple((_option_name(name), options[name]) for name in _KEPT_OPTIONS if name in options)
    wanted = [suite for suite in map(_trixie_suite, suites) if suite]
    return [Source(uri, suite, kept) for uri in uris if uri != "cdrom:" for suite in wanted]


def _option_name(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _trixie_suite(suite: str) -> str | None:
    """The same suite of trixie; None for one that is not Debian's own, or that is not needed."""
    if _BASE.fullmatch(suite):
        return RELEASE
    if _UPDATES.fullmatch(suite):
        return f"{RELEASE}-updates" if suite.endswith("-updates") and "proposed" not in suite else None
    if _SECURITY.fullmatch(suite):
        return f"{RELEASE}-security"
    return None
