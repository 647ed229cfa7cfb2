"""The trixie sources that are derived from a machine's own."""

from pathlib import Path

import pytest

from deploy.local.errors import SetupError
from deploy.local.sources import Source, from_deb822, from_one_line, read_machine_sources

MIRROR = "http://mirror.test/debian"
SECURITY = "http://mirror.test/debian-security"

DEB822 = f"""\
# A comment before.
Types: deb deb-src
# A comment within.
URIs: {MIRROR}
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: {SECURITY}
Suites: bookworm-security
Components: main
"""
SIGNED = (("Signed-By", "/usr/share/keyrings/debian-archive-keyring.gpg"),)


def test_deb822_stanzas_become_those_of_trixie() -> None:
    assert from_deb822(DEB822) == [
        Source(MIRROR, "trixie", SIGNED),
        Source(MIRROR, "trixie-updates", SIGNED),
        Source(SECURITY, "trixie-security"),
    ]


@pytest.mark.parametrize(
    "stanza",
    [
        "Types: deb-src\nURIs: http://mirror.test/debian\nSuites: bookworm\nComponents: main",
        "Enabled: no\nTypes: deb\nURIs: http://mirror.test/debian\nSuites: bookworm\nComponents: main",
        "Types: deb\nURIs: http://other.test/debian\nSuites: bookworm\nComponents: stable",
        "Types: deb\nURIs: http://other.test/node\nSuites: nodistro\nComponents: main",
        "Types: deb\nURIs: http://other.test/pg\nSuites: bookworm-pgdg\nComponents: main",
        "Types: deb\nURIs: http://other.test/ubuntu/ubuntu\nSuites: noble\nComponents: main",
    ],
)
def test_what_is_not_debians_own_is_left_out(stanza: str) -> None:
    assert from_deb822(stanza) == []


def test_a_key_within_the_stanza_is_kept() -> None:
    stanza = f"""\
Types: deb
URIs: {MIRROR}
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----
"""
    (source,) = from_deb822(stanza)
    again = from_deb822(source.stanza())
    assert again == [source]
    assert "BEGIN PGP" in source.stanza()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"deb {MIRROR} bookworm main", [Source(MIRROR, "trixie")]),
        (f"deb {MIRROR}/ trixie main contrib non-free-firmware", [Source(f"{MIRROR}/", "trixie")]),
        (
            f"deb [arch=amd64 signed-by=/etc/apt/keyrings/debian.gpg] {MIRROR} bookworm-updates main # ours",
            [Source(MIRROR, "trixie-updates", (("Signed-By", "/etc/apt/keyrings/debian.gpg"),))],
        ),
        (f"deb {SECURITY} bullseye-security main", [Source(SECURITY, "trixie-security")]),
        (f"deb {SECURITY} buster/updates main", [Source(SECURITY, "trixie-security")]),
        (f"deb {MIRROR} bookworm-proposed-updates main", []),
        (f"deb-src {MIRROR} bookworm main", []),
        (f"# deb {MIRROR} bookworm main", []),
        ("deb cdrom:[Debian 12]/ bookworm main", []),
        ("deb http://other.test/apt cloud-sdk-bookworm main", []),
        ("", []),
    ],
)
def test_one_line_sources_become_those_of_trixie(line: str, expected: list[Source]) -> None:
    assert from_one_line(line) == expected


def test_all_files_of_the_machine_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(f"deb {MIRROR} bookworm main\n")
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822.replace("Signed-By", "X-Signed-By"))
    (tmp_path / "sources.list.d/off.list.disabled").write_text("deb http://other.test/debian bookworm main\n")
    assert read_machine_sources(tmp_path) == [
        Source(MIRROR, "trixie"),
        Source(MIRROR, "trixie-updates"),
        Source(SECURITY, "trixie-security"),
    ]


def test_a_machine_without_debian_sources_is_told_what_to_use_instead(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="docker compose up"):
        read_machine_sources(tmp_path)
