"""The demo's live terminal table: sites, sources, kg/h now, today's kWh and kg, messages/s, rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.store.audit import SourceNow, Totals

UNKNOWN = "—"


@dataclass(frozen=True)
class Picture:
    """What the table shows at one moment."""

    sources: Sequence[SourceNow]
    electricity_today_kwh: Mapping[str, float | None]
    totals: Totals
    readings_per_s: float
    phase: str
    board_url: str


def render(picture: Picture) -> RenderableType:
    """The table and the line below it."""
    return Group(_table(picture), _footer(picture))


def line(picture: Picture) -> str:
    """The same in one line, where there is no terminal."""
    rates = [row.co2_kg_per_h for row in picture.sources if row.in_total]
    known = [rate for rate in rates if rate is not None]
    total = sum(known) if known and len(known) == len(rates) else None  # a part is no total
    counted = picture.totals
    return (
        f"{picture.phase}; {amount(total)} kg CO2/h now; "
        f"received {counted.received:,}, stored {counted.stored:,}, "
        f"duplicate {counted.duplicate:,}, rejected {counted.rejected:,}"
    )


def _table(picture: Picture) -> Table:
    table = Table(title="Carbonflow: CO2 now", title_justify="left", caption=picture.phase, expand=False)
    table.add_column("site")
    table.add_column("source")
    table.add_column("scope", justify="right")
    table.add_column("method")
    table.add_column("kg CO2/h now", justify="right")
    table.add_column("age s", justify="right")
    table.add_column("kg CO2 today", justify="right")
    table.add_column("in total")
    site = None
    for row in picture.sources:
        if row.site != site:
            if site is not None:
                table.add_section()
            site = row.site
        table.add_row(
            row.site, row.source, str(row.scope), row.method, amount(row.co2_kg_per_h), amount(row.age_s),
            amount(row.today_kg), "yes" if row.in_total else "no",
        )  # fmt: skip
    return table


def _footer(picture: Picture) -> Text:
    electricity = "   ".join(
        f"{site} {amount(kwh)} kWh" for site, kwh in sorted(picture.electricity_today_kwh.items())
    )
    counted = picture.totals
    return Text(
        f"electricity today: {electricity or UNKNOWN}\n"
        f"{picture.readings_per_s:,.0f} readings/s   received {counted.received:,}   "
        f"stored {counted.stored:,}   "
        f"duplicate {counted.duplicate:,}   rejected {counted.rejected:,}\n"
        f"board: {picture.board_url}   Ctrl-C stops everything"
    )


def amount(value: float | None) -> str:
    """A number for people; a dash where it is unknown, never 0."""
    return UNKNOWN if value is None else f"{value:,.1f}"
