"""What is wrong with a registry: where, what, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""A place in the document: keys and list positions from the top, such as ("sites", "campus", "timezone")."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. A `warning` does not keep the registry from being applied."""

    place: Place
    message: str
    warning: bool = False
    file: str = ""
    line: int | None = None
    """Counted from 1; None where the place is not in the file."""

    def __str__(self) -> str:
        where = (
            f"{self.file}:{self.line}: " if self.line is not None else f"{self.file}: " if self.file else ""
        )
        path = f"{place_text(self.place)}: " if self.place else ""
        return f"{where}{path}{self.message}"


class RegistryError(Exception):
    """A registry is wrong; `problems` names everything that is, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(told(self.problems))


def told(problems: Iterable[Problem]) -> str:
    """Problems for a person, each on its line: the errors, then the warnings, then how many; "" for none."""
    errors, warnings = parted(problems)
    lines = [f"Error: {each}" for each in errors] + [f"Warning: {each}" for each in warnings]
    return "\n".join([*lines, f"{counted(errors, warnings)}."]) if lines else ""


def parted(problems: Iterable[Problem]) -> tuple[list[Problem], list[Problem]]:
    """The errors and the warnings, each in the order given."""
    every = list(problems)
    return [each for each in every if not each.warning], [each for each in every if each.warning]


def counted(errors: Sequence[Problem], warnings: Sequence[Problem]) -> str:
    """How many there are: `1 error, 3 warnings`."""
    counts = [(len(errors), "error"), (len(warnings), "warning")]
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)


def place_text(place: Sequence[str | int]) -> str:
    """A place as one reads it: `sites.campus.devices.meter/main.facts[0].from`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
