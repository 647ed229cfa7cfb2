"""The hours of judged stacks, by the book: valid ones from the means of their quantities, missing ones from
what the source's policy puts in their place.

An hour is one number: the formula at the hour's means, times how long the unit ran. It follows the facts in
force when it begins; a bias adjustment or another policy counts from the next hour on. An hour after which
nobody has been heard is not over: it is told as far as it is known, and not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.domain.conversion import SourceKey
from services.domain.ledger.emissions import Heard, Part, exists
from services.domain.ledger.histories import CO2_ITEM, ItemKey, history_of, joined
from services.domain.ledger.rows import StackHour
from services.domain.ledger.stack_hour import JudgedHour, item_key, judged_hour, measured_of, to_fill
from services.domain.ledger.stack_rows import Filled, settled
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey
from services.domain.substitution import NEEDS_AFTER, History, Policy, fill


class Prepared(NamedTuple):
    """Parts, with the hours of judged stacks apart."""

    others: list[Part]
    hours: list[JudgedHour]


def prepare(parts: Iterable[Part], heard: Mapping[SourceKey, Heard]) -> Prepared:
    """The parts, judged: what was measured, and what is missing."""
    every = list(parts)
    judged = {_stack_hour(part) for part in every if part.judged is not None}
    if not judged:
        return Prepared(every, [])
    others: list[Part] = []
    of_hour: defaultdict[tuple[object, ...], list[Part]] = defaultdict(list)
    for part in every:
        key = _stack_hour(part)
        (of_hour[key] if key in judged else others).append(part)
    hours: list[JudgedHour] = []
    for together in of_hour.values():
        first = min(together, key=lambda part: part.epoch)
        if first.judged is not None and _is_over(first, heard.get(first.conversion.source)):
            hours.append(judged_hour(first, first.judged, together))
        else:
            others += together
    return Prepared(others, hours)


def wanted(prepared: Prepared) -> dict[ItemKey, bool]:
    """The items of which hours outside the windows are asked for; and whether they are even where no valid
    hour comes after the windows, for a gap may be closed within them, or need not be."""
    first: dict[ItemKey, int] = {}
    for hour in prepared.hours:
        for item in to_fill(hour):
            key = item_key(hour, item)
            first[key] = min(hour.part.hour_us, first.get(key, hour.part.hour_us))
    result = dict.fromkeys(first, False)
    for hour in prepared.hours:
        for item in (CO2_ITEM, *hour.policy.judged):
            key = item_key(hour, item)
            if key in first and hour.part.hour_us >= first[key]:
                closes = hour.judged.ran_h > 0.0 and measured_of(hour, item) is not None
                result[key] |= closes or hour.policy.substitution not in NEEDS_AFTER
    return result


def settle(
    prepared: Prepared, stored: Mapping[ItemKey, History], windows: Mapping[SourceKey, Window]
) -> tuple[list[Part], list[StackHour]]:
    """The parts with the hours of judged stacks made by their policies, and the rows of these.

    `stored` are the hours of the ledger from which missing ones follow, by item; those within the sources'
    `windows` are made here.
    """
    filled = _fill(prepared.hours, stored, windows)
    made = [settled(hour, filled) for hour in prepared.hours]
    return [*prepared.others, *(part for part, _ in made)], [row for _, rows in made for row in rows]


def _stack_hour(part: Part) -> tuple[SourceKey, DeviceKey, int]:
    return part.conversion.source, part.conversion.device, part.hour_us


def _is_over(part: Part, heard: Heard | None) -> bool:
    """Whether the hour has a row, and its end has passed when the source was last heard."""
    return heard is not None and exists([part], heard) and part.end_us <= heard.last_us


def _fill(
    hours: Sequence[JudgedHour], stored: Mapping[ItemKey, History], windows: Mapping[SourceKey, Window]
) -> Filled:
    """What stands in for the missing items of the hours."""
    missing: defaultdict[tuple[ItemKey, Policy, float | None], list[int]] = defaultdict(list)
    for hour in hours:
        for item in to_fill(hour):
            key = item_key(hour, item)
            worst = dict(hour.policy.maximum_potential).get(item)
            missing[key, hour.policy.substitution, worst].append(hour.part.hour_us)
    histories = _histories(hours, {key for key, _, _ in missing}, stored, windows)
    return {
        (key, hour_us): substitute
        for (key, policy, worst), wanted in missing.items()
        for hour_us, substitute in fill(
            policy, key.item, histories[key], min(wanted), max(wanted) + 1, worst
        ).items()
        if hour_us in set(wanted)
    }


def _histories(
    hours: Sequence[JudgedHour],
    keys: Iterable[ItemKey],
    stored: Mapping[ItemKey, History],
    windows: Mapping[SourceKey, Window],
) -> dict[ItemKey, History]:
    """What is stored outside the windows, and what was measured within them."""
    own: dict[ItemKey, list[tuple[int, float, float | None]]] = {key: [] for key in keys}
    for hour in hours:
        for item in (CO2_ITEM, *hour.policy.judged):
            if (key := item_key(hour, item)) in own:
                own[key].append((hour.part.hour_us, hour.ran_h, measured_of(hour, item)))
    return {key: joined(stored.get(key), windows[key.source], _made(key, rows)) for key, rows in own.items()}


def _made(key: ItemKey, rows: list[tuple[int, float, float | None]]) -> History:
    hour_us, ran_h, measured = zip(*rows, strict=True)
    return history_of(
        key.item, np.array(hour_us, np.int64), np.array(ran_h), np.array(measured, dtype=np.float64)
    )
