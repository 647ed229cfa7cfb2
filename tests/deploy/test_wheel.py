"""The wheel that the image is made from holds all that the services read besides their code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("services", "simulators", "deploy")
DATA = ("*.sql", "*.csv", "*.html", "*.css", "*.js", "*.svg")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """What setuptools puts into a wheel, made from the tracked files alone."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if (ROOT / name).is_file() and (name.split("/")[0] in PACKAGES or "/" not in name):
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    build = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        "import setuptools; setuptools.setup()",
        "--quiet",
        "build",
    ]
    subprocess.run([*build, f"--build-lib={folder}/lib"], cwd=folder / "source", check=True)
    library = folder / "lib"
    return frozenset(path.relative_to(library).as_posix() for path in library.rglob("*") if path.is_file())


@pytest.mark.parametrize("pattern", DATA)
def test_data_of_services_are_in_the_wheel(built: frozenset[str], pattern: str) -> None:
    tracked = {path.relative_to(ROOT).as_posix() for path in (ROOT / "services").rglob(pattern)}
    assert tracked
    assert tracked <= built


def test_no_tests_and_no_secrets_are_in_the_wheel(built: frozenset[str]) -> None:
    assert not {name for name in built if name.startswith("tests/") or name.rsplit("/", 1)[-1] == ".env"}
