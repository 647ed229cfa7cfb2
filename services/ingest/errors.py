"""The errors of ingest that end it."""

from __future__ import annotations


class IngestError(Exception):
    """Ingest cannot go on; the message says why, and what to do."""
