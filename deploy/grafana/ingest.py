"""The dashboard of ingest, from what Prometheus collects of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import common

from deploy.grafana.panels import described, lines

with warnings.catch_warnings():
    # As in `panels`.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
    from grafana_foundation_sdk.models import dashboard as model

SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="prometheus")

_Queries = Sequence[tuple[str, str]]
"""PromQL expressions, and what each line is called."""

RATES: Final = (
    ("sum(rate(carbonflow_ingest_stored_total[$__rate_interval]))", "stored"),
    ("sum(rate(carbonflow_ingest_duplicate_total[$__rate_interval]))", "duplicate"),
    ("sum(rate(carbonflow_ingest_rejected_total[$__rate_interval]))", "rejected"),
)
REJECTED: Final = (
    ("sum by (reason) (rate(carbonflow_ingest_rejected_total[$__rate_interval])) > 0", "{{reason}}"),
)
WINDOW: Final = (
    ("carbonflow_ingest_in_flight / carbonflow_ingest_window_limit_messages", "messages {{instance}}"),
    ("carbonflow_ingest_window_readings / carbonflow_ingest_window_limit_readings", "readings {{instance}}"),
    ("carbonflow_ingest_window_bytes / carbonflow_ingest_window_limit_bytes", "bytes {{instance}}"),
)
JOURNAL: Final = (
    ("carbonflow_ingest_journal_bytes / carbonflow_ingest_journal_limit_bytes", "full {{instance}}"),
)
TROUBLE: Final = (
    ("sum(increase(carbonflow_ingest_retries_total[$__rate_interval]))", "transactions tried again"),
    ("sum(increase(carbonflow_ingest_connections_total[$__rate_interval]))", "subscriptions"),
    ("sum(increase(carbonflow_ingest_results_dropped_total[$__rate_interval]))", "results dropped"),
    ("sum(increase(carbonflow_ingest_unknown_fields_dropped_total[$__rate_interval]))", "fields dropped"),
)


def _quantile(share: float, histogram: str, labels: str = "") -> str:
    return (
        f"histogram_quantile({share}, sum by (le) "
        f"(rate(carbonflow_ingest_{histogram}_bucket{labels}[$__rate_interval])))"
    )


AGES: Final = (
    (_quantile(0.99, "age_seconds", '{of="oldest"}'), "oldest of a transaction, 99 %"),
    (_quantile(0.5, "age_seconds", '{of="oldest"}'), "oldest of a transaction, median"),
    (_quantile(0.5, "age_seconds", '{of="newest"}'), "newest of a transaction, median"),
    (_quantile(0.5, "reading_age_seconds"), "from its ts, median"),
)
TRANSACTIONS: Final = (
    (_quantile(0.99, "commit_seconds"), "99 %"),
    (_quantile(0.5, "commit_seconds"), "median"),
)
SIZES: Final = (
    (_quantile(0.99, "batch_readings"), "99 %"),
    (_quantile(0.5, "batch_readings"), "median"),
)


def _query(expression: str, legend: str, reference: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(reference).range()
    return query.datasource(SOURCE)


def _stat(title: str, description: str, unit: str, expression: str) -> stat.Panel:
    panel = stat.Panel().color_mode(common.BigValueColorMode.NONE).height(5)
    panel = panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = described(panel, title, description, unit, SOURCE).span(6)
    return panel.with_target(_query(expression, "", "A"))


def _lines(title: str, description: str, unit: str, queries: _Queries) -> timeseries.Panel:
    panel = described(lines(), title, description, unit, SOURCE).span(12)
    for letter, (expression, legend) in zip("ABCD", queries, strict=False):
        panel = panel.with_target(_query(expression, legend, letter))
    return panel


def _panels() -> Sequence[stat.Panel | timeseries.Panel]:
    return (
        _stat(
            "Connected",
            "Ingest processes that are subscribed at the broker.",
            "short",
            "sum(carbonflow_ingest_connected)",
        ),
        _stat(
            "Readings a second",
            "Committed in any outcome.",
            "suffix: /s",
            "sum(rate(carbonflow_ingest_received_total[$__rate_interval]))",
        ),
        _stat(
            "In the journal",
            "Messages kept while the database is away.",
            "short",
            "sum(carbonflow_ingest_journal_messages)",
        ),
        _stat(
            "Journal lasts",
            "Until the journal would be full at today's rate: the shortest of all processes.",
            "m",
            "min(carbonflow_ingest_journal_minutes_left)",
        ),
        _lines("Outcomes", "Readings a second, after their commit.", "suffix: /s", RATES),
        _lines("Rejected by reason", "Dead letters a second.", "suffix: /s", REJECTED),
        _lines(
            "How old readings are at their commit",
            "From their receipt, and from their ts where that is close to it.",
            "s",
            AGES,
        ),
        _lines("Window", "Full at 100 %: then the broker waits.", "percentunit", WINDOW),
        _lines("Time of a transaction", "From its beginning to its commit.", "s", TRANSACTIONS),
        _lines(
            "Readings in a transaction", "Few where little comes, up to the limit of a batch.", "short", SIZES
        ),
        _lines("Journal", "Share of its limit; full, ingest stops reading.", "percentunit", JOURNAL),
        _lines("Trouble", "Each is worth a look where it stays.", "short", TROUBLE),
    )


def ingest() -> model.Dashboard:
    """Ingest: what comes, how long it takes, what is in the way."""
    built = dashboard.Dashboard("Ingest").uid("carbonflow-ingest").tags(["carbonflow"]).readonly()
    built = built.description("Of the ingest processes together, as Prometheus saw them.")
    built = built.time("now-6h", "now").refresh("30s").timezone("browser")
    for panel in _panels():
        built = built.with_panel(panel)
    return built.build()
