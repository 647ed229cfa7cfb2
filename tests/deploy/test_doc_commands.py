"""Every call of `carbonflow` on a page names commands and options that exist; the decisions are listed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup

from services.cli.main import COMMANDS, load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^ *```(?:sh)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_CALL = re.compile(r"(?:carbonflow|docker compose run --rm migrate) (\S.*)")


def calls(page: Path) -> list[str]:
    """What follows the program's name, wherever it stands at a line's or a piece of code's begin."""
    text = page.read_text(encoding="utf-8")
    blocks = _BLOCK.findall(text)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    pieces = [*lines, *_INLINE.findall(_BLOCK.sub("", text))]
    return [match[1] for each in pieces if (match := _CALL.match(each.strip().removeprefix(".venv/bin/")))]


CALLS = [(page, call) for page in PAGES for call in calls(page)]


def test_the_pages_show_calls() -> None:
    assert len(CALLS) > 15


@pytest.mark.parametrize(("page", "call"), CALLS, ids=[f"{page.stem}: {call}" for page, call in CALLS])
def test_a_call_names_what_exists(page: Path, call: str) -> None:
    words = [word for word in shlex.split(call, comments=True) if word != "..."]
    if not words or words[0].startswith("-"):
        return
    name, *rest = words
    assert name in COMMANDS, f"{page.name}: carbonflow {call}"
    command = load(name, COMMANDS[name].target)
    if isinstance(command, TyperGroup) and rest:
        assert rest[0] in command.commands, f"{page.name}: carbonflow {call}"
        command = command.commands[rest[0]]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help", "-h"}
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert given <= known, f"{page.name}: carbonflow {call}"


def test_the_index_names_every_decision() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\]\((\d{4}-[^)]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
