"""The dashboards: as generated, and every query runs as Grafana's role."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from deploy.grafana.build import DASHBOARDS, documents
from services.store.ledger_days import roll_up_days
from services.store.ledger_rows import Span
from services.store.pool import connect
from tests.deploy.test_prometheus import known_metrics, names_in

if TYPE_CHECKING:
    from tests.deploy.conftest import Compose

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {name: json.loads(text) for name, text in documents().items()}
PANELS = [(name, panel) for name, document in DOCUMENTS.items() for panel in document["panels"]]
OF_SQL = [panel for _, panel in PANELS if panel["datasource"]["uid"] == "carbonflow"]
OF_PROMETHEUS = [panel for _, panel in PANELS if panel["datasource"]["uid"] == "prometheus"]

ROWS = (
    "INSERT INTO core.site (site, timezone) VALUES ('campus', 'Asia/Shanghai')",
    "INSERT INTO core.device (site, kind, device, state) VALUES ('campus', 'meter', 'main', 'offline')",
    "INSERT INTO core.device_period (device_id, valid_from, interval_s) VALUES (1, '2020-01-01', 30)",
    (
        "INSERT INTO core.source (site, source, scope, method, carrier)"
        " VALUES ('campus', 'grid', 2, 'electricity', 'electricity')"
    ),
    (
        "INSERT INTO core.source_period (source_id, valid_from, device_ids, in_total)"
        " VALUES (1, '2020-01-01', '{1}', true)"
    ),
    (
        "INSERT INTO core.emission_hour (source_id, hour, basis, activity_unit, co2_kg, factor_provisional,"
        " in_total, coverage, estimated)"
        " VALUES (1, %(hour)s, 'location', 'kWh', 7, false, true, 1, false)"
    ),
    (
        "INSERT INTO core.energy_hour (device_id, hour, carrier, unit, energy_kwh, in_total, coverage,"
        " estimated) VALUES (1, %(hour)s, 'electricity', 'kWh', 12, true, 1, false)"
    ),
    (
        "INSERT INTO core.reading_meter (device_id, time, received_at, power_kw)"
        " VALUES (1, %(hour)s, %(hour)s, 12)"
    ),
    (
        "INSERT INTO core.finding_hour (device_id, kind, quantity, hour, begins, ends, continues, events,"
        " readings) VALUES (1, 'gap', 0, %(hour)s, %(hour)s, %(hour)s, false, 1, 5)"
    ),
    "INSERT INTO core.live_emission (source_id, device_id, time, co2_kg_per_h) VALUES (1, 1, %(hour)s, 7)",
)


def expand(query: str, begin: datetime, end: datetime) -> str:
    """Grafana's macros and variables, as its PostgreSQL data source with TimescaleDB expands them."""
    first, last = (f"'{at.strftime('%Y-%m-%dT%H:%M:%SZ')}'" for at in (begin, end))
    query = query.replace("$__interval", "60s").replace("$site", "'campus','plant'")
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {first} AND {last}", query)
    query = re.sub(r"\$__timeGroup\((\w+), ?'?(\w+)'?\)", r"time_bucket('\2', \1)", query)
    query = query.replace("$__timeFrom()", first).replace("$__timeTo()", last)
    assert "$" not in query
    return query


async def roll_up(url: str, span: Span) -> None:
    """Days, as the ledger makes them after it wrote hours."""
    async with await connect(url, name="tests") as connection:
        await roll_up_days(connection, [span], [span])


@pytest.fixture
def grafana(role_url: Callable[[str], str], database_url: str) -> psycopg.Connection:
    """A database with one source, one meter and one hour, as Grafana's role sees it."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with psycopg.connect(database_url) as owner:
        for statement in ROWS:
            owner.execute(statement.encode(), {"hour": hour})
    asyncio.run(roll_up(database_url, Span(1, hour, hour + timedelta(hours=1))))
    return psycopg.connect(role_url("carbonflow_grafana"))


def test_the_files_are_those_of_the_generator() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS.iterdir()} == documents()


def test_every_query_runs_as_grafanas_role_and_finds_rows(grafana: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    with grafana:
        for panel in OF_SQL:
            for target in panel["targets"]:
                cursor = grafana.execute(
                    expand(target["rawSql"], now - timedelta(days=1), now + timedelta(hours=1)).encode()
                )
                rows = cursor.fetchall()
                columns = [column.name for column in cursor.description or ()]
                assert rows, panel["title"]
                if target["format"] == "time_series":
                    assert columns[:2] == ["time", "metric"], panel["title"]
                    assert isinstance(rows[0][0], datetime)


def test_every_variable_runs_as_grafanas_role(grafana: psycopg.Connection) -> None:
    variables = [
        variable
        for document in DOCUMENTS.values()
        for variable in document.get("templating", {}).get("list", ())
    ]
    with grafana:
        for variable in variables:
            assert grafana.execute(variable["query"].encode()).fetchall() == [("campus",)]


def test_grafanas_role_sees_nothing_else(grafana: psycopg.Connection) -> None:
    with grafana, pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute("SELECT * FROM core.device")


@pytest.mark.parametrize(
    ("name", "panel"), PANELS, ids=lambda each: each["title"] if isinstance(each, dict) else ""
)
def test_a_panel_says_what_it_shows_and_shows_unknown_as_unknown(name: str, panel: dict[str, Any]) -> None:
    assert name.endswith(".json")
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["noValue"] == "—"
    assert panel in OF_SQL or panel in OF_PROMETHEUS
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    assert custom.get("spanNulls") is not True
    assert all("coalesce" not in target.get("rawSql", "").lower() for target in panel["targets"])


@pytest.mark.parametrize("panel", OF_PROMETHEUS, ids=lambda panel: str(panel["title"]))
def test_a_panel_of_prometheus_reads_metrics_that_exist(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "prometheus"
        names = names_in(target["expr"].replace("$__rate_interval", "1m"))
        assert names
        assert names <= known_metrics()


def test_the_data_source_is_the_dashboards_and_has_a_role_of_its_own(compose: Compose) -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/carbonflow.yml").read_text())["datasources"]
    used = {(panel["datasource"]["uid"], panel["datasource"]["type"]) for _, panel in PANELS}
    assert used <= {(source["uid"], source["type"]) for source in sources}
    assert sources[0]["user"] == "carbonflow_grafana"
    assert sources[0]["secureJsonData"]["password"] == "$DB_GRAFANA_PASSWORD"
    assert "DB_GRAFANA_PASSWORD" in compose.services["grafana"]["environment"]
    provider = yaml.safe_load((folder / "dashboards/carbonflow.yml").read_text())["providers"][0]
    mounted = [volume.split(":")[1] for volume in compose.services["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
