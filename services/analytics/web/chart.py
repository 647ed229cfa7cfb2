"""Hourly bar charts as SVG: the geometry only, in a plane of WIDTH by HEIGHT that the page stretches to fit.

Unknown is drawn as a hatched column, never as a bar of no height.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from math import floor, log10
from typing import Final, NamedTuple

from services.analytics.web.summary import Hour, Part
from services.analytics.web.text import DASH, amount_text, share_text

WIDTH: Final = 960.0
HEIGHT: Final = 240.0
COLOURS: Final = 6
"""Colours there are; sources beyond share the last."""
_GAP: Final = 0.22
"""Share of an hour's width left free between bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    colour: int
    faint: bool
    """Estimated, or of the running hour: it may still change."""


@dataclass(frozen=True, slots=True)
class Column:
    """An hour: its bars, and what a pointer on it says."""

    x: float
    width: float
    bars: tuple[Bar, ...]
    state: str
    """`known`, `partly` or `unknown`."""
    title: str


class Cell(NamedTuple):
    amount: str
    estimated: bool


class Row(NamedTuple):
    hour: str
    instant: str
    """When it begins, UTC, as a URL takes it."""
    running: bool
    cells: tuple[Cell, ...]


class Table(NamedTuple):
    """The same hours in words, the running one first."""

    members: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    y: float
    label: str
    zero: bool


@dataclass(frozen=True, slots=True)
class Chart:
    kind: str
    """Name of its colours."""
    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    """From the top down, evenly spaced over the whole height."""
    hour_labels: tuple[str, ...]
    empty: bool


def draw(kind: str, hours: Sequence[Hour], members: Sequence[str], unit: str) -> Chart:
    """A stack of bars for each hour, one for each member, in the members' order."""
    ticks = _ticks([_extent(hour) for hour in hours])
    low, high = ticks[-1], ticks[0]

    def height_of(amount: float) -> float:
        return HEIGHT * (high - amount) / (high - low)

    step = WIDTH / len(hours)
    columns = tuple(
        Column(
            x=_tidy(index * step),
            width=_tidy(step),
            bars=_bars(hour, members, index * step, step, height_of),
            state=_state(hour, members),
            title=_title(hour, members, unit),
        )
        for index, hour in enumerate(hours)
    )
    return Chart(
        kind=kind,
        columns=columns,
        ticks=tuple(Tick(_tidy(height_of(each)), amount_text(each), each == 0) for each in ticks),
        hour_labels=tuple(f"{hour.local:%H:%M}" for hour in hours),
        empty=all(column.state == "unknown" for column in columns),
    )


def _tidy(length: float) -> float:
    """A hundredth of a unit is far below a pixel."""
    return round(length, 2)


def _extent(hour: Hour) -> tuple[float, float]:
    amounts = [part.amount for part in hour.parts if part.amount is not None]
    return sum(a for a in amounts if a < 0), sum(a for a in amounts if a > 0)


def _ticks(extents: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Round values from the top down that hold all extents and zero."""
    low, high = min(low for low, _ in extents), max(high for _, high in extents)
    if low == high:
        return (1.0, 0.0)
    step = _round_step((high - low) / 4)
    first, last = floor(low / step), -floor(-high / step)
    return tuple(step * each for each in range(last, first - 1, -1))


def _round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _bars(
    hour: Hour, members: Sequence[str], x: float, step: float, height_of: Callable[[float], float]
) -> tuple[Bar, ...]:
    """Amounts above zero stacked upwards, those below downwards."""
    amounts = {part.of: part for part in hour.parts}
    above = below = 0.0
    bars = []
    for index, member in enumerate(members):
        part = amounts.get(member)
        if part is None or part.amount is None:
            continue
        base = above if part.amount >= 0 else below
        top, bottom = sorted((height_of(base + part.amount), height_of(base)))
        bars.append(
            Bar(
                x=_tidy(x + step * _GAP / 2),
                y=_tidy(top),
                width=_tidy(step * (1 - _GAP)),
                height=_tidy(bottom - top),
                colour=min(index, COLOURS - 1),
                faint=hour.running or part.estimated,
            )
        )
        if part.amount >= 0:
            above += part.amount
        else:
            below += part.amount
    return tuple(bars)


def _state(hour: Hour, members: Sequence[str]) -> str:
    known = {part.of for part in hour.parts if part.amount is not None}
    if not known:
        return "unknown"
    return "known" if known.issuperset(members) else "partly"


def _title(hour: Hour, members: Sequence[str], unit: str) -> str:
    amounts = {part.of: part for part in hour.parts}
    lines = [f"{hour.local:%d %b, %H:%M}" + (", running" if hour.running else "")]
    lines += [f"{member}: {_part_text(amounts.get(member), unit)}" for member in members]
    return "\n".join(lines)


def _part_text(part: Part | None, unit: str) -> str:
    if part is None:
        return f"{DASH} (no readings)"
    if part.amount is None:
        return f"{DASH} ({part.missing_reason or 'unknown'})"
    marks = f", coverage {share_text(part.coverage)}" + (", estimated" if part.estimated else "")
    return f"{amount_text(part.amount)} {unit}{marks}"


def table(hours: Sequence[Hour], members: Sequence[str]) -> Table:
    """The hours as a table, one column for each member."""
    rows = []
    for hour in reversed(hours):
        parts = {part.of: part for part in hour.parts}
        cells = tuple(_cell(parts.get(member)) for member in members)
        instant = f"{hour.local.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
        rows.append(Row(f"{hour.local:%d %b %H:%M}", instant, hour.running, cells))
    return Table(tuple(members), tuple(rows))


def _cell(part: Part | None) -> Cell:
    return Cell(DASH, False) if part is None else Cell(amount_text(part.amount), part.estimated)
