"""`carbonflow readings`."""

from __future__ import annotations

import asyncio
import getpass
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from services import settings
from services.analytics.correction_trial import Record, Trial, try_correction
from services.cli.output import print_json, print_rows
from services.cli.plain import PLAIN
from services.domain.ledger.overlay import Action
from services.domain.quantities import Kind
from services.store.corrections import (
    Recorded,
    Wish,
    find_device,
    list_corrections,
    record_correction,
    withdraw_correction,
)
from services.store.pool import Connection, connect
from services.store.revisions import Effect

app = typer.Typer(no_args_is_help=True, **PLAIN)

_MICROSECOND: Final = timedelta(microseconds=1)

DeviceArgument = Annotated[str, typer.Argument(metavar="SITE/DEVICE", help="Whose readings.")]
FromArgument = Annotated[
    str, typer.Argument(metavar="FROM", help="Device time of the first, with zone: 2026-03-01T08:00:00Z.")
]
ToArgument = Annotated[
    str | None, typer.Argument(metavar="TO", help="Until before this; without it the one reading at FROM.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it stays with the correction.")]
KindOption = Annotated[
    Kind | None, typer.Option(help="Kind of the device, where the site has two of that name.")
]
AuthorOption = Annotated[
    str | None,
    typer.Option(help="Who answers for it; you, by the name you are logged in with, if not given."),
]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would change, in kg by source, and keep nothing.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def readings() -> None:
    """Void or correct stored readings. What was stored stays; the hours are computed anew, and say why."""


@app.command(short_help="Have readings count no more.")
def void(
    device: DeviceArgument,
    begin: FromArgument,
    end: ToArgument = None,
    *,
    reason: ReasonOption,
    quantity: Annotated[
        str | None, typer.Option(help="Only this quantity; all of them if not given.")
    ] = None,
    kind: KindOption = None,
    author: AuthorOption = None,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have readings count no more, as if they were sent with a fault; see docs/corrections.md."""
    wanted = _Wanted(device, begin, end, reason, kind, author)
    _record(wanted, quantity, Action.VOID, None, dry_run=dry_run, as_json=as_json)


@app.command(short_help="Correct one quantity of readings.")
def correct(
    device: DeviceArgument,
    begin: FromArgument,
    end: ToArgument = None,
    *,
    reason: ReasonOption,
    quantity: Annotated[str, typer.Option(help="Which quantity.")],
    value: Annotated[float | None, typer.Option(help="The value is this.")] = None,
    add: Annotated[float | None, typer.Option(help="So much more than was sent.")] = None,
    scale: Annotated[float | None, typer.Option(help="So many times what was sent.")] = None,
    kind: KindOption = None,
    author: AuthorOption = None,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Correct one quantity of readings: by a value, by what is to be added, or by a factor.

    A register whose value is given counts as read off by a person: its hours are marked estimated.
    """
    numbers = {Action.SET: value, Action.ADD: add, Action.SCALE: scale}
    given = [(action, number) for action, number in numbers.items() if number is not None]
    if len(given) != 1:
        raise typer.BadParameter("give one of --value, --add and --scale")
    wanted = _Wanted(device, begin, end, reason, kind, author)
    _record(wanted, quantity, *given[0], dry_run=dry_run, as_json=as_json)


@app.command(short_help="Have a correction count no more.")
def withdraw(
    correction: Annotated[int, typer.Argument(metavar="ID", help="Its number, see `readings list`.")],
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have a correction count no more. It stays listed, with who withdrew it and why."""
    _must_say(reason)
    who = _author(author)

    async def record(connection: Connection) -> Recorded:
        return await withdraw_correction(connection, correction, reason, who)

    _tell(asyncio.run(_do(record, dry_run=dry_run)), "withdrawn", as_json=as_json)


@app.command("list", short_help="List corrections, with what they changed.")
def list_(
    site: Annotated[str | None, typer.Option(metavar="ID", help="Only of this site.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List corrections, the newest first, with the sums of the hours they changed."""
    columns, rows = asyncio.run(_list(site))
    if rows or as_json:
        print_rows(columns, rows, as_json=as_json)
    else:
        typer.echo("No corrections.")


class _Wanted:
    """What the arguments of `void` and `correct` have in common. Raises typer.BadParameter."""

    def __init__(
        self, device: str, begin: str, end: str | None, reason: str, kind: Kind | None, author: str | None
    ) -> None:
        self.site, _, self.device = device.partition("/")
        if not self.site or not self.device or "/" in self.device:
            raise typer.BadParameter(f"{device} is no device: write SITE/DEVICE, and --kind where needed")
        self.begin = _instant(begin)
        self.end = self.begin + _MICROSECOND if end is None else _instant(end)
        if self.begin >= self.end:
            raise typer.BadParameter("TO is not after FROM")
        _must_say(reason)
        self.reason = reason
        self.kind = kind
        self.author = _author(author)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter(f"{text} is no instant with zone, such as 2026-03-01T08:00:00Z")
    return instant


def _author(given: str | None) -> str:
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number alone
        raise typer.BadParameter("say who answers for it, with --author") from None


def _must_say(reason: str) -> None:
    if not reason.strip():
        raise typer.BadParameter("say why, with --reason")


def _record(
    wanted: _Wanted,
    quantity: str | None,
    action: Action,
    value: float | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    async def record(connection: Connection) -> Recorded:
        device = await find_device(connection, wanted.site, wanted.device, wanted.kind)
        wish = Wish(device, wanted.begin, wanted.end, quantity, action, value, wanted.reason, wanted.author)
        return await record_correction(connection, wish)

    _tell(asyncio.run(_do(record, dry_run=dry_run)), "recorded", as_json=as_json)


async def _do(record: Record, *, dry_run: bool) -> Trial | Recorded:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-readings", autocommit=True) as connection:
        return await (try_correction(connection, record) if dry_run else record(connection))


def _tell(done: Trial | Recorded, verb: str, *, as_json: bool) -> None:
    if isinstance(done, Recorded):
        if as_json:
            print_json({"correction": done.correction, verb: True, "readings": done.readings})
        else:
            what = _readings(done.readings)
            typer.echo(f"Correction {done.correction} {verb}; the hours of {what} are computed anew.")
        return
    effects = [each._asdict() for each in done.effects]
    if as_json:
        print_json({verb: False, "readings": done.recorded.readings, "effects": effects})
        return
    typer.echo(f"It is not {verb}: {_readings(done.recorded.readings)}.")
    if effects:
        print_rows(Effect._fields, done.effects, as_json=False)
    else:
        typer.echo("No hour that has ended would change.")


def _readings(count: int) -> str:
    return f"{count} reading{'' if count == 1 else 's'} of its time"


async def _list(site: str | None) -> tuple[list[str], list[tuple[object, ...]]]:
    url = settings.load("database_url").database_url.get_secret_value()
    async with await connect(url, name="carbonflow-readings", autocommit=True) as connection:
        return await list_corrections(connection, site)
