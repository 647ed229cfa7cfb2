"""`carbonflow deadletters`."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from services import settings
from services.cli.output import print_json, print_rows
from services.cli.plain import PLAIN
from services.domain.outcome import Reason
from services.ingest.message import Limits
from services.ingest.replay import Replayed, replay_letter
from services.ingest.topics import shown
from services.store.dead_letter_search import (
    LetterFilter,
    ReasonCount,
    count_dead_letters,
    find_open_letters,
    list_dead_letters,
    topic_pattern,
)
from services.store.dead_letters import KeptLetter, accept_letters, missing_letters
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
_SHOWN: Final = 400
"""Characters of a payload that a terminal shows; of what is longer or odd it gets the quoted beginning."""
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


ReasonOption = Annotated[Reason | None, typer.Option(help="Only with this reason.")]
SiteOption = Annotated[
    str | None, typer.Option(metavar="ID", help="Only of this site, the third level of the topic.")
]
TopicOption = Annotated[
    str | None,
    typer.Option(metavar="FILTER", help="Only of topics that match: + is any level, # all that follow."),
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Only received since: an instant with zone, or 90m, 24h, 7d ago."),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only received before, given as --since is.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


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


def selected(
    reason: Reason | None, site: str | None, topic: str | None, since: str | None, until: str | None
) -> LetterFilter:
    """What the options of `list` and `replay` mean. Raises typer.BadParameter."""
    now = datetime.now(UTC)
    after, before = (None if text is None else since_when(text, now) for text in (since, until))
    if topic is not None:
        try:
            topic_pattern(topic)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.") from None
    return LetterFilter(reason, site, topic, after, before)


@app.command("list", short_help="List dead letters, and how many by reason.")
def list_(
    reason: ReasonOption = None,
    site: SiteOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only those that were neither replayed nor accepted.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, the newest first, and how many there are by reason.

    Payloads that are long or hold odd characters are shown quoted and cut; --json has all of them.
    """
    url = settings.load("database_url").database_url.get_secret_value()
    wanted = selected(reason, site, topic, since, until)._replace(only_open=only_open)
    counts, letters = asyncio.run(_list(url, wanted, limit))
    if as_json:
        _print_json(counts, letters)
    elif not counts:
        typer.echo("No dead letters." if wanted == LetterFilter() else "No such dead letters.")
    else:
        print_rows(ReasonCount._fields, counts, as_json=False)
        typer.echo()
        _print_letters(letters)
        every = sum(each.letters for each in counts)
        if every > len(letters):
            typer.echo(f"The newest {len(letters)} of {every}: --limit shows more.", err=True)


async def _list(url: str, wanted: LetterFilter, limit: int) -> tuple[list[ReasonCount], list[KeptLetter]]:
    async with await connect(url, name="carbonflow deadletters") as connection:
        counts = await count_dead_letters(connection, wanted)
        return counts, await list_dead_letters(connection, wanted, limit=limit)


def _print_json(counts: Sequence[ReasonCount], letters: Sequence[KeptLetter]) -> None:
    print_json(
        {
            "counts": {each.reason: each.letters for each in counts},
            "open": {each.reason: each.open for each in counts},
            "dead_letters": [dict(zip(LISTED, _row(letter), strict=True)) for letter in letters],
        }
    )


def _print_letters(letters: Sequence[KeptLetter]) -> None:
    """Three lines for each on a terminal, whose width no table of them fits; else a line for each."""
    if not sys.stdout.isatty():
        print_rows(LISTED, [_short(letter) for letter in letters], as_json=False)
        return
    for letter in letters:
        payload = letter.payload.decode("utf-8", "backslashreplace")
        if len(payload) > _SHOWN or not payload.isprintable():
            payload = shown(payload)
        typer.echo(f"{letter.dead_letter_id}  {letter.received_at:%Y-%m-%d %H:%M:%S}Z  {_state(letter)}")
        typer.echo(f"    {shown(letter.topic)[1:-1]}")
        typer.echo(f"    {letter.reason}: {letter.detail}")
        typer.echo(f"    {letter.payload_bytes} bytes: {payload}")


def _state(letter: KeptLetter) -> str:
    if letter.replayed_at is not None:
        return f"replayed {letter.replayed_at:%Y-%m-%d %H:%M}Z"
    return "open" if letter.accepted_at is None else f"accepted {letter.accepted_at:%Y-%m-%d %H:%M}Z"


@app.command(short_help="Take dead letters once more, as ingest would today.")
def replay(
    letter_id: Annotated[
        list[int] | None, typer.Option("--id", metavar="ID", help="Only this one; may be repeated.")
    ] = None,
    reason: ReasonOption = None,
    site: SiteOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take dead letters once more, as ingest would today: what is stored is marked, all else stays as it is.

    Without --id all that were neither replayed nor accepted. They are judged as of when they were received.
    Doing it again does no harm. Exit status 1 where something is still rejected.
    """
    given = settings.load("database_url")
    limits = Limits(too_old_s=given.too_old_days * 86_400, future_s=given.future_s)
    wanted = selected(reason, site, topic, since, until)
    found = asyncio.run(_replay(given.database_url.get_secret_value(), wanted, letter_id, limits))
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


async def _replay(
    url: str, wanted: LetterFilter, given: Sequence[int] | None, limits: Limits
) -> list[Replayed]:
    async with await connect(url, name="carbonflow deadletters", autocommit=True) as connection:
        if given is not None:
            await _must_exist(connection, given)
        ids = await find_open_letters(connection, wanted, ids=given)
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


@app.command(short_help="Set dead letters aside as no loss.")
def accept(
    letter_ids: Annotated[list[int], typer.Argument(metavar="ID...", help="The dead letters.")],
    as_json: JsonOption = False,
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
