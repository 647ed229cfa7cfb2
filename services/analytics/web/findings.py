"""Findings on the quality of readings, in the JSON API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.analytics.web.errors import BadRequestError
from services.analytics.web.period import instant
from services.analytics.web.reader import POOL_TIMEOUT_S, Clock
from services.store.finding_list import NAMES, FindingRow, list_findings
from services.store.pool import Connection, Pool

DEFAULT: Final = timedelta(days=7)

SiteParameter = Annotated[str | None, Query(description="site id; all sites where not given")]
FindingParameter = Annotated[
    str | None,
    Query(description="only of this kind", json_schema_extra={"enum": list(NAMES)}),
]
SinceParameter = Annotated[
    str | None,
    Query(
        alias="from",
        description="findings that any reading since shows; the last 7 days where not given",
        examples=["2026-01-31T00:00:00Z"],
    ),
]

SiteCheck = Callable[[Connection, str | None], Awaitable[None]]


class FindingsAnswer(BaseModel):
    """The newest first. Findings change no number: see docs/quality.md."""

    findings: list[FindingRow]
    more: bool = Field(description="whether there are more than `limit`")


def add_findings(routes: APIRouter, pool: Pool, clock: Clock, known: SiteCheck) -> None:
    """The route of the API; `known` refuses a site that there is not."""

    @routes.get("/findings")
    async def findings(
        site: SiteParameter = None,
        finding: FindingParameter = None,
        begin: SinceParameter = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    ) -> FindingsAnswer:
        """What is strange in stored readings, and what has stopped coming."""
        since = clock() - DEFAULT if begin is None else instant("from", begin)
        if finding is not None and finding not in NAMES:
            raise BadRequestError(f"there is no finding {finding[:63]!r}; there are {', '.join(NAMES)}")
        if since.tzinfo is None:
            raise BadRequestError("from has no zone: write it as 2026-01-31T00:00:00Z")
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            rows = await list_findings(connection, since, limit + 1, site=site, finding=finding)
            if not rows:
                await known(connection, site)
        return FindingsAnswer(findings=rows[:limit], more=len(rows) > limit)
