"""The lineage of emission hours: their recipe, and which readings they rest on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np

from services.domain.ledger.hours import IntArray, from_us, to_us
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import Readings
from services.domain.ledger.rows import EmissionHour
from services.domain.ledger.rules import DeviceHistory
from services.domain.ledger.used import Hours, used
from services.domain.lineage import Recipe, Recipes
from services.domain.reading import DeviceKey

_NEVER: Final = np.iinfo(np.int64).max


class Lineage(NamedTuple):
    """Of one hour: by which recipe, from which readings. These are those of the quantities the activity is
    counted by, over all devices: the earliest, the latest and how many; None and 0 where there are none."""

    recipe: UUID
    read_from: datetime | None
    read_to: datetime | None
    readings: int


class Lineages(NamedTuple):
    """The lineages of some rows, in their order, and the recipes they name."""

    rows: list[Lineage]
    recipes: dict[UUID, str]
    """Documents by id."""


def lineages(
    plan: Plan, recipes: Recipes, readings: Iterable[Readings], rows: Sequence[EmissionHour]
) -> Lineages:
    """Of rows that were computed from `readings`, which hold what `kernel.measure` asks for."""
    hours = _Hours(plan)
    of_row = [recipes.of(row.source, *hours.of(row)) for row in rows]
    begin, end, count = _read(plan, readings, rows, of_row, hours)
    return Lineages(
        [
            Lineage(recipe.id, from_us(first), from_us(last), number)
            if number
            else Lineage(recipe.id, None, None, 0)
            for recipe, first, last, number in zip(
                of_row, begin.tolist(), end.tolist(), count.tolist(), strict=True
            )
        ],
        {recipe.id: recipe.document for recipe in of_row},
    )


class _Hours:
    """When hours begin and end, each asked for once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[tuple[str, datetime], tuple[int, int]] = {}

    def of(self, row: EmissionHour) -> tuple[int, int]:
        key = row.source.site, row.hour
        found = self._known.get(key)
        if found is None:
            begin_us = to_us(row.hour)
            found = begin_us, self._plan.sites[row.source.site].grid.ceil(begin_us + 1)
            self._known[key] = found
        return found


def _read(
    plan: Plan,
    readings: Iterable[Readings],
    rows: Sequence[EmissionHour],
    recipes: Sequence[Recipe],
    hours: _Hours,
) -> tuple[IntArray, IntArray, IntArray]:
    """Of each row the first reading, the last, and how many."""
    wanted: defaultdict[str, list[tuple[int, DeviceKey, int, int]]] = defaultdict(list)
    for at, (row, recipe) in enumerate(zip(rows, recipes, strict=True)):
        for device, quantity in recipe.feeds:
            wanted[f"{device.kind}/{quantity}"].append((at, device, *hours.of(row)))
    begin, end = np.full(len(rows), _NEVER), np.full(len(rows), -_NEVER)
    count = np.zeros(len(rows), np.int64)
    for batch in readings:
        index = {key: position for position, key in enumerate(batch.devices)}
        for name in [each for each in wanted if each.startswith(f"{batch.kind}/")]:
            asked = [each for each in wanted[name] if each[1] in index]
            if not asked:
                continue
            number, of_hours = _hours(plan, asked, index)
            found = used(batch, name.partition("/")[2], of_hours)
            some = found.readings > 0
            np.minimum.at(begin, number[some], found.first_us[some])
            np.maximum.at(end, number[some], found.last_us[some])
            np.add.at(count, number[some], found.readings[some])
    return begin, end, count


def _hours(
    plan: Plan, asked: Sequence[tuple[int, DeviceKey, int, int]], index: Mapping[DeviceKey, int]
) -> tuple[IntArray, Hours]:
    number, device, begin_us, end_us = zip(*asked, strict=True)
    reach_us = {key: _reach_us(plan.history(key)) for key in set(device)}
    return np.array(number, np.int64), Hours(
        np.array([index[key] for key in device], np.int64),
        np.array(begin_us, np.int64),
        np.array(end_us, np.int64),
        np.array([reach_us[key][0] for key in device], np.int64),
        np.array([reach_us[key][1] for key in device], np.int64),
    )


def _reach_us(history: DeviceHistory) -> tuple[int, int]:
    """How far before an hour, and after it, a gauge's readings may matter to it."""
    holds = dict.fromkeys((False, True), -1)
    for rules in history.periods:
        holds[rules.interval_mean] = max(holds[rules.interval_mean], rules.hold_us)
    return holds[False], holds[True]
