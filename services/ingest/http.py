"""/healthz, /readyz and /metrics of ingest."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.ingest.errors import IngestError

Problems = Callable[[], dict[str, str | None]]
"""What ingest needs, and why it does not have it, in a sentence; None where it does."""


def create_app(registry: CollectorRegistry, problems: Problems) -> Starlette:
    """The application. /readyz answers 503 while one of the `problems` is there."""

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    async def readyz(_request: Request) -> JSONResponse:
        found = problems()
        ready = not any(found.values())
        return JSONResponse(
            {"ready": ready, **{name: problem or "ok" for name, problem in found.items()}},
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


class Server(uvicorn.Server):
    """A server inside a service: signals are the service's business."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off")
        )

    async def listen_and_serve(self) -> None:
        """Serve until told to exit. Raises IngestError where the port cannot be had."""
        # Opened here: uvicorn would log a port that is taken, and end the process.
        host, port = self.config.host, self.config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=self.config.backlog)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            what = "is taken" if taken else f"cannot be had ({error.strerror})"
            raise IngestError(
                f"The HTTP port {host}:{port} {what}: set CARBONFLOW_INGEST_HTTP_PORT."
            ) from None
        with listening:
            await self.serve(sockets=[listening])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield
