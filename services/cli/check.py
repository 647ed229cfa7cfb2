"""`carbonflow check`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import psycopg
import typer

from services import settings
from services.cli.output import print_json
from services.domain.outcome import Outcome
from services.domain.quantities import NAMES, STATUS_WORDS
from services.domain.reading import Reading
from services.ingest.message import Decoded, Limits
from services.ingest.trial import Verdict, decoded, judge, judge_assigned, rehearse
from services.store.errors import explain
from services.store.pool import connect

NOT_COMPARED: Final = "Not compared with what is stored"
MAY_ONLY_READ: Final = (
    f"{NOT_COMPARED}: this database user may only read. Whether a reading is there already, contradicts "
    "a stored one or exceeds its site's quota is unknown; the user of ingest can tell."
)


def check(
    topic: Annotated[str, typer.Argument(help="The topic it is published to.")],
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="The payload; - reads stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what would happen to a payload, storing nothing.

    With a database (CARBONFLOW_DATABASE_URL) it also tells what is there already, contradicts what is stored,
    or comes from a device that the registry does not know. For a user that may only read, the last of these
    is told alone. Exit status 1 where something would be rejected.
    """
    given = settings.load()
    limits = Limits(too_old_s=given.too_old_days * 86_400, future_s=given.future_s)
    now = datetime.now(UTC)
    units = decoded(topic, file.read(), limits, now)
    verdicts, note = _judge(given.database_url.get_secret_value(), units, now)
    if as_json:
        print_json(
            {"compared": note is None, "note": note, "units": [_json(verdict) for verdict in verdicts]}
        )
    else:
        for verdict in verdicts:
            typer.echo(_sentence(verdict))
        if not verdicts:
            typer.echo("Nothing: a result, and a retained state that is cleared, are not kept.")
        if note is not None:
            typer.echo(note, err=True)
    if any(verdict.outcome is Outcome.REJECTED for verdict in verdicts):
        raise typer.Exit(1)


def _judge(url: str, units: Sequence[Decoded], now: datetime) -> tuple[list[Verdict], str | None]:
    """The verdicts, and why they are without what is stored where they are."""
    if not url:
        return judge(units), f"{NOT_COMPARED}: CARBONFLOW_DATABASE_URL is not set."
    try:
        return asyncio.run(_compare(url, units, now))
    except psycopg.Error as error:
        return judge(units), f"{NOT_COMPARED}. {explain(error)}"


async def _compare(url: str, units: Sequence[Decoded], now: datetime) -> tuple[list[Verdict], str | None]:
    async with await connect(url, name="carbonflow check") as connection:
        try:
            async with connection.transaction():
                return await rehearse(connection, units, now), None
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            return await judge_assigned(connection, units, now), MAY_ONLY_READ


def _sentence(verdict: Verdict) -> str:
    where = "" if verdict.position is None else f"{verdict.position}: "
    if verdict.outcome is None:
        return f"{where}{verdict.detail}"
    text = f"{where}{verdict.outcome}"
    if verdict.reason is not None:
        text += f" ({verdict.reason})"
    if verdict.reading is not None and verdict.outcome is not Outcome.REJECTED:
        text += f", {_values(verdict.reading)}"
    if verdict.assigned is False:
        text += ", unassigned: the registry does not know the device"
    if verdict.detail is not None:
        text += f". {verdict.detail}"
    return text


def _values(reading: Reading) -> str:
    named = zip(NAMES[reading.device.kind], reading.values, strict=True)
    values = " ".join(f"{name}={value}" for name, value in named if value is not None)
    beside = "" if reading.extra is None else ", with fields that are kept beside it"
    return f"{reading.time.isoformat()} {values}{beside}"


def _json(verdict: Verdict) -> dict[str, Any]:
    reading = verdict.reading
    return {
        "position": verdict.position,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "assigned": verdict.assigned,
        "reading": None if reading is None else _reading(reading),
    }


def _reading(reading: Reading) -> dict[str, Any]:
    named = zip(NAMES[reading.device.kind], reading.values, strict=True)
    return {
        "site": reading.device.site,
        "kind": reading.device.kind,
        "device": reading.device.device,
        "time": reading.time,
        "seq": reading.seq,
        "values": {name: value for name, value in named if value is not None},
        "status": STATUS_WORDS[reading.status],
        "quantity_status": None if reading.quantity_status is None else json.loads(reading.quantity_status),
        "unknown_fields": None if reading.extra is None else json.loads(reading.extra),
    }
