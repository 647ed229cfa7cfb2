"""The live board as a browser gets it."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest

from services.analytics.web import create_app
from services.analytics.web.page import environment
from services.store.pool import open_pool

if TYPE_CHECKING:
    from services.settings import Settings
    from tests.web.conftest import Seed

pytestmark = pytest.mark.anyio
UNREACHABLE = "postgresql://nobody:nothing@127.0.0.1:9/none"
VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Checks that elements nest, and keeps what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.update(name for name, _ in attrs)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def populate(seed: Seed) -> None:
    now = seed.now()
    seed.site("campus", "Office campus", region="CN-SH")
    main = seed.device("campus", "meter", "main")
    gas = seed.device("campus", "flowmeter", "gas", state="offline")
    seed.device("elsewhere", "meter", "m1", interval_s=None)
    seed.reading(main, "meter", now)
    grid = seed.source(
        "campus", "grid", [main], name="Purchased <b>electricity</b>", method="electricity", scope=2
    )
    seed.source("campus", "boilers", [gas])
    seed.live(grid, main, now, 812.4, seed.factor_id("CN_MEE_PROVINCE_2023", "electricity_CN-SH"))
    hour = now.replace(minute=0, second=0, microsecond=0)
    seed.emission_hour(grid, hour - timedelta(hours=1), 700.0, basis="location")
    seed.energy_hour(main, hour - timedelta(hours=1), 1200.0)
    seed.totals(stored=1_284_113, duplicate=214, rejected=1)
    seed.dead_letter("telemetry/v1/<script>alert(1)</script>", "bad_topic", "capital letters")


async def test_the_board_shows_what_is_known_and_what_is_not(web: httpx.AsyncClient, seed: Seed) -> None:
    populate(seed)
    text = Page((await web.get("/")).text).text
    assert "Office campus" in text
    assert "unknown: boilers ; the others emit 812 kg/h" in text
    assert "CN_MEE_PROVINCE_2023/electricity_CN-SH provisional" in text
    assert "1,284,328 received = 1,284,113 stored + 214 duplicate + 1 rejected" in text
    assert "flowmeter/gas stale offline never sent a reading" in text
    assert "elsewhere/meter/m1" in text
    assert "bad_topic: capital letters" in text


@pytest.mark.parametrize(
    ("stack_kg", "stated", "words", "outside"),
    [
        (105.0, 3.0, "+2.5 % now, +5.0 % over 24 h, within ± 6.6 %", "0.0"),
        (120.0, 3.0, "+2.5 % now, +20.0 % over 24 h, outside the tolerance of ± 6.9 %", "1.0"),
        (120.0, None, "+2.5 % now, +20.0 % over 24 h", "0.0"),
    ],
)
async def test_the_measured_route_is_set_against_the_calculated_one(
    web: httpx.AsyncClient, seed: Seed, stack_kg: float, stated: float | None, words: str, outside: str
) -> None:
    seed.site("plant")
    ids = []
    for name, rate, in_total in (("coal", 200.0, True), ("stack", 205.0, False)):
        device = seed.device("plant", "meter", name)
        ids.append(seed.source("plant", name, [device], in_total=in_total))
        seed.live(ids[-1], device, seed.now(), rate)
    coal, stack = ids
    seed.put("route_period", source_id=stack, valid_from="2020-01-01T00:00:00Z", other_ids=[coal])
    now = seed.now().replace(minute=0, second=0, microsecond=0)
    for back in range(1, 25):
        for of, kg, factor_pct in ((coal, 100.0, 5.0), (stack, stack_kg, 0.0)):
            columns = {"activity_uncertainty_pct": stated, "factor_uncertainty_pct": factor_pct}
            seed.emission_hour(of, now - timedelta(hours=back), kg, in_total=of == coal, **columns)
    text = Page((await web.get("/board")).text).text
    assert f"against coal: {words} " in text
    assert ("tolerance" in text) == (outside == "1.0")
    assert f"carbonflow_routes_outside {outside}" in (await web.get("/metrics")).text


async def test_sources_without_a_factor_and_what_no_submeter_counts_are_remarked(
    web: httpx.AsyncClient, seed: Seed
) -> None:
    seed.site("campus")
    main, tenant = seed.device("campus", "meter", "main"), seed.device("campus", "meter", "tenant")
    lhasa = seed.source("campus", "lhasa", [main], in_total=False)
    seed.put("submeter_period", device_id=tenant, main_id=main, valid_from="2020-01-01T00:00:00Z")
    now = seed.now().replace(minute=0, second=0, microsecond=0)
    for back in range(1, 25):
        hour = now - timedelta(hours=back)
        seed.energy_hour(main, hour, 100.0)
        seed.energy_hour(tenant, hour, 110.0, in_total=False)
        seed.emission_hour(lhasa, hour, None, activity=100.0, missing_reason="There is no factor.")
    text = Page((await web.get("/board")).text).text
    assert "lhasa CO₂ unknown in 24 h; the activity is kept. There is no factor." in text
    assert "meter/main sub-meters count more -240 of 2,400 kWh electricity (-10.0 %)" in text
    assert "1 sub-meter, all known in 24 h" in text


async def test_unknown_is_a_dash_and_never_zero(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    device = seed.device("campus", "meter", "main")
    source = seed.source("campus", "grid", [device])
    seed.live(source, device, seed.now(), None)
    text = Page((await web.get("/board")).text).text
    assert "CO₂ now — unknown: grid" in text
    assert "CO₂ today provisional —" in text
    assert "Energy today — no meter counts in a total" in text
    assert not re.search(r"\b0(\.0+)? kg", text)


async def test_a_known_zero_is_zero(web: httpx.AsyncClient, seed: Seed) -> None:
    seed.site("campus")
    device = seed.device("campus", "meter", "main")
    seed.live(seed.source("campus", "grid", [device]), device, seed.now(), 0.0)
    assert "CO₂ now 0 kg/h" in Page((await web.get("/board")).text).text


async def test_one_site_alone(web: httpx.AsyncClient, seed: Seed) -> None:
    populate(seed)
    seed.site("plant", "Power plant")
    both = Page((await web.get("/")).text)
    assert {"/?site=campus", "/?site=plant"} <= set(both.links)
    one = Page((await web.get("/board", params={"site": "plant"})).text)
    assert "site-plant" in one.ids
    assert "site-campus" not in one.ids
    assert "What came in" not in one.text
    assert (await web.get("/", params={"site": "nowhere"})).status_code == 404


async def test_page_and_its_part_are_well_formed_and_ids_are_unique(
    web: httpx.AsyncClient, seed: Seed
) -> None:
    for fill in (lambda _: None, populate):
        fill(seed)
        for path in ("/", "/board"):
            page = Page((await web.get(path)).text)
            assert len(page.ids) == len(set(page.ids))


async def test_what_devices_send_stays_text(web: httpx.AsyncClient, seed: Seed) -> None:
    populate(seed)
    body = (await web.get("/")).text
    assert "<script>alert" not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert "Purchased &lt;b&gt;electricity" in body


async def test_nothing_comes_from_elsewhere_and_nothing_is_inline(web: httpx.AsyncClient, seed: Seed) -> None:
    populate(seed)
    answer = await web.get("/")
    page = Page(answer.text)
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    # What these rows follow from is not there: tests/explain asks for such pages.
    explained = [link for link in page.links if link.startswith("/explain?")]
    assert explained
    for link in page.links:
        if not link.startswith("#") and link not in explained:
            found = await web.get(link)
            assert found.status_code == 200, link
            assert "https://" not in found.text.replace("http://www.w3.org", "") or "json" in link


async def test_while_the_database_is_away_the_page_says_so_and_goes_on_asking(settings: Settings) -> None:
    async with open_pool(UNREACHABLE, name="test-web") as pool:
        transport = httpx.ASGITransport(app=create_app(pool, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://board", timeout=30) as client:
            paths = ("/", "/board", "/readyz", "/metrics")
            page, part, ready, metrics = await asyncio.gather(*(client.get(path) for path in paths))
    assert page.status_code == 503
    assert "The database cannot be reached" in page.text
    assert "/static/board.js" in page.text
    assert part.status_code == 503
    assert "cannot be reached" in part.json()["error"]
    assert ready.status_code == 503
    assert ready.json()["ready"] is False
    assert "carbonflow_database_up 0.0" in metrics.text
    assert "carbonflow_ledger_lag_seconds NaN" in metrics.text


async def test_metrics_have_no_label_from_a_topic(web: httpx.AsyncClient, seed: Seed) -> None:
    populate(seed)
    seed.dead_letter("telemetry/v1/y", "a reason nobody foresaw", payload=b"2")
    seed.dirty(seed.now() - timedelta(seconds=40))
    text = (await web.get("/metrics")).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["carbonflow_ledger_lag_seconds"]) >= 40
    assert values["carbonflow_ledger_backlog"] == "1.0"
    assert values["carbonflow_devices"] == "3.0"
    assert values["carbonflow_devices_stale"] == "1.0"
    assert values["carbonflow_devices_offline"] == "1.0"
    assert values["carbonflow_devices_unassigned"] == "1.0"
    assert values["carbonflow_sources_unknown"] == "1.0"
    assert values['carbonflow_dead_letters_outstanding{reason="bad_topic"}'] == "1.0"
    assert values['carbonflow_dead_letters_outstanding{reason="other"}'] == "1.0"
    assert float(values['carbonflow_accounted_readings{outcome="stored"}']) == 1_284_113
    labels = {name for names in re.findall(r"\{(.*?)\}", text) for name in re.findall(r"(\w+)=", names)}
    assert labels == {"reason", "outcome", "finding"}


async def test_many_who_look_share_one_read(database_url: str, settings: Settings, seed: Seed) -> None:
    slow = settings.model_copy(update={"board_refresh_s": 3600.0})
    async with open_pool(database_url, name="test-web") as pool:
        transport = httpx.ASGITransport(app=create_app(pool, slow))
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            first = await client.get("/board")
            seed.site("campus", "Too late to be seen")
            assert (await client.get("/board")).text == first.text


def test_every_template_compiles() -> None:
    templates = environment()
    for name in templates.list_templates():
        assert templates.get_template(name)
