"""Messages that the broker delivers again: what became of them the first time holds.

Their transaction may have been committed, and its answer or the acknowledgement lost. Most find themselves as
duplicates without more ado. But the clock has gone on, and a quota may have room again: what was a dead
letter may now look right, and what was stored may look too old. So it is asked what is kept of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.domain.outcome import Outcome, Reason
from services.domain.quantities import Kind
from services.domain.reading import Reading
from services.ingest.letters import Letters
from services.ingest.merge import merge
from services.ingest.message import Decoded, Received, Rejected, Rejection
from services.ingest.plan import columns_by_device
from services.store.dead_letters import kept_keys
from services.store.devices import find_devices
from services.store.pool import Connection
from services.store.readings import compare_readings

# The key of a dead letter does not hang on its reason.
_ANY: Final = Rejection(Reason.FUTURE, "")


async def settled_before(connection: Connection, units: Sequence[Decoded]) -> list[Decoded]:
    """Which of these units, all delivered again, were kept in another form than they would be now."""
    letters = Letters()
    received = {letters.of(unit, _ANY).key: unit for unit in units if isinstance(unit, Received)}
    kept = await kept_keys(connection, list(received)) if received else ()
    untimely = [(unit.reading, unit) for unit in units if isinstance(unit, Rejected) and unit.reading]
    return [*(received[key] for key in kept), *await _stored(connection, untimely)]


async def _stored(connection: Connection, units: Sequence[tuple[Reading, Rejected]]) -> list[Rejected]:
    """Those whose readings are stored, alone or as part of another."""
    if not units:
        return []
    ids = await find_devices(connection, {reading.device for reading, _ in units})
    found: list[Rejected] = []
    for kind in Kind:
        asked = [(reading, unit) for reading, unit in units if reading.device in ids]
        asked = [(reading, unit) for reading, unit in asked if reading.device.kind is kind]
        columns = columns_by_device(kind, [(ids[reading.device], reading) for reading, _ in asked])
        if columns is None:
            continue
        stored = await compare_readings(connection, columns)
        for position, (reading, unit) in enumerate(asked):
            there = stored.different.get(position)
            is_part = there is not None and merge(there, reading).outcome is Outcome.DUPLICATE
            if position in stored.same or is_part:
                found.append(unit)
    return found
