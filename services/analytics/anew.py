"""One hour of a source computed anew from what is stored, writing nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from services.analytics.compute import Computation
from services.analytics.known import Known
from services.analytics.ledger import MAX_READINGS, Pace
from services.analytics.reproduction import Again
from services.domain.conversion import SourceKey
from services.domain.ledger.hours import from_us
from services.domain.ledger.lineages import Lineage
from services.domain.ledger.readings import Readings
from services.domain.ledger.register_steps import RegisterStep, register_steps
from services.domain.ledger.rows import SourceBasis
from services.domain.ledger.track import Window
from services.domain.quantities import Kind, quantity
from services.domain.reading import DeviceKey
from services.store.ledger_raw import RawReadings
from services.store.pool import Connection


class Anew(NamedTuple):
    """What comes out."""

    again: Again | None
    """None where no reading bears on the hour."""
    steps: list[RegisterStep]
    """Of the registers that the activity is counted by."""


class _Watched(Computation):
    """Keeps the readings that it computes from."""

    def __init__(self, known: Known) -> None:
        super().__init__(known, Pace(known.plan), MAX_READINGS)
        self.batches: list[Readings] = []

    def _batch(self, kind: Kind, keys: list[DeviceKey], raw: RawReadings) -> Readings:
        self.batches.append(super()._batch(kind, keys, raw))
        return self.batches[-1]


async def computed_anew(connection: Connection, known: Known, source: SourceBasis, window: Window) -> Anew:
    """The hour `window` of a source, by the functions of the ledger. Raises psycopg.Error."""
    key = SourceKey(source.site, source.source)
    windows = dict.fromkeys(known.plan.members(key), window)
    await known.corrections.refresh(connection)
    computation = _Watched(known)
    hours = await computation.hours(connection, windows, {key: window})
    recipe = known.recipes.of(source, window.begin_us, window.end_us)
    registers: defaultdict[DeviceKey, list[str]] = defaultdict(list)
    for device, name in recipe.feeds:
        if quantity(device.kind, name).register:
            registers[device].append(name)
    steps = list(register_steps(known.plan, computation.batches, windows, registers))
    for row, lineage in zip(hours.rows.emission_hours, hours.lineages.rows, strict=True):
        if row.hour == from_us(window.begin_us) and row.source == source:
            return Anew(Again(row, Lineage(*lineage), recipe.document), steps)
    return Anew(None, steps)
