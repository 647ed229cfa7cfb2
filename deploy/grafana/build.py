"""The dashboards of Grafana as code: `python -m deploy.grafana.build` writes them as JSON.

Grafana reads the JSON; a test holds it equal to this, and runs every query as Grafana's role.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common

from deploy.grafana.ingest import ingest
from deploy.grafana.panels import Panel, described, lines

with warnings.catch_warnings():
    # It prefers its second schema, which Grafana does not yet take from files by default.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries
    from grafana_foundation_sdk.models import dashboard as model

DASHBOARDS: Final = Path(__file__).parent / "dashboards"
SOURCE: Final = common.DataSourceRef(type_val="grafana-postgresql-datasource", uid="carbonflow")


class Sql(Builder[Dataquery]):
    """A query of Grafana's PostgreSQL data source, for which the SDK has no type of its own."""

    def __init__(self, sql: str, *, series: bool) -> None:
        self._sql = " ".join(sql.split())
        self._series = series

    def build(self) -> Dataquery:
        """The query as Grafana stores it: a time series (time, metric, value) or a table."""
        return UnknownDataquery(
            {
                "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
                "editorMode": "code",
                "format": "time_series" if self._series else "table",
                "rawQuery": True,
                "rawSql": self._sql,
                "refId": "A",
            }
        )


def _stat(title: str, description: str, unit: str, sql: str, span: int = 6) -> stat.Panel:
    """A number for each row of the query: the first column names it, the second is it."""
    everything = common_builders.ReduceDataOptions().values(True).calcs(["lastNotNull"])
    panel = stat.Panel().reduce_options(everything).color_mode(common.BigValueColorMode.NONE)
    panel = panel.graph_mode(common.BigValueGraphMode.NONE).height(5)
    return _described(panel, title, description, unit).span(span).with_target(Sql(sql, series=False))


def _lines(title: str, description: str, unit: str, sql: str, span: int = 12) -> timeseries.Panel:
    """A line for each metric; a gap where a value is unknown."""
    return _described(lines(), title, description, unit).span(span).with_target(Sql(sql, series=True))


def _bars(title: str, description: str, unit: str, sql: str, span: int = 12) -> timeseries.Panel:
    """Stacked bars by hour; none where a value is unknown."""
    panel = _lines(title, description, unit, sql, span).draw_style(common.GraphDrawStyle.BARS)
    stacked = common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    return panel.stacking(stacked).fill_opacity(75).line_width(0).bar_alignment(common.BarAlignment.AFTER)


def _table(title: str, description: str, sql: str, span: int = 12) -> table.Panel:
    return (
        _described(table.Panel().height(9), title, description, "short")
        .span(span)
        .with_target(Sql(sql, series=False))
    )


def _described(panel: Panel, title: str, description: str, unit: str) -> Panel:
    return described(panel, title, description, unit, SOURCE)


CO2_NOW: Final = """
    SELECT site, CASE WHEN bool_and(co2_kg_per_h IS NOT NULL) THEN sum(co2_kg_per_h) END AS co2_kg_per_h
    FROM api.emissions_live WHERE in_total AND site IN ($site) GROUP BY site ORDER BY site
"""
CO2_TODAY: Final = """
    SELECT d.site, sum(d.co2_kg) AS co2_kg
    FROM api.emissions_daily d JOIN api.sites s USING (site)
    WHERE d.in_total AND d.site IN ($site) AND d.day = (now() AT TIME ZONE s.timezone)::date
    GROUP BY d.site ORDER BY d.site
"""
ENERGY_TODAY: Final = """
    SELECT d.site, sum(d.energy_kwh) AS energy_kwh
    FROM api.energy_daily d JOIN api.sites s USING (site)
    WHERE d.in_total AND d.site IN ($site) AND d.day = (now() AT TIME ZONE s.timezone)::date
    GROUP BY d.site ORDER BY d.site
"""
DEVICES_STALE: Final = """
    SELECT site, count(*) FILTER (WHERE stale) AS stale
    FROM api.devices WHERE assigned AND site IN ($site) GROUP BY site ORDER BY site
"""
# Each device's mean in a bucket, summed over the devices of a source; unknown where one of them is.
RATE_BY_SOURCE: Final = """
    SELECT bucket AS time, site || '/' || source AS metric,
        CASE WHEN bool_and(mean IS NOT NULL) THEN sum(mean) END AS co2_kg_per_h
    FROM (
        SELECT $__timeGroup(time, $__interval) AS bucket, site, source, device, avg(co2_kg_per_h) AS mean
        FROM api.emissions_rate
        WHERE $__timeFilter(time) AND site IN ($site) AND basis IS DISTINCT FROM 'market'
        GROUP BY 1, 2, 3, 4
    ) of_device
    GROUP BY bucket, site, source ORDER BY bucket
"""
POWER_BY_METER: Final = """
    SELECT $__timeGroup(time, $__interval) AS time, site || '/' || device AS metric, avg(value) AS power_kw
    FROM api.readings
    WHERE $__timeFilter(time) AND kind = 'meter' AND quantity = 'power_kw' AND status = 'valid'
        AND site IN ($site)
    GROUP BY 1, 2 ORDER BY 1
"""
CO2_BY_HOUR: Final = """
    SELECT hour AS time, site || '/' || source AS metric, co2_kg
    FROM api.emissions_hourly
    WHERE $__timeFilter(hour) AND in_total AND site IN ($site) ORDER BY hour
"""
ELECTRICITY_BY_HOUR: Final = """
    SELECT hour AS time, site AS metric,
        CASE WHEN bool_and(energy_kwh IS NOT NULL) THEN sum(energy_kwh) END AS energy_kwh
    FROM api.energy_hourly
    WHERE $__timeFilter(hour) AND in_total AND carrier = 'electricity' AND site IN ($site)
    GROUP BY hour, site ORDER BY hour
"""
COVERAGE_BY_HOUR: Final = """
    SELECT hour AS time, site || '/' || source AS metric, coverage
    FROM api.emissions_hourly
    WHERE $__timeFilter(hour) AND basis IS DISTINCT FROM 'market' AND site IN ($site) ORDER BY hour
"""
DAYS: Final = """
    SELECT d.day, d.site, d.source, d.scope, d.basis, d.co2_kg, d.co2e_kg, d.coverage, d.status, d.in_total
    FROM api.emissions_daily d JOIN api.sites s USING (site)
    WHERE d.day >= (($__timeFrom())::timestamptz AT TIME ZONE s.timezone)::date
        AND d.day <= (($__timeTo())::timestamptz AT TIME ZONE s.timezone)::date AND d.site IN ($site)
    ORDER BY d.day DESC, d.site, d.in_total DESC, d.source
"""
SILENT: Final = """
    SELECT site, area, kind, device, state, last_time, interval_s
    FROM api.devices WHERE (stale OR state = 'offline') AND site IN ($site)
    ORDER BY last_time NULLS FIRST, site, kind, device LIMIT 200
"""

