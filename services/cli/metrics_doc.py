"""The table of all metrics, docs/metrics.md, made from the services' own definitions.

`python -m services.cli.metrics_doc` writes it; tests hold it equal to them, and to what a running ingest
shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric

from services.analytics.letters import LetterBounds, LetterMetrics
from services.analytics.web.metrics import BoardMetrics
from services.analytics.worker import Metrics as LedgerMetrics
from services.ingest.app import Ingest
from services.settings import Settings

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

_INTRODUCTION: Final = """\
# Metrics

Made by `python -m services.cli.metrics_doc` from the services' own definitions.

Ingest and analytics show them at `/metrics` (ports: [settings](settings.md)), Prometheus collects them, and
the dashboard *Ingest* of Grafana shows those of ingest. No label comes from a topic: sites and devices are in
SQL. Times are in seconds. A counter begins at 0 with its process; the account that outlives processes is
`api.ingest_totals`. Alerts have [runbooks](runbooks/README.md).

Of ingest, `received` = `stored` + `duplicate` + all `rejected`, each counted after its commit. What is
between the broker and the commit is `in_flight`. Where messages, readings or bytes reach the window's
limit, reading from the broker pauses until half of the window is free. `age_seconds` of the oldest is
the longest that anything of a transaction waited inside ingest; `reading_age_seconds` is the way from
the device to the commit, as far as the device's clock is right.
"""


def ingest_registry() -> CollectorRegistry:
    """The metrics of an ingest that does not run."""
    given: dict[str, Any] = {"mqtt_url": "mqtt://localhost", "_env_file": None}
    return Ingest(Settings(**given)).registry


def analytics_registry() -> CollectorRegistry:
    """The metrics of analytics."""
    registry = CollectorRegistry()
    BoardMetrics(registry)
    LedgerMetrics(registry)
    LetterMetrics(registry, LetterBounds(size_bytes=1, settled=timedelta(1), open=timedelta(1)))
    return registry


def families(metrics: Iterable[Metric]) -> dict[str, tuple[str, str]]:
    """Type and meaning of each metric, by the name under which it is queried."""
    found = {}
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        found[name] = metric.type, metric.documentation
    return dict(sorted(found.items()))


def _table(title: str, registry: CollectorRegistry) -> str:
    rows = [
        f"| `{name}` | {type_} | {meaning} |"
        for name, (type_, meaning) in families(registry.collect()).items()
    ]
    return "\n".join([f"## {title}", "| metric | type | what it is |", "|---|---|---|", *rows, ""])


def document() -> str:
    """The text of docs/metrics.md."""
    return "\n".join(
        [
            _INTRODUCTION,
            _table("Ingest", ingest_registry()),
            _table("Analytics", analytics_registry()),
        ]
    )


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
