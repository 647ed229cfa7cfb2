"""What is kept of an hour, and the lines that are told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Line(NamedTuple):
    """One value; None is unknown. `about` is the device it is of, empty for the hour as a whole."""

    about: str
    name: str
    value: float | str | None
    unit: str
    by: str


class QuantityHour(NamedTuple):
    """What is kept of one quantity of a device in the hour (`rows.DeviceHour`)."""

    readings: int
    mean: float | None
    consumption: float | None
    coverage: float
    estimated: bool


class StackItem(NamedTuple):
    """What is kept of one item of a judged stack in the hour (`rows.StackHour`)."""

    item: str
    ran_h: float
    measured: float | None
    substituted: float | None
    method: str | None
    reason: str | None
    availability_pct: float | None
    gap_h: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an hour of a source."""

    recipe: Mapping[str, Any]
    figures: Mapping[str, Any]
    """The columns of the row."""
    length_h: float
    parts: Sequence[Mapping[str, Any]] | None = None
    """What each part contributed (`ledger.contributions`); None where there is one."""
    quantities: Mapping[tuple[str, str], QuantityHour] = field(default_factory=dict)
    """By device (kind/id) and quantity."""
    stacks: Mapping[str, Sequence[StackItem]] = field(default_factory=dict)
    """By device, of judged stacks."""