# What is stale is in the table of silent devices.
FINDINGS: Final = """
    SELECT from_time, to_time, site, kind, device, quantity, finding, severity, detail, advice
    FROM api.findings
    WHERE $__timeFilter(from_time) AND finding <> 'stale' AND site IN ($site)
    ORDER BY from_time DESC LIMIT 200
"""


def _sites() -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable("site").label("Site").query("SELECT site FROM api.sites ORDER BY site")
    variable = variable.datasource(SOURCE).refresh(model.VariableRefresh.ON_DASHBOARD_LOAD)
    return variable.multi(True).include_all(True)


def power_and_emissions() -> model.Dashboard:
    """Power and emissions per site."""
    built = dashboard.Dashboard("Power and emissions per site").uid("carbonflow-power-emissions")
    built = built.tags(["carbonflow"]).description("Unknown is a gap or an em dash, never 0.").readonly()
    built = built.time("now-24h", "now").refresh("30s").timezone("browser").with_variable(_sites())
    for panel in _panels():
        built = built.with_panel(panel)
    return built.build()


def _panels() -> Sequence[stat.Panel | table.Panel | timeseries.Panel]:
    return (
        _stat(
            "CO₂ now",
            "Sum of the sources that count in a total; unknown where one of them is. kg CO2/h.",
            "suffix: kg/h",
            CO2_NOW,
        ),
        _stat(
            "CO₂ today",
            "Hours known of the site's running day, sources in total. Provisional.",
            "suffix: kg",
            CO2_TODAY,
        ),
        _stat(
            "Energy today",
            "Hours known of the site's running day, meters in total; of fuels by NCV.",
            "kwatth",
            ENERGY_TODAY,
        ),
        _stat("Silent devices", "Registered devices silent for 3 intervals.", "short", DEVICES_STALE),
        _lines(
            "Emission rate by source",
            "As each reading was understood when it came; never restated. kg CO2/h.",
            "suffix: kg/h",
            RATE_BY_SOURCE,
        ),
        _lines(
            "Power by meter",
            "Active power, valid readings. Sub-meters beside main meters.",
            "kwatt",
            POWER_BY_METER,
        ),
        _bars(
            "CO₂ by hour",
            "The hourly ledger, sources in total: restated when readings come late or a factor is published.",
            "suffix: kg",
            CO2_BY_HOUR,
        ),
        _bars(
            "Electricity by hour",
            "Meters in total; an hour's kWh are its mean kW.",
            "kwatth",
            ELECTRICITY_BY_HOUR,
        ),
        _lines("Coverage", "Share of each hour that readings cover.", "percentunit", COVERAGE_BY_HOUR)
        .min(0)
        .max(1),
        _table("Silent or offline devices", "Longest silent first.", SILENT),
        _table(
            "Findings",
            "What is strange in the readings, what shows it, and what to do. It changes no number.",
            FINDINGS,
            span=24,
        ),
        _table("Days", "By the site's calendar. Sum the rows in total only.", DAYS, span=24),
    )


def documents() -> dict[str, str]:
    """The JSON text of each file of the folder `dashboards`."""
    built = {"ingest.json": ingest(), "power-emissions.json": power_and_emissions()}
    return {
        name: json.dumps(each, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, each in built.items()
    }


def main() -> None:
    """Write the dashboards."""
    DASHBOARDS.mkdir(exist_ok=True)
    for name, text in documents().items():
        (DASHBOARDS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
