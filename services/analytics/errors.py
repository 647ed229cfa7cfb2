"""The errors of analytics that end it."""

from __future__ import annotations


class AnalyticsError(Exception):
    """Analytics cannot go on; the message says why, and what to do."""
