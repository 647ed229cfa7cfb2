"""The registry as people read it: with the clock readings of each site."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from services.domain.registry.clock import local_text, zone
from services.domain.registry.model import Registry
from services.domain.registry.stored import dump


def readable(registry: Registry) -> dict[str, Any]:
    """The registry as plain data of a YAML file, which means the same registry again."""
    document = dump(registry)
    document.setdefault("sites", {})
    for site in document["sites"].values():
        local = zone(site["timezone"])
        for thing, key in _times(site):
            thing[key] = _clock(thing[key], local)
    return document


def _times(site: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every place in a site where there is a time."""
    things = [
        thing
        for section in ("areas", "devices", "sources", "virtual_meters")
        for thing in site.get(section, {}).values()
    ]
    for thing in (site, *things):
        if thing.get("ended"):
            yield thing, "ended"
        for entry in thing.get("facts", ()):
            yield entry, "from"
        for contract in thing.get("contracts", ()):
            yield contract, "from"
            yield contract, "until"
        for stock in thing.get("stocks", ()):
            yield stock, "at"
    for event in site.get("events", ()):
        yield event, "at"


def _clock(text: str, local: tzinfo) -> str:
    return local_text(datetime.fromisoformat(text), local)
