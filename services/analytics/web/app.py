"""The web side of analytics: live board, JSON API, health and metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.analytics.explain import Explainer
from services.analytics.web import api, errors, explain, health, metrics, page
from services.analytics.web.reader import BoardReader, Clock
from services.settings import Settings
from services.store.pool import Pool

STATIC: Final = Path(__file__).parent / "static"

SECURITY_HEADERS: Final = {
    # Everything comes from this server, and no script or style stands in a page: what a device sends as text
    # (topics, details) stays text even if a template forgot to escape it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    pool: Pool, settings: Settings, *, clock: Clock = utc_now, registry: CollectorRegistry | None = None
) -> FastAPI:
    """The application over an open pool, which the caller closes. `registry` holds more metrics to show."""
    app = FastAPI(
        title="Carbonflow",
        summary="Live and hourly CO2 and energy, from readings over MQTT",
        description="Unknown is null, never 0. Times are UTC. Sum only rows with `in_total`.",
        version=version("carbonflow"),
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    reader = BoardReader(pool, settings.board_refresh_s, clock)
    errors.install(app)
    explainer = Explainer()
    app.include_router(api.router(pool, reader, clock, explainer))
    app.include_router(health.router(pool))
    app.include_router(metrics.router(reader, registry or CollectorRegistry()))
    app.include_router(page.router(reader, settings.board_refresh_s))
    app.include_router(explain.page(pool, explainer))
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(SecurityHeaders)
    return app


class SecurityHeaders:
    """Adds SECURITY_HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
