"""Devices: their ids, the quota of new ones, and whether they are online."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.store.pool import Connection

_FIND = """
SELECT d.site, d.kind, d.device, d.device_id
FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (site, kind, device)
JOIN core.device d USING (site, kind, device)
"""

_CREATE = """
INSERT INTO core.device (site, kind, device)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
ON CONFLICT (site, kind, device) DO NOTHING
"""

# Devices of the registry are nobody's flood: they have a period.
_NEW_LAST_HOUR = """
SELECT d.site, count(*)
FROM core.device d
WHERE d.site = ANY (%s) AND d.first_seen > now() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM core.device_period p WHERE p.device_id = d.device_id)
GROUP BY d.site
"""

# One at a time for each site, until the transaction ends: else two could both find room for the last device.
# In the order of the keys, so that nobody waits for one who waits for him.
_LOCK_QUOTA = """
SELECT pg_advisory_xact_lock(%s, sites.key)
FROM (SELECT DISTINCT hashtext(site) AS key FROM unnest(%s::text[]) AS site ORDER BY key) AS sites
"""

_QUOTA_LOCKS: Final = 0x71756F74
"""Class of the advisory locks of sites' quotas."""

_SET_STATE = """
UPDATE core.device d
SET state = said.state, state_at = said.at
FROM unnest(%s::integer[], %s::text[], %s::timestamptz[]) AS said (device_id, state, at)
WHERE d.device_id = said.device_id AND d.state IS DISTINCT FROM said.state
    AND (d.state_at IS NULL OR d.state_at <= said.at)
"""


async def find_devices(connection: Connection, keys: Collection[DeviceKey]) -> dict[DeviceKey, int]:
    """The ids of those devices that exist."""
    cursor = await connection.execute(_FIND, _columns(keys))
    return {
        DeviceKey(site, Kind(kind), device): device_id
        for site, kind, device, device_id in await cursor.fetchall()
    }


async def create_devices(connection: Connection, keys: Collection[DeviceKey]) -> dict[DeviceKey, int]:
    """Create devices, or find them where another session was faster. Returns the id of each."""
    await connection.execute(_CREATE, _columns(keys))
    return await find_devices(connection, keys)


async def count_new_devices(connection: Connection, sites: Collection[str]) -> dict[str, int]:
    """How many devices that the registry does not know each site got within the last hour.

    Nobody else can make devices within the quota of these sites until the transaction ends.
    """
    await connection.execute(_LOCK_QUOTA, [_QUOTA_LOCKS, list(sites)])
    cursor = await connection.execute(_NEW_LAST_HOUR, [list(sites)])
    return dict(await cursor.fetchall())


async def set_states(connection: Connection, states: Mapping[int, tuple[str, datetime]]) -> None:
    """Note what devices, by id, said of themselves (`online` or `offline`) and when it was received.

    What came before the state that is noted changes nothing.
    """
    said = [state for state, _ in states.values()]
    at = [received_at for _, received_at in states.values()]
    await connection.execute(_SET_STATE, [list(states), said, at])


def _columns(keys: Collection[DeviceKey]) -> list[list[str]]:
    return [
        [key.site for key in keys],
        [str(key.kind) for key in keys],
        [key.device for key in keys],
    ]
