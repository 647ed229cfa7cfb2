"""Which column of the file is which quantity, and in which unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from simulators.errors import ConfigError

MISSING: Final = frozenset({"", "?", "na", "n/a", "nan", "null", "none", "-"})
"""What files write where nothing was measured (lower case); such a quantity is left out, never 0."""


@dataclass(frozen=True, slots=True)
class Column:
    """A quantity from a column: value x `scale`. `accumulate`: the column is an amount per row, and the
    quantity the register that counts them."""

    quantity: str
    column: str
    scale: float
    accumulate: bool = False

    @classmethod
    def parse(cls, text: str, *, accumulate: bool = False) -> Column:
        """From `quantity=COLUMN`, `quantity=COLUMN*0.001`, `quantity=COLUMN*273.15/293.15`, ... Raises
        ConfigError."""
        quantity, equals, source = (part.strip() for part in text.partition("="))
        if not (quantity and equals and source):
            raise ConfigError(f"A mapping looks like quantity=COLUMN*scale, not {text!r}.")
        column, scale = _scaled(source, text)
        return cls(quantity, column, scale, accumulate)


def _scaled(source: str, text: str) -> tuple[str, float]:
    """Column name and factor of `COLUMN*a/b`; names hold no `*` and no `/`."""
    factors = source.replace("/", "*/").split("*")
    scale = 1.0
    for factor in factors[1:]:
        try:
            number = float(factor.removeprefix("/"))
            scale = scale / number if factor.startswith("/") else scale * number
        except (ValueError, ZeroDivisionError) as error:
            raise ConfigError(f"{factor!r} in the mapping {text!r} is not a factor.") from error
    if not isfinite(scale) or scale == 0.0:
        raise ConfigError(f"The scale of the mapping {text!r} must be a finite number and not 0.")
    return factors[0].strip(), scale


def check_columns(columns: Sequence[Column], times: Sequence[str], header: Sequence[str]) -> None:
    """Raises ConfigError where the file lacks a column, or a quantity is mapped twice."""
    missing = [name for name in (*times, *(column.column for column in columns)) if name not in header]
    if missing:
        raise ConfigError(f"The file has no column {missing[0]!r}; it has {', '.join(header)}.")
    quantities = [column.quantity for column in columns]
    twice = [name for name in quantities if quantities.count(name) > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is mapped twice.")
    if not quantities:
        raise ConfigError("Nothing is mapped: name at least one quantity.")


def number(text: str) -> float | None:
    """A cell's value, None where it says that there is none. Raises ValueError."""
    if text.strip().lower() in MISSING:
        return None
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value
