"""`carbonflow deadletters`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

import typer

from services import settings
from services.cli.output import print_json, print_rows
from services.cli.plain import PLAIN
from services.domain.outcome import Reason
from services.ingest.message import Limits
from services.ingest.replay import Replayed, replay_letter
from services.ingest.topics import shown
from services.store.dead_letters import (
    KeptLetter,
    accept_letters,
    count_dead_letters,
    find_open_letters,
    list_dead_letters,
    missing_letters,
)
from services.store.errors import StoreError
from services.store.pool import Connection, connect

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


class Selected(NamedTuple):
    """Which dead letters to replay."""

    ids: list[int] | None
    reason: Reason | None
    since: datetime | None


@app.callback()
def deadletters() -> None:
    """See what ingest could not store, and why; replay it, or accept it."""


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


@app.command()
def replay(
    letter_id: Annotated[
        list[int] | None, typer.Option("--id", help="Only this one; may be repeated.")
    ] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only with this reason.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only received since: an instant with zone, or 90m, 24h, 7d ago.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take dead letters once more, as ingest would today: what is stored is marked, all else stays as it is.

    Without --id all that were neither replayed nor accepted. They are judged as of when they were received.
    Doing it again does no harm. Exit status 1 where something is still rejected.
    """
    given = settings.load("database_url")
    limits = Limits(too_old_s=given.too_old_days * 86_400, future_s=given.future_s)
    after = None if since is None else since_when(since, datetime.now(UTC))
    found = asyncio.run(
        _replay(given.database_url.get_secret_value(), Selected(letter_id, reason, after), limits)
    )
    still = [each for each in found if each.refusal is not None]
    if as_json:
        print_json(
            {
                "replayed": len(found) - len(still),
                "still_rejected": len(still),
                "letters": [_outcome(each) for each in found],
            }
        )
    else:
        for each in still:
            typer.echo(_refusal(each))
        typer.echo(f"{len(found) - len(still)} replayed, {len(still)} still rejected.")
    if still:
        raise typer.Exit(1)


async def _replay(url: str, selected: Selected, limits: Limits) -> list[Replayed]:
    async with await connect(url, name="carbonflow deadletters", autocommit=True) as connection:
        if selected.ids is not None:
            await _must_exist(connection, selected.ids)
        ids = await find_open_letters(
            connection, ids=selected.ids, reason=selected.reason, since=selected.since
        )
        found = [await replay_letter(connection, letter_id, limits) for letter_id in ids]
    return [each for each in found if each is not None]


async def _must_exist(connection: Connection, ids: Sequence[int]) -> None:
    missing = await missing_letters(connection, ids)
    if missing:
        numbers = ", ".join(map(str, missing))
        raise StoreError(f"There is no dead letter {numbers}: see `carbonflow deadletters list`.")


def _outcome(replayed: Replayed) -> dict[str, Any]:
    return {
        "id": replayed.letter_id,
        "stored": replayed.stored,
        "duplicate": replayed.duplicate,
        "rejected": replayed.rejected,
        "reason": replayed.reason,
        "detail": None if replayed.refusal is None else replayed.refusal.detail,
    }


def _refusal(replayed: Replayed) -> str:
    detail = "" if replayed.refusal is None else replayed.refusal.detail
    return f"{replayed.letter_id}: still rejected ({replayed.reason}). {detail}"


@app.command()
def accept(
    letter_ids: Annotated[list[int], typer.Argument(metavar="ID...", help="The dead letters.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Set dead letters aside as no loss: nobody need look at them again, and no replay takes them unnamed."""
    url = settings.load("database_url").database_url.get_secret_value()
    accepted = asyncio.run(_accept(url, letter_ids))
    if as_json:
        print_json({"accepted": accepted})
    else:
        others = len(set(letter_ids)) - len(accepted)
        typer.echo(f"{len(accepted)} accepted, {others} were accepted or replayed already.")


async def _accept(url: str, ids: Sequence[int]) -> list[int]:
    async with await connect(url, name="carbonflow deadletters") as connection:
        await _must_exist(connection, ids)
        return await accept_letters(connection, ids)


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
