"""`carbonflow analytics`."""

from __future__ import annotations

import uvloop

from services import logs
from services.analytics.app import serve
from services.settings import load


def analytics() -> None:
    """Compute the hourly ledger, and serve the live board, the API and metrics, until stopped.

    Settings come from the environment (CARBONFLOW_DATABASE_URL, CARBONFLOW_ANALYTICS_HTTP_PORT, ...;
    docs/settings.md). A first SIGTERM or Ctrl-C finishes what is being computed, a second one ends it at
    once.
    """
    settings = load("database_url")
    logs.configure(settings.log_level)
    uvloop.run(serve(settings))
