"""A reading, as it goes from the decoder to the database: one type for every kind."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from services.domain.quantities import Kind

Values: TypeAlias = tuple[float | bool | None, ...]
"""What was measured, in the order of the kind's quantities; None where nothing was."""


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
    values: Values
    status: int = 0
    quantity_status: str | None = None
    extra: str | None = None


class Measured(Protocol):
    """What has the fields of a `Reading`."""

    @property
    def device(self) -> DeviceKey:
        """Whose it is."""

    @property
    def time(self) -> datetime:
        """Device time, aware, UTC."""

    @property
    def seq(self) -> int | None:
        """The device's own number."""

    @property
    def values(self) -> Values:
        """In the order of the kind's quantities."""

    @property
    def status(self) -> int:
        """Code of the word that all quantities have."""

    @property
    def quantity_status(self) -> str | None:
        """JSON of the words by quantity."""

    @property
    def extra(self) -> str | None:
        """JSON of unknown fields."""
