"""A fleet against a real broker: what is published arrives, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.domain.registry.model import Registry
from simulators.clock import Pace, WallClock
from simulators.errors import BrokerError, ConfigError, StateError
from simulators.faults import FaultPlan
from simulators.fleet import Fleet, FleetConfig, Progress
from simulators.journal import FileJournal
from simulators.mqtt import BrokerUrl
from simulators.payload import rfc3339
from simulators.report import Report
from simulators.sites.generated import generated_fleet, registry_document
from tests.simulators.running import NONE, WatchfulJournal, as_sent, run, why_bad

pytestmark = pytest.mark.usefixtures("no_states_left")


def test_what_is_published_arrives(
    listen: Callable[[str], Any], operator_url: str, site_id: str, now: float, manual_clock: Any
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-campus/#")
    config = FleetConfig(
        operator_url,
        sites=["campus"],
        site_prefix=f"{site_id}-",
        backfill_s=6 * 3600.0,
        faults=FaultPlan.parse("default,malformed=0.01,partial=0.01,nan=0.01"),
        per_connection=100,
    )
    seen: list[Progress] = []
    journal = WatchfulJournal((clock := manual_clock(now, now + 95.0)).now)
    report = asyncio.run(Fleet(config, clock=clock, journal=journal).run(asyncio.Event(), seen.append))
    heard.wait_for(lambda h: len(h.units()) >= report.published)

    units = heard.units()
    assert len(units) == report.published > 3000
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    refused: Counter[tuple[str, str]] = Counter()
    for topic, content in units:
        reason = why_bad(content, rfc3339(clock.end))
        if reason is None:
            merged.setdefault((topic, content["ts"]), {}).update(content)
        else:
            refused[topic, reason] += 1
    assert merged == {(r.device.topic, rfc3339(r.ts)): as_sent(r) for r in report.readings()}
    assert refused == Counter(journal.rejects)
    assert set(report.tally.bad) == {"not_json", "bad_field", "future"}
    assert len(journal.rejects) == report.injected_bad > 0
    assert report.published == report.tally.readings + report.tally.parts + report.tally.duplicates + (
        report.injected_bad
    )
    assert report.missing > 0
    assert report.unacknowledged == 0
    assert seen[-1].live
    assert seen[-1].published == report.published


def test_arrays_for_the_past_and_single_readings_in_real_time(
    listen: Callable[[str], Any], operator_url: str, site_id: str, now: float, manual_clock: Any
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-plant/meter/grid")
    config = FleetConfig(
        operator_url, sites=["plant"], site_prefix=f"{site_id}-", backfill_s=4 * 3600.0, faults=NONE,
        per_connection=9,
    )  # fmt: skip
    report = run(config, clock := manual_clock(now, now + 100.0))
    heard.wait_for(lambda h: len(h.units()) >= 480 + 3)
    contents = [json.loads(payload) for _, payload in heard.payloads()]
    lengths = [len(content) if isinstance(content, list) else 1 for content in contents]
    assert max(lengths) > 40
    singles = [content["ts"] for content in contents[-3:]]
    assert all(ts > rfc3339(now) for ts in singles)
    assert clock.seen == sorted(clock.seen)
    spans = report.spans()
    assert all(span.last.timestamp() > now + 30 for span in spans.values())


def test_stopping_and_going_on_is_as_if_never_stopped(
    operator_url: str, site_id: str, now: float, manual_clock: Any, tmp_path: Path
) -> None:
    def config(prefix: str, state: Path | None) -> FleetConfig:
        return FleetConfig(
            operator_url,
            seed=5,
            sites=["plant"],
            site_prefix=f"{site_id}-{prefix}-",
            backfill_s=3600.0,
            faults=NONE,
            state_dir=state,
            per_connection=9,
        )

    first = run(config("a", tmp_path), manual_clock(now, now + 40.0))
    second = run(config("a", tmp_path), manual_clock(now + 1800.0, now + 1900.0))
    whole = run(config("b", None), manual_clock(now, now + 1900.0))

    def shown(*reports: Report) -> dict[tuple[str, int], Any]:
        return {(r.device.device, r.ts): r.values for report in reports for r in report.readings()}

    assert shown(first, second) == shown(whole)
    assert first.tally.readings + second.tally.readings == whole.tally.readings
    begin, end = datetime.fromtimestamp(now - 3000.0, UTC), datetime.fromtimestamp(now + 1850.0, UTC)
    for source in ("coal", "stack", "steam-sold"):
        truth = second.truth_co2_kg(f"{site_id}-a-plant", source, begin, end)
        assert truth == whole.truth_co2_kg(f"{site_id}-b-plant", source, begin, end) > 0.0


def test_more_than_a_day_away_is_switched_off(
    operator_url: str, site_id: str, now: float, manual_clock: Any, tmp_path: Path
) -> None:
    config = FleetConfig(
        operator_url, sites=["campus"], site_prefix=f"{site_id}-", faults=NONE, state_dir=tmp_path,
        backfill_s=3600.0, per_connection=9,
    )  # fmt: skip
    site, later = f"{site_id}-campus", now + 3 * 86_400.0
    first = run(config, manual_clock(now, now + 40.0))
    second = run(config, manual_clock(later, later + 40.0))
    begin = first.spans()
    for device, span in second.spans().items():
        assert span.first.timestamp() >= later - 3600.0
        assert begin[device].last.timestamp() <= now + 40.0
    # Registers stood still, and the truth with them.
    last = {r.device: r.values for r in first.readings()}
    fresh: dict[Any, Any] = {}
    for reading in second.readings():
        fresh.setdefault(reading.device, reading.values)
    name = "energy_import_kwh"
    assert all(fresh[d][name] == last[d][name] for d in fresh if name in last[d])
    instants = [datetime.fromtimestamp(t, UTC) for t in (now + 60.0, later - 3660.0, later)]
    assert second.truth_co2_kg(site, "boilers", instants[0], instants[1]) == 0.0
    assert second.truth_co2_kg(site, "boilers", instants[1], instants[2]) > 0.0


def test_truth_and_registers_agree_over_a_run(
    operator_url: str, site_id: str, now: float, manual_clock: Any, tmp_path: Path
) -> None:
    config = FleetConfig(
        operator_url, sites=["plant"], site_prefix=f"{site_id}-", backfill_s=7200.0, per_connection=9
    )
    report = run(config, manual_clock(now, now + 40.0), FileJournal(tmp_path / "journal.jsonl"))
    site = f"{site_id}-plant"
    truth = report.truth_of_run(site, "coal")
    assert truth is not None
    assert truth.resolution_kg == pytest.approx(2.0715, abs=1e-3)
    readings = sorted(r for r in report.readings() if r.device.device == "coal")
    moved = readings[-1].values["mass_t"] - readings[0].values["mass_t"]
    assert truth.co2_kg == pytest.approx(moved * 2071.5093, abs=truth.resolution_kg)
    assert report.truth_of_run(site, "stack").resolution_kg is None  # type: ignore[union-attr]
    assert len(list(report.readings())) == report.tally.readings
    content = report.as_json()
    assert json.loads(json.dumps(content)) == content
    assert content["sources"][f"{site}/coal"]["truth_co2_kg"] == truth.co2_kg


def test_devices_say_that_they_are_online_and_then_offline(
    listen: Callable[[str], Any], operator_url: str, site_id: str, now: float, manual_clock: Any
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-campus/+/+/state")
    config = FleetConfig(
        operator_url, sites=["campus"], site_prefix=f"{site_id}-", backfill_s=60.0, faults=NONE
    )
    run(config, manual_clock(now, now + 5.0))
    heard.wait_for(lambda h: len(h.messages) >= 12)
    by_topic: dict[str, list[bytes]] = {}
    for topic, payload, _ in heard.messages:
        by_topic.setdefault(topic, []).append(payload)
    assert len(by_topic) == 6
    assert set(map(tuple, by_topic.values())) == {(b"online", b"offline")}
    later = listen(f"telemetry/v1/{site_id}-campus/meter/main/state")
    later.wait_for(lambda h: bool(h.messages))
    assert later.messages[0][1:] == (b"offline", True)


_KILLED = """
import asyncio, sys
from simulators.fleet import Fleet, FleetConfig
config = FleetConfig(sys.argv[1], sites=["plant"], site_prefix=sys.argv[2], backfill_s=60.0)
def tell(progress):
    if progress.live: print("live", flush=True)
