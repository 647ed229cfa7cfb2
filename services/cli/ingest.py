"""`carbonflow ingest`."""

from __future__ import annotations

import uvloop

from services import logs
from services.ingest.app import serve
from services.settings import load


def ingest() -> None:
    """Take readings from the broker and store them, until stopped.

    Settings come from the environment (CARBONFLOW_DATABASE_URL, CARBONFLOW_MQTT_URL, ...; docs/settings.md).
    A first SIGTERM or Ctrl-C writes and acknowledges what was received, a second one ends it at once.
    """
    settings = load("database_url", "mqtt_url")
    logs.configure(settings.log_level)
    uvloop.run(serve(settings))
