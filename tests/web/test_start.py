"""Starting analytics: what ends it at once, with one sentence and nothing else on stderr."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.analytics.app import run
from services.settings import Settings
from tests.conftest import with_database


def start(tmp_path: Path, database_url: str, port: int) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CARBONFLOW_")},
        "CARBONFLOW_DATABASE_URL": database_url,
        "CARBONFLOW_ANALYTICS_HTTP_PORT": str(port),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", "analytics"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_port_that_is_taken(tmp_path: Path, database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = start(tmp_path, database_url, port)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line == f"The HTTP port 127.0.0.1:{port} is taken: set CARBONFLOW_ANALYTICS_HTTP_PORT."


def test_a_database_that_refuses(tmp_path: Path, database_url: str) -> None:
    done = start(tmp_path, with_database(database_url, "no_such_database"), 1)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("The database does not exist: ")


@pytest.mark.anyio
async def test_it_serves_until_stopped_while_the_database_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    values: dict[str, Any] = {"_env_file": None, "analytics_http_port": port}
    settings = Settings(database_url=SecretStr("postgresql://a:b@127.0.0.1:1/c"), **values)
    stop = asyncio.Event()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks, httpx.AsyncClient() as client:
        tasks.create_task(run(settings, stop))
        while True:
            with suppress(httpx.TransportError):
                assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
                break
            await asyncio.sleep(0.05)
        stop.set()