asyncio.run(Fleet(config).run(asyncio.Event(), tell))
"""


def test_the_last_will_of_a_killed_device(
    listen: Callable[[str], Any], operator_url: str, site_id: str
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-plant/cems/stack-1/state")
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, operator_url, f"{site_id}-"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"live\n"
        process.kill()
    heard.wait_for(lambda h: [payload for _, payload, _ in h.messages] == [b"online", b"offline"])


def test_a_broker_that_refuses_or_is_not_there(operator_url: str, now: float, manual_clock: Any) -> None:
    broker = BrokerUrl.parse(operator_url)
    wrong = f"mqtt://{broker.user}:wrong@{broker.host}:{broker.port}"
    with pytest.raises(BrokerError, match="refuses the connection"):
        run(FleetConfig(wrong, sites=["campus"]), manual_clock(now, now + 5.0))
    with pytest.raises(BrokerError, match="cannot be reached"):
        run(FleetConfig("mqtt://127.0.0.1:1", sites=["campus"]), manual_clock(now, now + 5.0))


def test_a_message_the_broker_refuses_ends_the_run(
    servers: Any, now: float, manual_clock: Any, site_id: str
) -> None:
    if servers.mqtt_url == servers.operator_mqtt_url:
        pytest.skip("the given broker has one user only, who may do everything")
    config = FleetConfig(servers.mqtt_url, sites=["campus"], site_prefix=f"{site_id}-", backfill_s=600.0)
    with pytest.raises(BrokerError, match="refuses a message"):
        run(config, manual_clock(now, now + 5.0))


def test_what_cannot_be_simulated_is_said(now: float, manual_clock: Any, tmp_path: Path) -> None:
    clock = manual_clock(now, now + 5.0)
    with pytest.raises(ConfigError, match="No site is called 'x'"):
        run(FleetConfig("mqtt://localhost", sites=["x"]), clock)
    with pytest.raises(ConfigError, match="nothing to simulate"):
        run(FleetConfig("mqtt://localhost", sites=[]), clock)
    with pytest.raises(ConfigError, match="looks like mqtt://"):
        run(FleetConfig("http://u:secret@localhost"), clock)
    (tmp_path / "fleet.json").write_text("[")
    with pytest.raises(StateError):
        run(FleetConfig("mqtt://localhost", state_dir=tmp_path), clock)


def test_a_pace_catches_up_but_never_overtakes(now: float, manual_clock: Any) -> None:
    clock = manual_clock(now, now + 1e6)
    pace = Pace(clock, now - 600.0, now, speed=4.0)
    assert pace.position() == now - 600.0
    assert pace.wall_at(now - 200.0) == now + 100.0
    clock.time = now + 100.0
    assert pace.position() == now - 200.0
    clock.time = now + 300.0
    assert pace.position() == now + 300.0
    assert pace.wall_at(now + 400.0) == now + 400.0
    assert Pace(clock, now - 600.0, now).position() == now + 300.0


def test_a_fleet_with_a_speed_takes_its_time(
    operator_url: str, site_id: str, now: float, manual_clock: Any
) -> None:
    config = FleetConfig(
        operator_url, sites=["plant"], site_prefix=f"{site_id}-", backfill_s=1200.0, faults=NONE,
        speed=10.0, per_connection=9,
    )  # fmt: skip
    # After 60 s only half of the 1200 s past has been published.
    report = run(config, manual_clock(now, now + 60.0))
    last = max(span.last.timestamp() for span in report.spans().values())
    assert now - 660.0 <= last <= now - 540.0


def test_the_wall_clock_wakes_for_the_stop() -> None:
    async def main() -> float:
        stop, clock = asyncio.Event(), WallClock()
        began = clock.now()
        await clock.wait_until(began + 0.05, stop)
        assert clock.now() >= began + 0.05
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await clock.wait_until(clock.now() + 60.0, stop)
        return clock.now() - began

    assert asyncio.run(main()) < 5.0


def test_a_generated_fleet_publishes_and_has_a_registry(
    listen: Callable[[str], Any], operator_url: str, site_id: str, now: float, manual_clock: Any
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-gen-000/#")
    config = FleetConfig(
        operator_url, sites=[], generated=60, site_prefix=f"{site_id}-", backfill_s=120.0, faults=NONE
    )
    report = run(config, manual_clock(now, now + 5.0))
    heard.wait_for(lambda h: len(h.units()) >= report.published)
    devices = {topic for topic, _ in heard.units()}
    assert len(devices) == 60
    assert {topic.split("/")[3] for topic in devices} == {"meter", "flowmeter", "cems", "beltscale"}
    assert 60 * 4 <= report.published <= 60 * 5

    plan = generated_fleet(1, 60)
    registry = Registry.model_validate(registry_document(plan))
    assert set(registry.sites["gen-000"].devices) == {f"{d.id.kind}/{d.id.device}" for d in plan.devices}
    assert set(registry.sites["gen-000"].sources) == {source.source for source in plan.sources}


def test_ten_thousand_devices_are_forty_sites() -> None:
    plan = generated_fleet(1, 10_000)
    assert len({device.id for device in plan.devices}) == 10_000
    assert len({device.id.site for device in plan.devices}) == 40
