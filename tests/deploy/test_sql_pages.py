"""Every query of the SQL guide and of the runbooks runs as the role that people use."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "docs/sql.md",
    ROOT / "docs/corrections.md",
    ROOT / "docs/explain.md",
    *sorted((ROOT / "docs/runbooks").glob("*.md")),
]
_BLOCK = re.compile(r"^ *```sql\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(SELECT [^`]+ FROM api\.[^`]+)`")


def queries(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return _BLOCK.findall(text) + _INLINE.findall(text)


QUERIES = [(page.name, query) for page in PAGES for query in queries(page)]


def test_the_pages_have_queries() -> None:
    assert len([name for name, _ in QUERIES if name == "sql.md"]) >= 12
    assert len({name for name, _ in QUERIES}) >= 5


def test_every_query_runs(role_url: Callable[[str], str]) -> None:
    with psycopg.connect(role_url("carbonflow_ops")) as connection:
        for name, query in QUERIES:
            try:
                connection.execute(query.encode())
            except psycopg.Error as error:
                pytest.fail(f"{name}: {query}\n{error}")
