"""The lineage of emission hours: their recipe, and which readings they rest on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np

from services.domain.ledger.hours import SECOND_US, IntArray, to_us
from services.domain.ledger.plan import Plan, SitePlan
from services.domain.ledger.readings import Readings
from services.domain.ledger.rows import EmissionHour, SourceBasis
from services.domain.ledger.rules import DeviceHistory
from services.domain.ledger.used import Hours, used
from services.domain.lineage import Recipe, Recipes
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey

_NEVER: Final = np.iinfo(np.int64).max


class Lineage(NamedTuple):
    """Of one hour: by which recipe, from which readings. These are those of the quantities the activity is
    counted by, over all devices: the earliest, the latest and how many; None and 0 where there are none."""

    recipe: UUID
    read_from: datetime | None
    read_to: datetime | None
    readings: int


Read = tuple[UUID, datetime | None, datetime | None, int]
"""A `Lineage`, of which there are many."""


class Lineages(NamedTuple):
    """The lineages of some rows, in their order, and the recipes they name."""

    rows: list[Read]
    recipes: dict[UUID, str]
    """Documents by id."""


def lineages(
    plan: Plan, recipes: Recipes, readings: Iterable[Readings], rows: Sequence[EmissionHour]
) -> Lineages:
    """Of rows that were computed from `readings`, which hold what `kernel.measure` asks for. Rows of a source
    in a row, by hour, are looked at together."""
    runs = list(_runs(plan, recipes, rows))
    begin, end, count = _read(plan, readings, runs, len(rows))
    ids = [recipe for run in runs for recipe in [run.recipe.id] * len(run.begin_us)]
    read = _instants(begin, count), _instants(end, count), count.tolist()
    return Lineages(
        list(zip(ids, *read, strict=True)),
        {run.recipe.id: run.recipe.document for run in runs},
    )


class _Run(NamedTuple):
    """Rows one after the other that have one recipe: the first, and their hours."""

    first: int
    recipe: Recipe
    begin_us: list[int]
    end_us: list[int]


def _runs(plan: Plan, recipes: Recipes, rows: Sequence[EmissionHour]) -> Iterator[_Run]:
    hours: dict[tuple[str, datetime], tuple[int, int, range]] = {}
    run: _Run | None = None
    source: SourceBasis | None = None
    epochs = range(0)
    for number, row in enumerate(rows):
        key = row.source.site, row.hour
        if key not in hours:
            hours[key] = _hour(plan.sites[key[0]], row.hour)
        begin_us, end_us, of_hour = hours[key]
        # Stocks change from hour to hour.
        if run is None or row.source != source or of_hour != epochs or run.recipe.changes:
            if run is not None:
                yield run
            source, epochs = row.source, of_hour
            run = _Run(number, recipes.of(source, begin_us, end_us), [], [])
        run.begin_us.append(begin_us)
        run.end_us.append(end_us)
    if run is not None:
        yield run


def _hour(site: SitePlan, hour: datetime) -> tuple[int, int, range]:
    """When it begins and ends, and the epochs it has a part in."""
    begin_us = to_us(hour)
    end_us = site.grid.ceil(begin_us + 1)
    return begin_us, end_us, site.epochs(begin_us, end_us)


def _instants(times_us: IntArray, count: IntArray) -> list[datetime | None]:
    """As aware instants; None where nothing was counted. Seconds hold every microsecond until 2106."""
    seconds = np.where(count > 0, times_us, 0) / SECOND_US
    known: list[datetime | None] = list(map(datetime.fromtimestamp, seconds.tolist(), repeat(UTC)))
    for index in np.flatnonzero(count == 0).tolist():
        known[index] = None
    return known


def _read(
    plan: Plan, readings: Iterable[Readings], runs: Sequence[_Run], size: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Of each row the first reading, the last, and how many."""
    wanted: defaultdict[tuple[Kind, str], list[tuple[DeviceKey, _Run]]] = defaultdict(list)
    for run in runs:
        for device, quantity in run.recipe.feeds:
            wanted[device.kind, quantity].append((device, run))
    begin, end = np.full(size, _NEVER), np.full(size, -_NEVER)
    count = np.zeros(size, np.int64)
    for batch in readings:
        index = {key: position for position, key in enumerate(batch.devices)}
        for quantity in [quantity for kind, quantity in wanted if kind is batch.kind]:
            asked = [each for each in wanted[batch.kind, quantity] if each[0] in index]
            if not asked:
                continue
            at, of_hours = _hours(plan, asked, index)
            found = used(batch, quantity, of_hours)
            some = found.readings > 0
            np.minimum.at(begin, at[some], found.first_us[some])
            np.maximum.at(end, at[some], found.last_us[some])
            np.add.at(count, at[some], found.readings[some])
    return begin, end, count


def _hours(
    plan: Plan, asked: Sequence[tuple[DeviceKey, _Run]], index: Mapping[DeviceKey, int]
) -> tuple[IntArray, Hours]:
    """The rows asked for, and their hours."""
    lengths = [len(run.begin_us) for _, run in asked]
    reach = np.array([_reach_us(plan.history(device)) for device, _ in asked], np.int64).reshape(-1, 2)
    at = np.concatenate([np.arange(run.first, run.first + len(run.begin_us)) for _, run in asked])
    return at, Hours(
        np.repeat(np.array([index[device] for device, _ in asked], np.int64), lengths),
        np.array([each for _, run in asked for each in run.begin_us], np.int64),
        np.array([each for _, run in asked for each in run.end_us], np.int64),
        np.repeat(reach[:, 0], lengths),
        np.repeat(reach[:, 1], lengths),
    )


def _reach_us(history: DeviceHistory) -> tuple[int, int]:
    """How far before an hour, and after it, a gauge's readings may matter to it."""
    holds = dict.fromkeys((False, True), -1)
    for rules in history.periods:
        holds[rules.interval_mean] = max(holds[rules.interval_mean], rules.hold_us)
    return holds[False], holds[True]
