"""Query parameters are all understood or refused: a misspelt one must not silently ask for something else."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request
from fastapi.routing import APIRoute

from services.analytics.web.errors import BadRequestError


async def refuse_strange(request: Request) -> None:
    """For every route of a router: the query has known names, each once, and no NUL, which the database does
    not hold. Raises BadRequestError."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [field.alias for field in route.dependant.query_params]
    for name, text in given:
        if name not in known:
            raise BadRequestError(f"{name[:63]!r} is no parameter here; {_known(known)}")
        if names.count(name) > 1:
            raise BadRequestError(f"{name} is given more than once")
        if "\0" in text:
            raise BadRequestError(f"{name} holds the character NUL")


def _known(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"known are {listed}" if listed else "it takes none"
