"""The options that calculations share. Each is named by its quantity and unit, as in the registry."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, TypeAlias

import typer

from services.domain.registry.model import BaseState


def number(text: str) -> typer.models.OptionInfo:
    """A number; without it, unknown."""
    found: typer.models.OptionInfo = typer.Option(help=text, show_default=False)
    return found


Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Day: TypeAlias = Annotated[
    datetime | None,
    typer.Option("--date", formats=["%Y-%m-%d"], help="The factor's day; today where not given."),
]
FactorSet: TypeAlias = Annotated[
    str | None, typer.Option(help="Set, or series of yearly sets, of the shipped table.", show_default=False)
]
Region: TypeAlias = Annotated[
    str | None, typer.Option(help="Place of a grid factor, such as CN-SH.", show_default=False)
]
Gwp: TypeAlias = Annotated[
    str | None, typer.Option("--gwp-set", help="AR4, AR5 or AR6, for CO2e.", show_default=False)
]
Gauge: TypeAlias = Annotated[
    bool | None, typer.Option("--gauge/--absolute", help="What the pressure is.", show_default=False)
]
PressureKpa: TypeAlias = Annotated[float | None, number("At the meter; say --gauge or --absolute.")]
AtmosphericKpa: TypeAlias = Annotated[
    float | None,
    typer.Option("--atmospheric-pressure-kpa", help="Makes a gauge pressure absolute.", show_default=False),
]
TemperatureC: TypeAlias = Annotated[float | None, number("At the meter.")]
Base: TypeAlias = Annotated[
    BaseState | None, typer.Option(help="State of a volume in Nm3, or the one asked for.", show_default=False)
]
Compressibility: TypeAlias = Annotated[
    float | None, typer.Option("--compressibility-ratio", help="Zb/Z; 1 where not given.", show_default=False)
]
MassT: TypeAlias = Annotated[float | None, number("Mass.")]
VolumeM3: TypeAlias = Annotated[float | None, number("Volume at line conditions.")]
ActivityPct: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--activity-uncertainty-pct", help="95 % uncertainty of what was measured.", show_default=False
    ),
]
FactorPct: TypeAlias = Annotated[
    float | None,
    typer.Option("--factor-uncertainty-pct", help="95 % uncertainty of the factor.", show_default=False),
]


def day(asked: datetime | None) -> date:
    """The day of the factor."""
    return (asked or datetime.now(UTC)).date()


def pressure_reference(gauge: bool | None) -> str | None:
    """The registry's word for --gauge and --absolute."""
    if gauge is None:
        return None
    return "gauge" if gauge else "absolute"


def only(**amounts: float | None) -> tuple[str, float]:
    """The one amount that was given. Raises typer.BadParameter."""
    found = [(name, value) for name, value in amounts.items() if value is not None]
    if len(found) != 1:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in amounts)
        raise typer.BadParameter(f"give one of {names}.")
    return found[0]


def uncertainty(**parts: float | None) -> dict[str, object] | None:
    """The registry's `uncertainty` of a source, where any part of it was given."""
    given = {name: value for name, value in parts.items() if value is not None}
    return {**given, "source": "command line"} if given else None
