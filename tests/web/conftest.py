"""A database with rows as ingest, ledger and registry write them, and the application over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import TracebackType
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from services.analytics.web import create_app
from services.settings import Settings
from services.store.pool import open_pool

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
READING_COLUMN = {
    "meter": "power_kw",
    "flowmeter": "flow_m3_h",
    "cems": "co2_pct",
    "beltscale": "rate_t_h",
}


class Seed:
    """Writes rows straight into the tables; what is not named is what a quiet day would have."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Seed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def execute(self, statement: str, *values: object) -> Any:
        """The first column of the first row."""
        row = self._connection.execute(statement.encode(), values).fetchone()
        return row[0] if row else None

    def put(self, table: str, **columns: object) -> None:
        """Insert a row into a table of schema core."""
        self._connection.execute(_insert(table, columns), list(columns.values()))

    def put_new(self, table: str, **columns: object) -> int:
        """The same for a table whose key is a number it gives itself: that number."""
        statement = sql.SQL("{} RETURNING {}").format(_insert(table, columns), sql.Identifier(f"{table}_id"))
        row = self._connection.execute(statement, list(columns.values())).fetchone()
        assert row is not None
        return int(row[0])

    def now(self) -> datetime:
        """The database's clock."""
        found = self.execute("SELECT now()")
        assert isinstance(found, datetime)
        return found

    def site(
        self, site: str, name: str = "", timezone: str = "Asia/Shanghai", region: str | None = None
    ) -> None:
        self.put("site", site=site, name=name, timezone=timezone, region=region)

    def device(
        self, site: str, kind: str, device: str, interval_s: float | None = 30, state: str | None = "online"
    ) -> int:
        """A device of the registry, or with `interval_s` None one that it does not know."""
        made = self.put_new("device", site=site, kind=kind, device=device, state=state)
        if interval_s is not None:
            self.put("device_period", device_id=made, valid_from=LONG_AGO, interval_s=interval_s)
        return made

    def reading(self, device_id: int, kind: str, at: datetime, value: float = 1.0) -> None:
        columns: dict[str, object] = {READING_COLUMN[kind]: value}
        self.put(f"reading_{kind}", device_id=device_id, time=at, received_at=at, **columns)

    def source(
        self,
        site: str,
        source: str,
        device_ids: list[int],
        *,
        name: str = "",
        scope: int = 1,
        method: str = "fuel",
        carrier: str = "natural_gas",
        in_total: bool = True,
    ) -> int:
        made = self.put_new(
            "source",
            site=site,
            source=source,
            name=name,
            scope=scope,
            method=method,
            carrier=carrier,
        )
        self.put(
            "source_period", source_id=made, valid_from=LONG_AGO, device_ids=device_ids, in_total=in_total
        )
        return made

    def factor_id(self, factor_set: str, fuel: str) -> int:
        found = self.execute(
            "SELECT factor_id FROM core.factor WHERE factor_set = %s AND fuel = %s", factor_set, fuel
        )
        assert isinstance(found, int)
        return found

    def live(
        self,
        source_id: int,
        device_id: int,
        at: datetime,
        co2_kg_per_h: float | None,
        factor_id: int | None = None,
    ) -> None:
        self.put(
            "live_emission",
            source_id=source_id,
            device_id=device_id,
            time=at,
            co2_kg_per_h=co2_kg_per_h,
            factor_id=factor_id,
        )

    def emission_hour(self, source_id: int, hour: datetime, co2_kg: float | None, **others: object) -> None:
        columns: dict[str, object] = {
            "basis": "none",
            "activity_unit": "kWh",
            "factor_provisional": False,
            "in_total": True,
            "coverage": 1.0,
            "estimated": False,
        }
        self.put("emission_hour", source_id=source_id, hour=hour, co2_kg=co2_kg, **(columns | others))

    def energy_hour(self, device_id: int, hour: datetime, energy_kwh: float | None, **others: object) -> None:
        columns: dict[str, object] = {
            "carrier": "electricity",
            "unit": "kWh",
            "in_total": True,
            "coverage": 1.0,
            "estimated": False,
        }
        self.put(
            "energy_hour",
            device_id=device_id,
            hour=hour,
            amount=energy_kwh,
            energy_kwh=energy_kwh,
            **(columns | others),
        )

    def dead_letter(
        self, topic: str, reason: str, detail: str = "why", payload: bytes = b"{}", **others: object
    ) -> None:
        self.put(
            "dead_letter",
            client="ingest",
            topic=topic,
            reason=reason,
            detail=detail,
            payload=payload,
            payload_bytes=len(payload),
            payload_sha256=sha256(payload).digest(),
            key=sha256(topic.encode() + payload).digest(),
            **others,
        )

    def totals(self, stored: int, duplicate: int = 0, rejected: int = 0, client: str = "ingest") -> None:
        self.put(
            "ingest_total",
            client=client,
            received=stored + duplicate + rejected,
            stored=stored,
            duplicate=duplicate,
            rejected=rejected,
        )

    def dirty(self, at: datetime) -> None:
        self.put("dirty", written_at=at, device_ids=[1], quarters=[1])


def _insert(table: str, columns: Mapping[str, object]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier("core", table),
        sql.SQL(", ").join(sql.Identifier(name) for name in columns),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )


@pytest.fixture
def seed(database_url: str) -> Iterator[Seed]:
    """Rows in the test's own database."""
    with Seed(database_url) as rows:
        yield rows


@pytest.fixture
def settings() -> Settings:
    """Every look reads the database anew."""
    values: dict[str, Any] = {"_env_file": None, "board_refresh_s": 1e-6}
    return Settings(**values)


@pytest.fixture
async def web(database_url: str, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application over the test's own database."""
    async with open_pool(database_url, name="test-web") as pool:
        transport = httpx.ASGITransport(app=create_app(pool, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            yield client
