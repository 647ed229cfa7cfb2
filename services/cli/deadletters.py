"""`carbonflow deadletters`."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from services import settings
from services.cli.output import print_json, print_rows
from services.cli.plain import PLAIN
from services.domain.outcome import Reason
from services.ingest.topics import shown
from services.store.dead_letters import KeptLetter, count_dead_letters, list_dead_letters
from services.store.pool import connect

app = typer.Typer(no_args_is_help=True, **PLAIN)

LISTED: Final = (
    "id",
    "received_at",
    "topic",
    "reason",
    "detail",
    "payload",
    "bytes",
    "replayed_at",
    "accepted_at",
)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@app.callback()
def deadletters() -> None:
    """See what ingest could not store, and why."""


def since_when(text: str, now: datetime) -> datetime:
    """An instant with zone, or so long before `now`: `90m`, `24h`, `7d`. Raises typer.BadParameter."""
    if ago := re.fullmatch(r"([0-9]{1,6})([smhd])", text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = now.replace(tzinfo=None)
    if instant.tzinfo is None:
        raise typer.BadParameter("write an instant with zone, such as 2026-03-01T08:00:00Z, or 90m, 24h, 7d")
    return instant


@app.command("list")
def list_(
    reason: Annotated[Reason | None, typer.Option(help="Only with this reason.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only received since: an instant with zone, or 90m, 24h, 7d ago.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List dead letters, the newest first, and how many there are by reason."""
    url = settings.load("database_url").database_url.get_secret_value()
    after = None if since is None else since_when(since, datetime.now(UTC))
    counts, letters = asyncio.run(_list(url, reason, after, limit))
    if as_json:
        listed = [dict(zip(LISTED, _row(letter), strict=True)) for letter in letters]
        print_json({"counts": counts, "dead_letters": listed})
        return
    print_rows(("reason", "count"), list(counts.items()), as_json=False)
    typer.echo()
    print_rows(LISTED, [_short(letter) for letter in letters], as_json=False)


async def _list(
    url: str, reason: Reason | None, since: datetime | None, limit: int
) -> tuple[dict[str, int], list[KeptLetter]]:
    async with await connect(url, name="carbonflow deadletters") as connection:
        counts = await count_dead_letters(connection, reason=reason, since=since)
        return counts, await list_dead_letters(connection, reason=reason, since=since, limit=limit)


def _row(letter: KeptLetter) -> tuple[Any, ...]:
    return (
        letter.dead_letter_id,
        letter.received_at,
        letter.topic,
        letter.reason,
        letter.detail,
        letter.payload.decode("utf-8", "backslashreplace"),
        letter.payload_bytes,
        letter.replayed_at,
        letter.accepted_at,
    )


def _short(letter: KeptLetter) -> tuple[Any, ...]:
    """As `_row`, but foreign text quoted: it may hold what a terminal takes for a command."""
    row = list(_row(letter))
    row[2], row[5] = shown(letter.topic)[1:-1], shown(str(row[5]))
    return tuple(row)
