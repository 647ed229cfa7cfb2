"""A fleet whose broker goes away, or says nothing any more: nothing is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from simulators.fleet import Fleet, FleetConfig
from simulators.mqtt import BrokerUrl
from simulators.payload import rfc3339
from simulators.report import Report
from tests.simulators.running import NONE, FixedClock, as_sent

pytestmark = pytest.mark.usefixtures("no_states_left")


class Proxy:
    """Passes bytes between clients and the broker. After so many bytes it cuts all connections once, or from
    then on says nothing any more."""

    def __init__(self, url: BrokerUrl, cut_after: int, *, falls_silent: bool = False) -> None:
        self._url, self._cut_after, self._falls_silent = url, cut_after, falls_silent
        self.cuts = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection."""
        there, back = await asyncio.open_connection(self._url.host, self._url.port)
        self._writers += [writer, back]
        with suppress(ConnectionError):
            await asyncio.gather(self._pass(reader, back, count=True), self._pass(there, writer))
        for each in (writer, back):
            each.close()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, count: bool = False
    ) -> None:
        while data := await source.read(4096):
            if self._falls_silent and self._cut_after < 0:
                continue
            target.write(data)
            self._cut_after -= len(data) * count
            if self._cut_after < 0 and not self.cuts and not self._falls_silent:
                self.cuts += 1
                for writer in self._writers:
                    writer.transport.abort()
        target.close()


def test_a_broken_connection_loses_nothing(
    listen: Callable[[str], Any], operator_url: str, site_id: str, now: float
) -> None:
    heard = listen(f"telemetry/v1/{site_id}-campus/#")
    broker = BrokerUrl.parse(operator_url)

    async def through_proxy() -> tuple[Report, int]:
        proxy = Proxy(broker, cut_after=300_000)
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"mqtt://{broker.user}:{broker.password}@127.0.0.1:{port}"
            config = FleetConfig(
                url, sites=["campus"], site_prefix=f"{site_id}-", backfill_s=4 * 3600.0, faults=NONE,
                per_connection=2,
            )  # fmt: skip
            stop = asyncio.Event()
            fleet = Fleet(config, clock=FixedClock(now))
            report = await fleet.run(stop, lambda p: stop.set() if p.live else None)
        return report, proxy.cuts

    report, cuts = asyncio.run(through_proxy())
    assert cuts == 1
    assert report.unacknowledged == 0
    heard.wait_for(lambda h: len({(t, c["ts"]) for t, c in h.units()}) >= report.tally.readings)
    received = {(topic, content["ts"]): content for topic, content in heard.units()}
    assert received == {(r.device.topic, rfc3339(r.ts)): as_sent(r) for r in report.readings()}
    # Four meters every 30 s, two flow meters every minute, over four hours.
    assert report.tally.readings == pytest.approx(4 * 480 + 2 * 240, abs=12)


def test_a_broker_that_falls_silent_is_left_and_nothing_is_forgotten(
    operator_url: str, site_id: str, now: float, tmp_path: Path
) -> None:
    """What was not acknowledged is counted, and published again by the next run."""
    broker = BrokerUrl.parse(operator_url)

    def config(url: str) -> FleetConfig:
        return FleetConfig(
            url, sites=["campus"], site_prefix=f"{site_id}-", backfill_s=6 * 3600.0, faults=NONE,
            state_dir=tmp_path, per_connection=9, grace_s=0.5,
        )  # fmt: skip

    async def into_silence() -> Report:
        proxy = Proxy(broker, cut_after=300_000, falls_silent=True)
        stop = asyncio.Event()
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            fleet = Fleet(config(f"mqtt://{broker.user}:{broker.password}@127.0.0.1:{port}"), clock=clock)
            asyncio.get_running_loop().call_later(1.5, stop.set)
            return await fleet.run(stop)

    clock = FixedClock(now)
    first = asyncio.run(into_silence())
    assert first.published > 0
    assert first.unacknowledged > 0
    stop_when_live = asyncio.Event()
    fleet = Fleet(config(operator_url), clock=clock)
    second = asyncio.run(fleet.run(stop_when_live, lambda p: stop_when_live.set() if p.live else None))
    assert second.unacknowledged == 0
    seen = {(r.device, r.ts) for report in (first, second) for r in report.readings()}
    assert len(seen) == pytest.approx(4 * 720 + 2 * 360, abs=12)
    for device in {device for device, _ in seen}:
        times = sorted(ts for each, ts in seen if each == device)
        assert len({b - a for a, b in pairwise(times)}) == 1, device
