"""The live board: one page, whose main part a script fetches again and again."""

from __future__ import annotations

import asyncio
from typing import Annotated

import psycopg
from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.analytics.web import text
from services.analytics.web.chart import COLOURS, HEIGHT, WIDTH, Chart, Table, draw, table
from services.analytics.web.errors import AWAY, RETRY_AFTER_S, NotFoundError
from services.analytics.web.reader import BoardReader, Snapshot
from services.analytics.web.summary import ELECTRICITY, Board, SiteCard, build

SiteParameter = Annotated[str | None, Query(description="one site's part of the board")]


def router(reader: BoardReader, refresh_s: float) -> APIRouter:
    """The page, and its main part alone."""
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    pages = Pages(reader, refresh_s)

    @routes.get("/")
    async def show_page(site: SiteParameter = None) -> HTMLResponse:
        try:
            return HTMLResponse(await pages.html("page.html", site))
        except psycopg.Error:
            # Its script goes on asking, so that the page comes to life with the database.
            return HTMLResponse(pages.away(), status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})

    @routes.get("/board")
    async def show_board(site: SiteParameter = None) -> HTMLResponse:
        return HTMLResponse(await pages.html("board.html", site))

    return routes


class Pages:
    """HTML of the newest snapshot, made once for all who look at the same part of it."""

    def __init__(self, reader: BoardReader, refresh_s: float) -> None:
        self._reader = reader
        self._refresh_s = refresh_s
        self._templates = environment()
        self._making = asyncio.Lock()
        self._of: Snapshot | None = None
        self._board: Board | None = None
        self._made: dict[tuple[str, str | None], str] = {}

    async def html(self, template: str, site: str | None) -> str:
        """A template filled; of one site where it is named. Raises NotFoundError, psycopg.Error."""
        seen = await self._reader.snapshot()
        async with self._making:
            if self._board is None or self._of is not seen:
                self._of, self._board, self._made = seen, build(seen), {}
            if (template, site) not in self._made:
                # In a thread: hundreds of sources take a good part of a second, and the ledger's worker and
                # the health checks live in this loop.
                made = await asyncio.to_thread(self._render, template, seen, self._board, site)
                self._made[template, site] = made
            return self._made[template, site]

    def away(self) -> str:
        """The page while the database is away."""
        return self._templates.get_template("away.html").render(message=AWAY, refresh_s=self._refresh_s)

    def _render(self, template: str, seen: Snapshot, board: Board, site: str | None) -> str:
        cards = [card for card in board.cards if site in (None, card.site.site)]
        if site is not None and not cards:
            raise NotFoundError(f"there is no site {site[:63]!r}")
        return self._templates.get_template(template).render(
            seen=seen,
            board=board,
            sites=[_Site(card) for card in cards],
            only=site,
            refresh_s=self._refresh_s,
        )


def environment() -> Environment:
    """Templates that escape every value, and fail on a name that does not exist."""
    templates = Environment(
        loader=PackageLoader("services.analytics.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        amount=text.amount_text,
        count=text.count_text,
        share=text.share_text,
        uncertainty=text.uncertainty_text,
        age=text.age_text,
        difference=text.difference_text,
    )
    templates.globals.update(
        DASH=text.DASH,
        UNCERTAINTY=text.UNCERTAINTY,
        TOLERANCE=text.TOLERANCE,
        WIDTH=WIDTH,
        HEIGHT=HEIGHT,
        COLOURS=COLOURS,
    )
    return templates


class _Site:
    """A site's card with its charts."""

    def __init__(self, card: SiteCard) -> None:
        self.card = card
        members = [line.source.source for line in card.lines if line.source.in_total]
        self.emissions: Chart = draw("emissions", card.emission_hours, members, "kg")
        self.emission_table: Table = table(card.emission_hours, members)
        self.power: Chart = draw("power", card.power_hours, [ELECTRICITY], "kWh")
        self.power_table: Table = table(card.power_hours, [ELECTRICITY])
