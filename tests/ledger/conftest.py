"""What the tests of the ledger share: a small world of devices, computed without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import pytest

from services.analytics.recompute import Recomputer, Round
from services.domain.conversion import SourceKey
from services.domain.factors import Factor, FactorBook, parse_factors_csv
from services.domain.ledger.hours import QUARTER_US, to_us
from services.domain.ledger.kernel import Ledger, compute
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import readings_of
from services.domain.ledger.rows import DeviceHour, EmissionHour, EnergyHour
from services.domain.ledger.track import Window
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status, quantity
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry
from services.store.devices import create_devices
from services.store.pool import Connection, connect
from services.store.reading_columns import columns_of, copy_readings
from services.store.readings import mark_dirty
from services.store.registry import apply_registry, plan_registry

ROOT = Path(__file__).resolve().parents[2]
T0 = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 5, tzinfo=UTC)
SINCE = "2020-01-01T00:00:00Z"
_SOURCE = ("scope", "method", "carrier", "contracts", "stocks", "ended")


def approx(value: object, *, rel: float | None = None, abs: float | None = None) -> Any:  # noqa: A002
    """`pytest.approx`, of a type that may stand in a tuple beside others."""
    return pytest.approx(value, rel=rel, abs=abs)


def reading(
    device: DeviceKey,
    time: datetime | float,
    status: Status | Mapping[str, str] = Status.VALID,
    **values: float | bool | None,
) -> Reading:
    """A reading at an instant, or so many seconds after T0."""
    if not isinstance(time, datetime):
        time = T0 + timedelta(seconds=time)
    named = None
    if not isinstance(status, Status):
        named = "{" + ",".join(f'"{name}":"{word}"' for name, word in sorted(status.items())) + "}"
        status = Status.VALID
    row = tuple(values.get(name) for name in NAMES[device.kind])
    return Reading(device, time, None, row, STATUS_CODES[status], named)


class World:
    """A registry and readings; the hours that follow from them."""

    def __init__(self, factors: Iterable[Factor], sites: Mapping[str, Any]) -> None:
        registry = Registry.model_validate({"version": 1, "sites": sites})
        self.plan = Plan(registry, FactorBook(factors))

    def hull(
        self, device: DeviceKey, times: Iterable[datetime], reach: timedelta = timedelta(hours=2)
    ) -> Window:
        """The whole hours from the first time to the last, with some more on both sides."""
        grid = self.plan.history(device).grid
        instants = list(times)
        return Window(grid.floor(to_us(min(instants) - reach)), grid.ceil(to_us(max(instants) + reach)))

    def windows(self, readings: Iterable[Reading]) -> tuple[dict[DeviceKey, Window], dict[SourceKey, Window]]:
        """Windows around all readings, the same for all devices of a site."""
        times = defaultdict(list)
        for each in readings:
            times[each.device.site].append(each.time)
        devices = {each.device for each in readings}
        sources = {source for device in devices for source in self.plan.sources_of(device)}
        devices |= {member for source in sources for member in self.plan.members(source)}
        windows = {device: self.hull(device, times[device.site]) for device in sorted(devices)}
        return windows, {source: windows[self.plan.members(source)[0]] for source in sources}

    def ledger(
        self,
        readings: Iterable[Reading],
        windows: Mapping[DeviceKey, Window] | None = None,
        sources: Mapping[SourceKey, Window] | None = None,
    ) -> Ledger:
        """All hours of the readings, or those of the windows."""
        rows = list(readings)
        if windows is None or sources is None:
            windows, sources = self.windows(rows)
        batches = []
        for kind in Kind:
            devices = {key for key in (*windows, *(row.device for row in rows)) if key.kind is kind}
            batches.append(
                readings_of(kind, sorted(devices), [row for row in rows if row.device.kind is kind])
            )
        return compute(self.plan, batches, windows, sources)

    def hours(self, readings: Iterable[Reading], name: str) -> dict[datetime, DeviceHour]:
        """The hours of one quantity of the (only) device that has it."""
        rows = list(readings)
        code = quantity(rows[0].device.kind, name).code
        return {row.hour: row for row in self.ledger(rows).device_hours if row.quantity == code}

    def emissions(self, readings: Iterable[Reading], source: str) -> dict[datetime, EmissionHour]:
        """The hours of a source."""
        return {row.hour: row for row in self.ledger(readings).emission_hours if row.source.source == source}

    def energy(self, readings: Iterable[Reading], device: DeviceKey) -> dict[datetime, EnergyHour]:
        """The hours of a device in the energy view."""
        return {row.hour: row for row in self.ledger(readings).energy_hours if row.device == device}


@pytest.fixture(scope="session")
def factors() -> tuple[Factor, ...]:
    """The published factors."""
    return parse_factors_csv((ROOT / "services/store/factors.csv").read_text(encoding="utf-8"))


MakeWorld = Callable[..., World]


def site_of(
    devices: Mapping[str, Mapping[str, Any]],
    sources: Mapping[str, Mapping[str, Any]] | None = None,
    timezone: str = "Asia/Shanghai",
    **more: Any,
) -> dict[str, Any]:
    """A site of a registry. Facts without `from` have been so since 2020."""
    site = {"timezone": timezone, "region": "CN-SH", "areas": {"a": {}}, "devices": {}, "sources": {}, **more}
    for ref, facts in devices.items():
        site["devices"][ref] = {"facts": facts.get("facts") or [{"from": SINCE, **facts}]}
    for source, described in (sources or {}).items():
        head = {name: described[name] for name in _SOURCE if name in described}
        facts = {name: value for name, value in described.items() if name not in head}
        site["sources"][source] = {**head, "facts": facts.get("facts") or [{"from": SINCE, **facts}]}
    return site


@pytest.fixture(scope="session")
def world(factors: tuple[Factor, ...]) -> MakeWorld:
    """Makes a world of one site, `s`: `world(devices, sources, timezone, ...)`; see `site_of`."""

    def make(*arguments: Any, **more: Any) -> World:
        return World(factors, {"s": site_of(*arguments, **more)})

    return make


class Database:
    """A database with a registry, into which readings come as ingest brings them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.recomputer = Recomputer()

    def at_most(self, readings: int) -> None:
        """Compute about so many readings at once."""
        self.recomputer = Recomputer(readings)

    async def apply(self, sites: Mapping[str, Any]) -> None:
        """Put a registry in force."""
        registry = Registry.model_validate({"version": 1, "sites": sites})
        await apply_registry(self.connection, await plan_registry(self.connection, registry))
        await self.connection.commit()

    async def receive(self, readings: Iterable[Reading]) -> None:
        """Store readings and note what they touch, in one transaction."""
        rows = list(readings)
        async with self.connection.transaction():
            ids = await create_devices(self.connection, {row.device for row in rows})
            for kind in Kind:
                of_kind = [row for row in rows if row.device.kind is kind]
                if of_kind:
                    device_ids = np.array([ids[row.device] for row in of_kind], np.int64)
                    times = np.array([to_us(row.time) for row in of_kind], np.int64)
                    received = np.full(len(of_kind), to_us(NOW))
                    columns = columns_of(kind, device_ids, times, received, of_kind)
                    await copy_readings(self.connection, [columns])
            quarters = [to_us(row.time) // QUARTER_US for row in rows]
            all_ids = [ids[row.device] for row in rows]
            await mark_dirty(self.connection, np.array(all_ids), np.array(quarters))

    async def run(self) -> list[Round]:
        """Compute until nothing is left to do."""
        rounds = []
        while (done := await self.recomputer.run_once(self.connection)) != Round():
            assert done is not None
            rounds.append(done)
        return rounds

    async def fetch(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        cursor = await self.connection.execute(query, parameters)
        rows = await cursor.fetchall()
        await self.connection.commit()
        return rows

    async def ledger(self) -> list[list[tuple[Any, ...]]]:
        """All rows of the ledger, but for when and under which version of the registry they were computed."""
        return [
            await self.fetch("SELECT * FROM core.device_hour ORDER BY device_id, quantity, hour"),
            await self.fetch("SELECT * FROM core.energy_hour ORDER BY device_id, hour"),
            await self.fetch(
                "SELECT (to_jsonb(f) - 'found_at')::text FROM core.finding_hour f"
                " ORDER BY device_id, kind, quantity, hour, begins"
            ),
            await self.fetch(
                "SELECT (to_jsonb(h) - 'computed_at' - 'revision' - 'stands_since'"
                " - 'calculation_id')::text"
                " FROM core.emission_hour h ORDER BY source_id, basis, hour"
            ),
            await self.fetch("SELECT * FROM core.emission_day ORDER BY source_id, day, basis, part"),
            await self.fetch("SELECT * FROM core.energy_day ORDER BY device_id, day, part"),
        ]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    async with await connect(database_url, name="tests of the ledger") as connection:
        yield Database(connection)
