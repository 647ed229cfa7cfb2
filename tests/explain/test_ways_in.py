"""The command, the JSON API and the page."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from services.analytics.web import create_app
from services.settings import Settings
from services.store.pool import open_pool
from tests.explain.conftest import Database
from tests.ledger.test_recompute import PLANT, an_hour

pytestmark = pytest.mark.anyio


@pytest.fixture
async def prepared(database: Database) -> Database:
    await database.apply({"s": PLANT})
    await database.receive(an_hour())
    await database.run()
    return database


@pytest.fixture
async def web(prepared: Database, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    del prepared  # It is in the database.
    async with open_pool(database_url, name="test-explain") as pool:
        transport = httpx.ASGITransport(app=create_app(pool, Settings(_env_file=None)))  # type: ignore[call-arg]
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            yield client


async def run(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`carbonflow explain` as a process of its own."""
    command = [sys.executable, "-m", "services.cli.main", "explain", *arguments]
    environment = {**os.environ, "CARBONFLOW_DATABASE_URL": database_url}
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_the_command(prepared: Database, database_url: str) -> None:
    # By the site's clock: Shanghai is 8 hours ahead.
    done = await run(database_url, "s/steam", "2026-03-01T08:30")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hour 2026-03-01T00:00:00+00:00" in done.stdout
    assert (
        "flowmeter/f\tenthalpy_kj_per_kg\t2768.302465\tkJ/kg\tat the hour's means: IAPWS-IF97" in done.stdout
    )
    assert "Reproduced: computed again from the readings" in done.stdout

    await prepared.fetch("UPDATE core.emission_hour SET co2_kg = co2_kg + 1 RETURNING 1")
    done = await run(database_url, "s/steam", "2026-03-01T00:00Z", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["reproduced"] is False
    assert [figure["name"] for figure in told["figures"] if not figure["same"]] == ["co2_kg"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("steam", "2026-03-01T00:00Z"), 2, "write SITE/SOURCE"),
        (("s/steam", "yesterday"), 2, "'yesterday' is no time"),
        (("s/grid", "2026-03-01T00:00Z", "--basis", "moon"), 2, "'moon' is not one of"),
        (("s/sun", "2026-03-01T00:00Z"), 1, "no source 'sun'"),
    ],
)
async def test_bad_use(
    prepared: Database, database_url: str, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    del prepared
    done = await run(database_url, *arguments)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_api(web: httpx.AsyncClient) -> None:
    asked = {"site": "s", "source": "grid", "hour": "2026-03-01T00:10:00Z", "basis": "location"}
    found = await web.get("/api/v1/explain", params=asked)
    assert found.status_code == 200
    told = found.json()
    assert (told["reproduced"], told["basis"], told["computed_by"]["registry_version"]) == (
        True,
        "location",
        1,
    )
    lines = {line["name"]: line for line in told["lines"]}
    assert (lines["co2_kg"]["value"], lines["co2_kg"]["unit"]) == (57.37, "kg CO2")
    assert "MEE/NBS announcement 2025 No.47" in lines["factor"]["by"]
    described = (await web.get("/api/v1/openapi.json")).json()
    assert "lines" in described["components"]["schemas"]["Explanation"]["properties"]


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({"source": "nothing"}, 404, "no source 'nothing'"),
        ({"hour": "soon"}, 422, "hour is no time"),
        ({"hour": "2026-03-02T09:00:00Z"}, 404, "no reading bears on it"),
        ({"hour": "0001-01-01"}, 404, "no hours of the year 1"),
        ({"hour": "9999-12-31T23:59:59-14:00"}, 404, "no hours of the year 9999"),
        ({"basis": "moon"}, 422, "basis"),
        ({"basis": "market"}, 404, "has no basis 'market'"),
        ({"site": "\0"}, 422, "NUL"),
    ],
)
async def test_refusals(web: httpx.AsyncClient, asked: dict[str, str], status: int, sentence: str) -> None:
    usual = {"site": "s", "source": "grid", "hour": "2026-03-01T00:00:00Z"}
    found = await web.get("/api/v1/explain", params=usual | asked)
    assert found.status_code == status
    assert sentence in found.json()["error"]


async def test_the_page(web: httpx.AsyncClient, prepared: Database) -> None:
    path = "/explain?site=s&source=coal&hour=2026-03-01T00:00Z"
    found = await web.get(path)
    assert found.status_code == 200
    assert "every figure has the same bits" in found.text
    assert "NCV x carbon content x oxidation rate x 44/12 (NDRC eq. 2)" in found.text
    await prepared.fetch("UPDATE core.emission_hour SET factor = '<b>x</b>' RETURNING 1")
    found = await web.get(path)
    assert "Not reproduced" in found.text
    assert "&lt;b&gt;x&lt;/b&gt;" in found.text
    assert "<b>x" not in found.text
