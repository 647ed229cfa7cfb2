"""An HTTP server inside a service: started and stopped by it, in its own event loop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class ListenError(Exception):
    """A port cannot be listened on; the message is one sentence."""


class Server(uvicorn.Server):
    """A server inside a service: signals are the service's business. `setting` names the port's variable."""

    def __init__(self, app: Any, host: str, port: int, setting: str) -> None:
        super().__init__(
            uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off")
        )
        self._setting = setting

    async def listen_and_serve(self) -> None:
        """Serve until told to exit. Raises ListenError where the port cannot be had."""
        # Opened here: uvicorn would log a port that is taken, and end the process.
        host, port = self.config.host, self.config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=self.config.backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sentence = f"The HTTP port {host}:{port} is taken: set {self._setting}."
            else:
                sentence = f"Cannot listen on {host}:{port}: {error.strerror}."
            raise ListenError(sentence) from None
        with listening:
            await self.serve(sockets=[listening])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield
