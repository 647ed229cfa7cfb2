"""Findings on the board, in the JSON API, in the metrics and on the command line."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest
from typer.testing import CliRunner

from services.cli.main import app
from tests.web.conftest import Seed, seed, settings, web

__all__ = ["seed", "settings", "web"]
pytestmark = pytest.mark.anyio


def put_back(seed: Seed) -> None:
    """A register that went back an hour ago."""
    seed.site("campus")
    device_id = seed.device("campus", "meter", "main")
    hour = seed.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    seed.reading(device_id, "meter", seed.now())
    seed.put(
        "finding_hour",
        device_id=device_id,
        kind="register_back",
        quantity=1,
        hour=hour,
        begins=hour,
        ends=hour + timedelta(seconds=30),
        continues=False,
        events=1,
        readings=2,
        low=4.0,
        high=835127.37,
    )


async def test_a_finding_is_in_the_api(web: httpx.AsyncClient, seed: Seed) -> None:
    put_back(seed)
    answer = (await web.get("/api/v1/findings", params={"site": "campus"})).json()
    assert answer["more"] is False
    [found] = answer["findings"]
    assert (found["finding"], found["quantity"], found["unit"]) == (
        "register_back",
        "energy_import_kwh",
        "kWh",
    )
    assert found["detail"] == "From 835127.37 back to 4 kWh."
    assert "meter_replaced" in found["advice"]
    assert (await web.get("/api/v1/findings", params={"finding": "gap"})).json()["findings"] == []
    refused = await web.get("/api/v1/findings", params={"finding": "odd"})
    assert (refused.status_code, "there is no finding 'odd'" in refused.text) == (422, True)
    naive = await web.get("/api/v1/findings", params={"from": "2026-01-31T00:00:00"})
    assert (naive.status_code, "no zone" in naive.text) == (422, True)


async def test_a_finding_is_on_the_board_and_counted(web: httpx.AsyncClient, seed: Seed) -> None:
    put_back(seed)
    page = (await web.get("/")).text
    assert "From 835127.37 back to 4 kWh." in page
    metrics = (await web.get("/metrics")).text
    assert 'carbonflow_findings{finding="register_back"} 1.0' in metrics
    assert 'carbonflow_findings{finding="stuck"} 0.0' in metrics


def test_a_finding_is_on_the_command_line(
    database_url: str, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_back(seed)
    monkeypatch.setenv("CARBONFLOW_DATABASE_URL", database_url)
    run = CliRunner()
    [found] = json.loads(run.invoke(app, ["findings", "--since", "24h", "--json"]).stdout)
    assert (found["site"], found["device"], found["finding"]) == ("campus", "main", "register_back")
    lines = run.invoke(app, ["findings", "--site", "campus"]).stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["site", "device", "kind", "finding"]
    assert len(lines) == 2
    assert run.invoke(app, ["findings", "--finding", "gap"]).stdout == "No findings.\n"
    assert run.invoke(app, ["findings", "--finding", "odd"]).exit_code == 2
