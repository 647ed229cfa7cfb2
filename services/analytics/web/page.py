"""The live board: one page, whose main part a script fetches again and again."""

from __future__ import annotations

import psycopg
from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.analytics.web import text
from services.analytics.web.chart import COLOURS, HEIGHT, WIDTH, Chart, draw
from services.analytics.web.errors import AWAY, RETRY_AFTER_S
from services.analytics.web.reader import BoardReader, Snapshot
from services.analytics.web.summary import ELECTRICITY, SiteCard, build


def router(reader: BoardReader, refresh_s: float) -> APIRouter:
    """The page, and its main part alone."""
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    templates = environment()

    @routes.get("/")
    async def show_page() -> HTMLResponse:
        try:
            seen = await reader.snapshot()
        except psycopg.Error:
            # Its script goes on asking, so that the page comes to life with the database.
            away = templates.get_template("away.html").render(message=AWAY, refresh_s=refresh_s)
            return HTMLResponse(away, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})
        return HTMLResponse(render(templates, "page.html", seen, refresh_s))

    @routes.get("/board")
    async def show_board() -> HTMLResponse:
        return HTMLResponse(render(templates, "board.html", await reader.snapshot(), refresh_s))

    return routes


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
        age=text.age_text,
        difference=text.difference_text,
    )
    templates.globals.update(DASH=text.DASH, WIDTH=WIDTH, HEIGHT=HEIGHT, COLOURS=COLOURS)
    return templates


def render(templates: Environment, name: str, seen: Snapshot, refresh_s: float) -> str:
    """A template with the board of a snapshot."""
    board = build(seen)
    return templates.get_template(name).render(
        seen=seen, board=board, sites=[_Site(card) for card in board.cards], refresh_s=refresh_s
    )


class _Site:
    """A site's card with its charts."""

    def __init__(self, card: SiteCard) -> None:
        self.card = card
        self.members = [line.source.source for line in card.lines if line.source.in_total]
        self.emissions: Chart = draw("emissions", card.emission_hours, self.members, "kg")
        self.power: Chart = draw("power", card.power_hours, [ELECTRICITY], "kWh")
