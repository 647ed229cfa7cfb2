"""/healthz, /readyz and /metrics of ingest."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Problems = Callable[[], dict[str, str | None]]
"""What ingest needs, and why it does not have it, in a sentence; None where it does."""


def create_app(registry: CollectorRegistry, problems: Problems, remarks: Problems) -> Starlette:
    """The application. /readyz answers 503 while one of the `problems` is there, and shows the `remarks`."""

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    async def readyz(_request: Request) -> JSONResponse:
        found = problems()
        ready = not any(found.values())
        return JSONResponse(
            {"ready": ready, **{name: problem or "ok" for name, problem in (found | remarks()).items()}},
            status_code=200 if ready else 503,
        )

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )
