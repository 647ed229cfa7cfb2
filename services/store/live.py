"""The live stream of emissions: written with the readings, never restated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.domain.ledger.hours import from_us
from services.store.binary_copy import HEADER, TRAILER, Column, encode, floats, instants, integers, text
from services.store.pool import Connection


class LiveBlock(NamedTuple):
    """The rates that readings stood for, as parallel arrays; one row for each reading and source. Rows of the
    same source and device follow each other by time, those of each of its streams by themselves."""

    source_ids: npt.NDArray[np.int64]
    device_ids: npt.NDArray[np.int64]
    times_us: npt.NDArray[np.int64]
    """Device time, microseconds since 1970."""
    basis: str | None
    co2_kg_per_h: npt.NDArray[np.float64]
    """NaN where unknown."""
    co2e_kg_per_h: npt.NDArray[np.float64]
    """NaN where unknown."""
    factor_ids: npt.NDArray[np.float64]
    """NaN where no published factor was used."""


_COPY = """
COPY core.live_emission (source_id, device_id, time, basis, co2_kg_per_h, co2e_kg_per_h, factor_id, newest)
FROM STDIN (FORMAT binary)
"""

# The least and the last instant are constants to the planner, so that it sees few chunks.
_MISSING = """
SELECT wanted.position - 1
FROM unnest(%(source_ids)s::integer[], %(device_ids)s::integer[], %(times)s::timestamptz[])
    WITH ORDINALITY AS wanted (source_id, device_id, time, position)
WHERE NOT EXISTS (
    SELECT FROM core.live_emission l
    WHERE l.source_id = wanted.source_id AND l.device_id = wanted.device_id AND l.time = wanted.time
        AND l.newest AND l.time BETWEEN %(first)s AND %(last)s
)
ORDER BY wanted.position
"""

_STATE = """
SELECT (SELECT coalesce(max(version_id), 0) FROM core.registry_version),
    (SELECT coalesce(max(factor_id), 0) FROM core.factor),
    current_setting('transaction_read_only') = 'off'
"""


async def copy_live(connection: Connection, blocks: Iterable[LiveBlock]) -> None:
    """Append live rates."""
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        await copy.write(HEADER)
        for block in blocks:
            await copy.write(encode(_columns(block)))
        await copy.write(TRAILER)


async def missing_live(connection: Connection, blocks: Iterable[LiveBlock]) -> list[LiveBlock]:
    """Of these rows, of the newest readings of their devices, those whose device has none yet for that source
    and instant."""
    missing = []
    for block in blocks:
        times = [from_us(time_us) for time_us in block.times_us.tolist()]
        if not times:
            continue
        cursor = await connection.execute(
            _MISSING,
            {
                "source_ids": block.source_ids.tolist(),
                "device_ids": block.device_ids.tolist(),
                "times": times,
                "first": min(times),
                "last": max(times),
            },
        )
        missing.append(_rows(block, [position for (position,) in await cursor.fetchall()]))
    return missing


def _rows(block: LiveBlock, positions: list[int]) -> LiveBlock:
    """Some rows of a block."""
    rows = np.array(positions, np.int64)
    return LiveBlock(
        block.source_ids[rows],
        block.device_ids[rows],
        block.times_us[rows],
        block.basis,
        block.co2_kg_per_h[rows],
        block.co2e_kg_per_h[rows],
        block.factor_ids[rows],
    )


def _columns(block: LiveBlock) -> list[Column]:
    no_factor = np.isnan(block.factor_ids)
    factor_ids = integers(np.where(no_factor, 0, block.factor_ids), 4)
    return [
        integers(block.source_ids, 4),
        integers(block.device_ids, 4),
        instants(block.times_us),
        text(block.basis, len(block.times_us)),
        floats(block.co2_kg_per_h),
        floats(block.co2e_kg_per_h),
        Column(factor_ids.data, ~no_factor),
        integers(_newest(block), 1),
    ]


def _newest(block: LiveBlock) -> npt.NDArray[np.bool_]:
    """Whether a row is the last of its device and source in a row: who looks for the newest needs no
    other."""
    last = np.ones(len(block.times_us), np.bool_)
    last[:-1] = (block.source_ids[1:] != block.source_ids[:-1]) | (
        block.device_ids[1:] != block.device_ids[:-1]
    )
    return last


async def reference_state(connection: Connection) -> tuple[int, int, bool]:
    """The newest registry version and factor, and whether the database takes writes.

    Where either number changes, what follows from registry and factors is out of date.
    """
    cursor = await connection.execute(_STATE)
    row = await cursor.fetchone()
    assert row is not None, "a SELECT without FROM gives a row"
    version_id, factor_id, writable = row
    return version_id, factor_id, writable
