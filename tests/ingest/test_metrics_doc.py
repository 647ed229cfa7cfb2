"""docs/metrics.md says what is there."""

from __future__ import annotations

from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from services.cli.metrics_doc import DOCUMENT, document, families, ingest_registry
from tests.ingest.conftest import Service


def test_the_document_is_that_of_the_definitions() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python -m services.cli.metrics_doc"


def test_a_running_ingest_shows_what_the_document_lists(service: Service) -> None:
    service.start()
    with urlopen(service.url("/metrics"), timeout=5) as answer:
        shown = families(text_string_to_metric_families(answer.read().decode()))
    assert {name: said for name, said in shown.items() if not name.endswith("_created")} == families(
        ingest_registry().collect()
    )
