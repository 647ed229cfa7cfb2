"""Scrape configuration and alert rules."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.analytics.letters import LetterBounds, LetterMetrics
from services.analytics.web.metrics import BoardMetrics
from services.analytics.worker import Metrics
from services.ingest.metrics import Metrics as IngestMetrics

if TYPE_CHECKING:
    from tests.deploy.conftest import Compose

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
INGEST = "".join(path.read_text() for path in sorted((ROOT / "services/ingest").glob("*.py")))
"""Some gauges of ingest are made with it; the test of the whole stack sees them live."""
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def names_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression reads."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector) and node.name is not None:
            found.add(node.name)
        for attribute in ("lhs", "rhs", "expr", "vector_selector"):
            if hasattr(node, attribute):
                visit(getattr(node, attribute))
        for argument in getattr(node, "args", None) or ():
            visit(argument)

    visit(promql_parser.parse(expression))
    return found


def known_metrics() -> set[str]:
    registry = CollectorRegistry()
    BoardMetrics(registry)
    Metrics(registry)
    LetterMetrics(registry, LetterBounds(1, timedelta(1), timedelta(1)))
    gauges = {f"carbonflow_ingest_{name}" for name in re.findall(r'gauge\(\s*"(\w+)"', INGEST)}
    samples = {
        sample.name
        for of in (registry, IngestMetrics().registry)
        for metric in of.collect()
        for sample in metric.samples
    }
    families = {metric.name for metric in registry.collect()}
    return samples | families | gauges | {"up"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_reads_metrics_that_exist_and_names_its_runbook(rule: dict[str, Any]) -> None:
    names = names_in(rule["expr"])
    assert names
    assert names <= known_metrics()
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"].endswith(".")
    page = (ROOT / rule["annotations"]["runbook"]).read_text()
    assert page.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS


def test_every_runbook_belongs_to_an_alert_and_is_listed() -> None:
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == {Path(rule["annotations"]["runbook"]).name for rule in RULES}
    listed = dict(
        re.findall(r"^\| (\w+) \| \[.*\]\((.+)\) \|$", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    )
    assert listed == {rule["alert"]: Path(rule["annotations"]["runbook"]).name for rule in RULES}


def test_it_scrapes_the_services_where_they_listen(compose: Compose) -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    for name, setting in (
        ("ingest", "CARBONFLOW_INGEST_HTTP_PORT"),
        ("analytics", "CARBONFLOW_ANALYTICS_HTTP_PORT"),
    ):
        port = compose.services[name]["environment"][setting]
        assert targets[f"carbonflow-{name}"] == [f"{name}:{port}"]
        assert "metrics" in compose.services[name]["networks"]
    assert config["rule_files"] == ["alerts.yml"]
    mounted = [volume.split(":")[1] for volume in compose.services["prometheus"]["volumes"]]
    assert {"/etc/prometheus/prometheus.yml", "/etc/prometheus/alerts.yml"} <= set(mounted)


def test_every_job_of_a_rule_is_scraped() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    named = {job for rule in RULES for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert named <= jobs
