"""An hour explained: as JSON, and as a page that the board's hours lead to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from services.analytics.explain import Explainer, NotExplainedError
from services.analytics.explanation import Basis, Explanation
from services.analytics.web.errors import NotFoundError
from services.analytics.web.page import environment
from services.analytics.web.period import instant
from services.analytics.web.reader import POOL_TIMEOUT_S
from services.store.pool import Pool

SiteParameter = Annotated[str, Query(description="site id")]
SourceParameter = Annotated[str, Query(description="emission source id")]
HourParameter = Annotated[
    str,
    Query(
        description="an instant in the hour: RFC 3339 with zone; without one, by the site's clock",
        examples=["2026-01-31T08:00:00Z"],
    ),
]
BasisParameter = Annotated[
    Basis | None, Query(description="of electricity; the one in the total where not given")
]


def add_explain(routes: APIRouter, pool: Pool, explainer: Explainer) -> None:
    """The route of the API."""

    @routes.get("/explain")
    async def explain(
        site: SiteParameter, source: SourceParameter, hour: HourParameter, basis: BasisParameter = None
    ) -> Explanation:
        """How an hour's CO2 came about, and whether it comes out again from the readings to the last bit."""
        return await _explained(pool, explainer, site, source, instant("hour", hour), basis)


def page(pool: Pool, explainer: Explainer) -> APIRouter:
    """The page."""
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    templates = environment()

    @routes.get("/explain")
    async def show(
        site: SiteParameter, source: SourceParameter, hour: HourParameter, basis: BasisParameter = None
    ) -> HTMLResponse:
        told = await _explained(pool, explainer, site, source, instant("hour", hour), basis)
        return HTMLResponse(templates.get_template("explain.html").render(told=told))

    return routes


async def _explained(
    pool: Pool, explainer: Explainer, site: str, source: str, at: datetime, basis: Basis | None
) -> Explanation:
    async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
        try:
            return await explainer.explain(connection, site, source, at, basis)
        except NotExplainedError as error:
            raise NotFoundError(str(error)) from None
