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
        super().__init__("\n".join(map(str, self.problems)))


def place_text(place: Sequence[str | int]) -> str:
    """A place as one reads it: `sites.campus.devices.meter/main.facts[0].from`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
