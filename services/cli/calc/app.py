"""The methods of `carbonflow calc`."""

from __future__ import annotations

import typer

from services.cli.calc.cems import cems
from services.cli.calc.electricity import electricity
from services.cli.calc.fuel import fuel
from services.cli.calc.gas_volume import gas_volume
from services.cli.calc.mass_balance import mass_balance
from services.cli.calc.uncertainty import uncertainty
from services.cli.calc.warmth import heat, steam
from services.cli.plain import PLAIN

app = typer.Typer(no_args_is_help=True, **PLAIN)


@app.callback()
def calc() -> None:
    """Compute one set of values, with every value on the way, by the formulas of the live stream and the
    ledger. Factors are those of the shipped table; no database is needed."""


app.command("fuel")(fuel)
app.command("gas-volume")(gas_volume)
app.command("electricity")(electricity)
app.command("heat")(heat)
app.command("steam")(steam)
app.command("cems")(cems)
app.command("mass-balance")(mass_balance)
app.command("uncertainty")(uncertainty)
