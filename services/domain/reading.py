"""A reading, as it goes from the decoder to the database: one type for every kind."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.domain.quantities import Kind


class DeviceKey(NamedTuple):
    """What a device is known by: the ids of its topic."""

    site: str
    kind: Kind
    device: str


class Reading(NamedTuple):
    """What one device measured at one instant.

    `values` are in the order of `quantities.QUANTITIES[kind]`, None where not measured. `status` is the code
    of `quantities.STATUS_CODES` that all quantities have, or 0 where they differ: then `quantity_status` is
    the canonical JSON object (sorted keys, no blanks) of the quantities that are not valid, name to word.
    `extra` is the JSON text of fields the contract does not know, None where there are none.
    """

    device: DeviceKey
    time: datetime
    """Device time, aware, UTC, to the microsecond."""
    seq: int | None
    values: tuple[float | bool | None, ...]
    status: int = 0
    quantity_status: str | None = None
    extra: str | None = None
