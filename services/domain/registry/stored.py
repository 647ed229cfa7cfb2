"""The registry as the JSON document that is kept: read and written without what only a file needs."""

from __future__ import annotations

from typing import Any

from services.domain.registry.model import Registry


def dump(registry: Registry) -> dict[str, Any]:
    """The registry as JSON data that `load` makes the same registry of: what was not named stays unnamed."""
    return registry.model_dump(mode="json", by_alias=True, exclude_unset=True)


def load(document: object) -> Registry:
    """The registry of what `dump` made. Raises pydantic.ValidationError."""
    return Registry.model_validate(document)
