"""/metrics of analytics. No label comes from a topic: sites and devices are in the API, not here."""

from __future__ import annotations

from typing import Final

import psycopg
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from services.analytics.web.reader import BoardReader, Snapshot
from services.domain.outcome import Reason
from services.domain.quality.rows import FindingKind

REASONS: Final = tuple(Reason)
OTHER: Final = "other"
OUTCOMES: Final = ("received", "stored", "duplicate", "rejected")


class BoardMetrics:
    """Gauges of what the database says, set at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"carbonflow_{name}", text, labels, registry=registry)

        self._up = gauge("database_up", "1 where the database answered analytics, else 0")
        self._lag = gauge("ledger_lag_seconds", "Age of the oldest reading that is in no hourly ledger yet")
        self._live_lag = gauge(
            "ledger_live_lag_seconds",
            "Age of the oldest reading of the last two hours that is in no hour yet",
        )
        self._backlog = gauge(
            "ledger_backlog",
            "Flushes, quarter hours of devices and re-opened stretches that the ledger has before it",
        )
        self._devices = gauge("devices", "Devices that ever sent or that the registry names")
        self._stale = gauge("devices_stale", "Devices silent for more than 3 expected intervals")
        self._offline = gauge("devices_offline", "Devices that are offline by their own word or last will")
        self._unassigned = gauge(
            "devices_unassigned", "Devices that send and that the registry does not know"
        )
        self._unknown = gauge(
            "sources_unknown", "Sources that count in a total and whose rate is unknown now"
        )
        self._routes = gauge(
            "routes_outside",
            "Pairs of routes of the same carbon that differ by more than their tolerance over a day",
        )
        self._findings = gauge(
            "findings", "Quantities of devices with such a finding in the hours of the last day", "finding"
        )
        self._letters = gauge(
            "dead_letters_outstanding", "Dead letters neither replayed nor accepted", "reason"
        )
        self._accounted = gauge(
            "accounted_readings", "Committed outcomes: received = stored + duplicate + rejected", "outcome"
        )

    def show(self, seen: Snapshot) -> None:
        """Set all gauges."""
        self._up.set(1)
        self._lag.set(seen.backlog.lag_s)
        self._live_lag.set(seen.backlog.live_lag_s)
        self._backlog.set(seen.backlog.backlog)
        self._devices.set(sum(each.devices for each in seen.device_counts))
        self._stale.set(sum(each.stale for each in seen.device_counts))
        self._offline.set(sum(each.offline for each in seen.device_counts))
        self._unassigned.set(sum(each.unassigned for each in seen.device_counts))
        self._unknown.set(sum(each.in_total and each.co2_kg_per_h is None for each in seen.live))
        self._routes.set(sum(each.day_verdict == "outside" for each in seen.routes))
        for kind in FindingKind:
            self._findings.labels(kind).set(seen.finding_counts.get(kind, 0))
        for outcome in OUTCOMES:
            self._accounted.labels(outcome).set(sum(getattr(each, outcome) for each in seen.totals))
        outstanding = dict.fromkeys((*REASONS, OTHER), 0)
        for each in seen.reasons:
            outstanding[each.reason if each.reason in REASONS else OTHER] += each.outstanding
        for reason, count in outstanding.items():
            self._letters.labels(reason).set(count)

    def show_away(self) -> None:
        """The database is away: what it said before is unknown now, which is not the same as then."""
        self._up.set(0)
        for each in (
            self._lag,
            self._live_lag,
            self._backlog,
            self._devices,
            self._stale,
            self._offline,
            self._unassigned,
            self._unknown,
            self._routes,
        ):
            each.set(float("nan"))
        self._findings.clear()
        self._letters.clear()
        self._accounted.clear()


def router(reader: BoardReader, registry: CollectorRegistry) -> APIRouter:
    """The route that Prometheus scrapes: all metrics of `registry`, and those of the database."""
    routes = APIRouter(tags=["health"])
    metrics = BoardMetrics(registry)

    @routes.get("/metrics", include_in_schema=False)
    async def show() -> Response:
        try:
            metrics.show(await reader.snapshot())
        except psycopg.Error:
            metrics.show_away()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
