"""Why a calculation has no result."""

from __future__ import annotations


class CalculationError(ValueError):
    """The values give no result; the message is a sentence for people."""
