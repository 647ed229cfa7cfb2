"""What the ledger keeps between rounds: the compiled registry and factors, and ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from services.analytics import stack_hours
from services.domain.conversion import SourceKey
from services.domain.factors import FactorBook
from services.domain.ledger.groups import Groups
from services.domain.ledger.hours import from_us
from services.domain.ledger.plan import Plan
from services.domain.ledger.track import Window
from services.domain.lineage import Recipes
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.store.corrections import Corrections
from services.store.devices import find_devices
from services.store.factors import load_factors
from services.store.ledger import Versions, device_keys, versions
from services.store.ledger_raw import Sent
from services.store.ledger_readings import Stretch
from services.store.ledger_rows import Span
from services.store.pool import Connection
from services.store.registry import load_registry, source_ids


class Known:
    """Of the database, what seldom changes. It may be made anew at any moment: it only saves reading."""

    def __init__(self) -> None:
        self.plan = Plan(Registry(version=1), FactorBook(()))
        self.sources: dict[SourceKey, int] = {}
        self.stacks = stack_hours.JudgedSources()
        self.ids: dict[DeviceKey, int] = {}
        self.keys: dict[int, DeviceKey] = {}
        self.sent = Sent()
        self._groups = Groups(())
        self._buckets: dict[int, int] = {}
        self.recipes = Recipes(self.plan)
        self.corrections = Corrections()
        self._versions: Versions | None = None

    @property
    def registry_version(self) -> int:
        """The number of the registry in force when this was last read; 0 before the first."""
        return 0 if self._versions is None else self._versions.registry

    async def refresh(self, connection: Connection) -> None:
        """Compile registry and factors where either changed, and read corrections. Raises psycopg.Error."""
        await self.corrections.refresh(connection)
        found = await versions(connection)
        if found != self._versions:
            registry = (await load_registry(connection)).registry
            self.plan = Plan(registry, FactorBook(await load_factors(connection)))
            self.recipes = Recipes(self.plan)
            self.sources = await source_ids(connection)
            self.stacks = stack_hours.judged_sources(registry)
            self._groups = Groups(
                [each for site in self.plan.sites.values() for each in site.members.values()]
            )
            self._buckets = {}
            self._versions = found

    async def meet(self, connection: Connection, ids: Collection[int]) -> None:
        """Learn who the devices of the ids are. Raises psycopg.Error."""
        unknown = set(ids) - self.keys.keys()
        if unknown:
            self.keys |= await device_keys(connection, unknown)
            self.ids |= {key: device_id for device_id, key in self.keys.items()}

    def buckets(self, device_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of the lock under which each of the devices, all met before, is computed."""
        found, inverse = np.unique(device_ids, return_inverse=True)
        for device_id in found.tolist():
            if device_id not in self._buckets:
                self._buckets[device_id] = self._groups.bucket(self.keys[device_id])
        return np.array([self._buckets[device_id] for device_id in found.tolist()], np.int64)[inverse]

    async def find(self, connection: Connection, keys: Collection[DeviceKey]) -> None:
        """Learn the ids of devices that were not met before; a device that never sent may have none. Raises
        psycopg.Error."""
        unknown = [key for key in keys if key not in self.ids]
        if unknown:
            self.ids.update(await find_devices(connection, unknown))

    def stretch(self, key: DeviceKey, window: Window) -> Stretch:
        """The window of a device with an id, as the database knows it."""
        return Stretch(self.ids[key], from_us(window.begin_us), from_us(window.end_us))

    def span(self, key: DeviceKey, window: Window) -> Span:
        """The hours of a device with an id that are written whole."""
        return _span(self.ids[key], window)

    def source_span(self, key: SourceKey, window: Window) -> Span:
        """The hours of a source that are written whole."""
        return _span(self.sources[key], window)


def by_kind(keys: Collection[DeviceKey]) -> dict[Kind, list[DeviceKey]]:
    """The devices of each kind, in order."""
    result: defaultdict[Kind, list[DeviceKey]] = defaultdict(list)
    for key in sorted(keys):
        result[key.kind].append(key)
    return result


def _span(number: int, window: Window) -> Span:
    return Span(number, from_us(window.begin_us), from_us(window.end_us))
