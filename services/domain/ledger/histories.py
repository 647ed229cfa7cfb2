"""The items of a stack over its hours: what substitution looks back on."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from services.domain.arrays import FloatArray
from services.domain.conversion import SourceKey
from services.domain.ledger.hours import IntArray
from services.domain.ledger.track import Window
from services.domain.reading import DeviceKey
from services.domain.substitution import History

CO2_ITEM: Final = "co2_kg"
"""The item of a stack's hour that is its emission; the others are quantities."""


class ItemKey(NamedTuple):
    """One item of one stack of a source."""

    source: SourceKey
    device: DeviceKey
    item: str


def history_of(item: str, hour_us: IntArray, ran_h: FloatArray, measured: FloatArray) -> History:
    """The history of an item from its rows (`rows.StackHour`), in order of time; NaN where not measured. That
    of the emission is per hour of running."""
    ran = ran_h > 0.0
    if item != CO2_ITEM:
        return History(hour_us, ran, measured)
    return History(hour_us, ran, np.divide(measured, ran_h, out=np.full(len(ran), np.nan), where=ran))


def joined(stored: History | None, window: Window, here: History) -> History:
    """What is stored outside the window, and what was made `here` within it."""
    if stored is None:
        return _sorted(here)
    outside = (stored.hour_us < window.begin_us) | (stored.hour_us >= window.end_us)
    return _sorted(
        History(
            np.concatenate([stored.hour_us[outside], here.hour_us]),
            np.concatenate([stored.ran[outside], here.ran]),
            np.concatenate([stored.value[outside], here.value]),
        )
    )


def _sorted(history: History) -> History:
    order = np.argsort(history.hour_us, kind="stable")
    return History(history.hour_us[order], history.ran[order], history.value[order])
