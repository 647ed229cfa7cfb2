"""The JSON API over a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from services.analytics.web import api, create_app, errors
from services.analytics.web.app import utc_now
from services.analytics.web.health import READY_LAG_S
from services.analytics.web.reader import BoardReader
from services.store.ledger_days import roll_up_days
from services.store.ledger_rows import Span
from services.store.pool import connect, open_pool

if TYPE_CHECKING:
    from services.settings import Settings
    from tests.web.conftest import Seed

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


async def get(web: httpx.AsyncClient, path: str, **params: str) -> Any:
    answer = await web.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refusal(web: httpx.AsyncClient, path: str, status: int, **params: str) -> str:
    answer = await web.get(path, params=params)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    return str(body["error"])


async def test_sites(web: httpx.AsyncClient, seed: Seed) -> None:
    assert await get(web, "/api/v1/sites") == {"sites": []}
    seed.site("campus", "Campus", region="CN-SH")
    assert await get(web, "/api/v1/sites") == {
        "sites": [
            {
                "site": "campus",
                "name": "Campus",
                "timezone": "Asia/Shanghai",
                "country": None,
                "region": "CN-SH",
            }
        ]
    }


async def test_live_is_null_where_a_device_is_silent(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    now = seed.now()
    for name, age_s in (("fresh", 5), ("silent", 200)):
        device = seed.device("campus", "flowmeter", name, interval_s=30)
        seed.live(seed.source("campus", name, [device]), device, now - timedelta(seconds=age_s), 12.5)
    found = await get(web, "/api/v1/live")
    rates = {each["source"]: each for each in found["sources"]}
    assert rates["fresh"]["co2_kg_per_h"] == 12.5
    assert rates["silent"]["co2_kg_per_h"] is None
    assert rates["silent"]["age_s"] >= 200
    assert found["total_co2_kg_per_h"] is None
    assert found["unknown"] == ["campus/silent"]


async def test_live_of_one_site(web: httpx.AsyncClient, seed: Seed) -> None:
    factor = seed.factor_id("CN_MEE_PROVINCE_2023", "electricity_CN-SH")
    for site in ("campus", "plant"):
        seed.site(site)
        device = seed.device(site, "meter", "main")
        source = seed.source(site, "grid", [device], method="electricity", carrier="electricity", scope=2)
        seed.live(source, device, seed.now(), 10.0, factor)
    found = await get(web, "/api/v1/live", site="plant")
    assert [each["site"] for each in found["sources"]] == ["plant"]
    assert found["total_co2_kg_per_h"] == 10.0
    assert found["sources"][0]["factor"] == "CN_MEE_PROVINCE_2023/electricity_CN-SH"
    assert found["sources"][0]["factor_valid_to"] == "2023-12-31"
    assert found["sources"][0]["basis"] == "location"


async def test_emissions_by_hour(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    source = seed.source("campus", "boilers", [])
    last = seed.now().replace(minute=0, second=0, microsecond=0)
    seed.emission_hour(source, last - 30 * HOUR, 1.0)
    seed.emission_hour(source, last - 2 * HOUR, 2.0)
    seed.emission_hour(source, last - HOUR, None, missing_reason="no valid reading", coverage=0.0)
    rows = (await get(web, "/api/v1/emissions"))["rows"]
    assert [(each["co2_kg"], each["missing_reason"]) for each in rows] == [
        (2.0, None),
        (None, "no valid reading"),
    ]
    assert rows[0]["hour"].endswith("Z")
    begin = (last - 30 * HOUR).isoformat()
    older = await get(web, "/api/v1/emissions", **{"from": begin, "to": (last - 2 * HOUR).isoformat()})
    assert [each["co2_kg"] for each in older["rows"]] == [1.0]
    assert older["grain"] == "hour"


async def test_emissions_and_energy_by_local_day(
    web: httpx.AsyncClient, seed: Seed, database_url: str
) -> None:
    seed.site("campus", timezone="Asia/Shanghai")
    source = seed.source("campus", "boilers", [])
    meter = seed.device("campus", "meter", "main")
    noon = seed.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)
    day = noon.date()
    # 15:00 and 16:00 UTC are the last hour of a day in Shanghai and the first of the next.
    for hour, amount in ((noon + 3 * HOUR, 1.0), (noon + 4 * HOUR, 2.0)):
        seed.emission_hour(source, hour, amount)
        seed.energy_hour(meter, hour, amount)
    async with await connect(database_url, name="tests", autocommit=True) as ledger:
        begin, end = noon, noon + 5 * HOUR
        await roll_up_days(ledger, [Span(source, begin, end)], [Span(meter, begin, end)])
    for path, column in (("/api/v1/emissions", "co2_kg"), ("/api/v1/energy", "energy_kwh")):
        found = await get(web, path, site="campus", grain="day")
        assert [(each["day"], each[column]) for each in found["rows"]] == [
            (day.isoformat(), 1.0),
            ((day + timedelta(days=1)).isoformat(), 2.0),
        ]
        assert found["rows"][0]["coverage"] == pytest.approx(1 / 24)
        one = await get(
            web, path, site="campus", grain="day", **{"from": str(day), "to": str(day + timedelta(days=1))}
        )
        assert [each[column] for each in one["rows"]] == [1.0]


async def test_energy_by_hour(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    meter = seed.device("campus", "meter", "main")
    seed.energy_hour(meter, seed.now().replace(minute=0, second=0, microsecond=0), None, in_total=False)
    rows = (await get(web, "/api/v1/energy", site="campus"))["rows"]
    assert [(each["device"], each["energy_kwh"], each["in_total"]) for each in rows] == [
        ("main", None, False)
    ]


async def test_devices_come_in_pages(web: httpx.AsyncClient, seed: Seed) -> None:
    for kind, name in (("meter", "b"), ("meter", "a"), ("cems", "stack")):
        seed.device("campus", kind, name)
    seed.device("plant", "meter", "a", interval_s=None)
    first = await get(web, "/api/v1/devices", limit="3")
    assert [each["device"] for each in first["devices"]] == ["stack", "a", "b"]
    assert first["next_after"] == "campus/meter/b"
    second = await get(web, "/api/v1/devices", limit="3", after=first["next_after"])
    assert [(each["site"], each["assigned"], each["stale"]) for each in second["devices"]] == [
        ("plant", False, None)
    ]
    assert second["next_after"] is None
    meters = await get(web, "/api/v1/devices", kind="meter", site="campus")
    assert [each["device"] for each in meters["devices"]] == ["a", "b"]


async def test_ingest_adds_its_clients_up(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.totals(stored=10, duplicate=2, rejected=1, client="a")
    seed.totals(stored=5, client="b")
    seed.dead_letter("telemetry/v1/x", "bad_topic", payload=b"1")
    seed.dead_letter("telemetry/v1/x", "bad_topic", payload=b"2", accepted_at=seed.now())
    seed.dead_letter("telemetry/v1/x", "future", payload=b"3", replayed_at=seed.now())
    found = await get(web, "/api/v1/ingest")
    assert (found["received"], found["stored"], found["duplicate"], found["rejected"]) == (18, 15, 2, 1)
    assert [(each["reason"], each["outstanding"]) for each in found["dead_letters"]] == [("bad_topic", 1)]
    assert found["received_per_s"] is None


async def test_refusals_are_one_sentence(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    assert "the registry has campus" in await refusal(web, "/api/v1/live", 404, site="nowhere")
    assert "write it as" in await refusal(web, "/api/v1/emissions", 422, **{"from": "yesterday"})
    assert "'hour' or 'day'" in await refusal(web, "/api/v1/emissions", 422, grain="minute")
    assert "limit" in await refusal(web, "/api/v1/devices", 422, limit="0")
    assert "site/kind/device" in await refusal(web, "/api/v1/devices", 422, after="campus")
    assert await refusal(web, "/api/v1/nothing", 404) == "Not Found."


PATHS = [
    f"/api/v1/{name}"
    for name in ("sites", "live", "emissions", "energy", "totals", "devices", "ingest", "findings")
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_is_understood_or_refused(web: httpx.AsyncClient, path: str) -> None:
    assert "'hours' is no parameter here" in await refusal(web, path, 422, hours="-1")
    if path in {"/api/v1/sites", "/api/v1/ingest"}:
        assert "it takes none" in await refusal(web, path, 422, site="campus")
        return
    assert "known are site" in await refusal(web, path, 422, hours="-1")
    assert await refusal(web, path, 422, site="\0") == "site holds the character NUL"
    assert (await web.get(f"{path}?site=a&site=b")).json() == {"error": "site is given more than once"}
    assert "there is no site 'nowhere'" in await refusal(web, path, 404, site="nowhere")


async def test_devices_of_a_site_that_the_registry_does_not_know_yet(
    web: httpx.AsyncClient, seed: Seed
) -> None:
    seed.device("new", "meter", "main", interval_s=None)
    seed.site("empty")
    assert len((await get(web, "/api/v1/devices", site="new"))["devices"]) == 1
    assert (await get(web, "/api/v1/devices", site="new", kind="cems"))["devices"] == []
    assert (await get(web, "/api/v1/devices", site="new", after="new/meter/main"))["devices"] == []
    assert (await get(web, "/api/v1/devices", site="empty"))["devices"] == []


async def test_too_many_rows_are_refused_not_cut(database_url: str, seed: Seed) -> None:
    seed.site("campus")
    source = seed.source("campus", "boilers", [])
    last = seed.now().replace(minute=0, second=0, microsecond=0)
    async with open_pool(database_url, name="test-web") as pool:
        app = FastAPI()
        errors.install(app)
        app.include_router(api.router(pool, BoardReader(pool, 1, utc_now), utc_now, max_rows=1))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://board") as web:
            seed.emission_hour(source, last, 1.0)
            assert len((await get(web, "/api/v1/emissions"))["rows"]) == 1
            seed.emission_hour(source, last - HOUR, 1.0)
            assert "more than 1 rows" in await refusal(web, "/api/v1/emissions", 422)


async def test_openapi_describes_every_route_with_units(web: httpx.AsyncClient) -> None:
    described = await get(web, "/api/v1/openapi.json")
    paths = {path for path in described["paths"] if path.startswith("/api/")}
    assert paths == {*PATHS, "/api/v1/explain", "/api/v1/findings"}
    assert "co2_kg_per_h" in described["components"]["schemas"]["LiveRow"]["properties"]


async def test_health(web: httpx.AsyncClient, seed: Seed) -> None:
    assert await get(web, "/healthz") == {"status": "ok"}
    assert (await get(web, "/readyz"))["ready"] is True
    long_ago = seed.now() - timedelta(seconds=2 * READY_LAG_S)
    device = seed.device("campus", "meter", "m1")
    seed.put(
        "dirty_range", written_at=long_ago, device_id=device, from_time=long_ago, to_time=long_ago, reason="x"
    )
    reopened = await get(web, "/readyz")
    assert reopened["ready"] is True, "the past is computed anew, and the running hour is as it should be"
    assert reopened["ledger_lag_s"] > READY_LAG_S
    seed.dirty(seed.now() - timedelta(seconds=READY_LAG_S + 5))
    behind = await web.get("/readyz")
    assert behind.status_code == 503
    assert "behind" in behind.json()["ledger"]


async def test_not_ready_where_a_migration_is_missing(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.execute("DELETE FROM carbonflow_migrations.migration WHERE name = '0001_core' RETURNING 1")
    answer = await web.get("/readyz")
    assert answer.status_code == 503
    assert "0001_core has not run" in answer.json()["migrations"]


async def test_not_ready_on_an_empty_database(empty_database_url: str, settings: Settings) -> None:
    async with open_pool(empty_database_url, name="test-web") as pool:
        transport = httpx.ASGITransport(app=create_app(pool, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert "carbonflow migrate" in answer.json()["migrations"]
