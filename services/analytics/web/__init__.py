"""The live board, the JSON API, health and metrics of analytics."""

from services.analytics.web.app import create_app

__all__ = ["create_app"]
