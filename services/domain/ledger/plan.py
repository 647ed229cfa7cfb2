"""The registry and the factors, compiled for the ledger: histories of devices, and who contributes to what
and when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from services.domain.conversion import (
    Conversion,
    Member,
    SourceKey,
    change_points,
    compile_conversions,
    device_key,
    members,
)
from services.domain.energy import EnergyUse, compile_energy_uses
from services.domain.factors import FactorBook
from services.domain.ledger.hours import HourGrid, to_us
from services.domain.ledger.rules import DeviceHistory, compile_history
from services.domain.reading import DeviceKey
from services.domain.registry.facts import all_devices
from services.domain.registry.model import Registry, Site

# No reading is older or newer than this, and no factor either.
_FIRST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class SitePlan:
    """One site. Its epochs are the stretches of time between the instants at which conversions may change;
    epoch 0 is before the first. What is in force in an epoch is compiled when it is first asked for."""

    def __init__(self, site_id: str, site: Site, factors: FactorBook) -> None:
        self._registry = Registry(version=1, sites={site_id: site})
        self.site: Final = site
        self.factors: Final = factors
        self._conversions: dict[int, dict[DeviceKey, tuple[Conversion, ...]]] = {}
        self._uses: dict[int, dict[DeviceKey, EnergyUse]] = {}
        self.grid: Final = HourGrid(ZoneInfo(site.timezone))
        points = change_points(self._registry, factors, _FIRST, _LAST)
        self._starts: Final = (_FIRST, *points)
        instants = np.array([to_us(point) for point in points], np.int64)
        self.histories: Final[Mapping[DeviceKey, DeviceHistory]] = {
            device_key(site_id, ref): compile_history(site, ref, device, self.grid, instants)
            for ref, device in site.devices.items()
        }
        self._instants = instants.tolist()
        self.members: Final[Mapping[SourceKey, tuple[DeviceKey, ...]]] = {
            SourceKey(site_id, source_id): tuple(
                sorted(device_key(site_id, ref) for ref in all_devices(source))
            )
            for source_id, source in site.sources.items()
        }

    def conversions(self, epoch: int) -> Mapping[DeviceKey, tuple[Conversion, ...]]:
        """Those in force in the epoch."""
        if epoch not in self._conversions:
            at = self._starts[epoch]
            self._conversions[epoch] = compile_conversions(self._registry, self.factors, at)
        return self._conversions[epoch]

    def epochs(self, begin_us: int, end_us: int) -> range:
        """The epochs that a stretch of time has a part in."""
        return range(bisect_right(self._instants, begin_us), bisect_left(self._instants, end_us) + 1)

    def start(self, epoch: int) -> datetime:
        """When the epoch begins."""
        return self._starts[epoch]

    def members_in(self, epoch: int) -> Mapping[str, list[Member]]:
        """The devices of each source in force in the epoch, in the order of their conversions."""
        found: defaultdict[str, list[Member]] = defaultdict(list)
        for member in members(self.site, self.factors, self._starts[epoch]):
            found[member.source].append(member)
        return found

    def uses(self, epoch: int) -> Mapping[DeviceKey, EnergyUse]:
        """The energy uses in force in the epoch."""
        if epoch not in self._uses:
            self._uses[epoch] = compile_energy_uses(self._registry, self.factors, self._starts[epoch])
        return self._uses[epoch]


class Plan:
    """All sites of a registry, under one set of factors."""

    def __init__(self, registry: Registry, factors: FactorBook) -> None:
        self.sites: Final[Mapping[str, SitePlan]] = {
            site_id: SitePlan(site_id, site, factors) for site_id, site in registry.sites.items()
        }
        self._unregistered = DeviceHistory(HourGrid(UTC))
        sources: defaultdict[DeviceKey, list[SourceKey]] = defaultdict(list)
        for site in self.sites.values():
            for source, devices in site.members.items():
                for device in devices:
                    sources[device].append(source)
        self._sources: Final[Mapping[DeviceKey, list[SourceKey]]] = dict(sources)

    def history(self, device: DeviceKey) -> DeviceHistory:
        """Of a device the registry does not know, one without rules: by its site's clock, else by UTC."""
        site = self.sites.get(device.site)
        if site is None:
            return self._unregistered
        return site.histories.get(device) or DeviceHistory(site.grid)

    def sources_of(self, device: DeviceKey) -> tuple[SourceKey, ...]:
        """The sources that the device feeds at any time."""
        return tuple(self._sources.get(device, ()))

    def members(self, source: SourceKey) -> tuple[DeviceKey, ...]:
        """The devices that feed the source at any time, sorted; none where there is no such source."""
        site = self.sites.get(source.site)
        return () if site is None else site.members.get(source, ())
