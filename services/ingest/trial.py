"""What would happen to a payload, storing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import Rollback

from services.domain.factors import FactorBook
from services.domain.outcome import Outcome, Reason
from services.domain.reading import DeviceKey, Reading
from services.domain.registry.model import Registry, facts_at
from services.ingest.convert import LiveConverter, References
from services.ingest.decode import Decoder
from services.ingest.flush import Flush
from services.ingest.known import Known
from services.ingest.message import Decoded, Limits, Message, Received, StateUnit
from services.store.pool import Connection
from services.store.registry import load_registry


class Verdict(NamedTuple):
    """What would become of one unit. `outcome` is None for what is no reading: a state message."""

    position: int | None
    outcome: Outcome | None
    reason: Reason | None
    detail: str | None
    reading: Reading | None = None
    assigned: bool | None = None
    """Whether the registry knows the device now; None where it was not asked."""


def decoded(topic: str, payload: bytes, limits: Limits, now: datetime) -> Sequence[Decoded]:
    """The units of a payload received `now`."""
    return Decoder(limits).decode(Message(topic, payload, 0, now))


def judge(units: Sequence[Decoded]) -> list[Verdict]:
    """What can be said without a database: readings would be stored, unless they are there already."""
    return [_verdict(unit) for unit in units]


def _verdict(unit: Decoded) -> Verdict:
    if isinstance(unit, StateUnit):
        return Verdict(None, None, None, f"The device is noted as {unit.change.state}.")
    if isinstance(unit, Received):
        return Verdict(unit.position, Outcome.STORED, None, None, unit.reading)
    return Verdict(unit.position, Outcome.REJECTED, unit.rejection.reason, unit.rejection.detail)


async def judge_assigned(connection: Connection, units: Sequence[Decoded], now: datetime) -> list[Verdict]:
    """As `judge`, and whether the registry knows each device, by reading alone. Raises psycopg.Error."""
    registry = (await load_registry(connection)).registry
    return [
        verdict._replace(assigned=_is_assigned(registry, unit.reading.device, now))
        if isinstance(unit, Received)
        else verdict
        for unit, verdict in zip(units, judge(units), strict=True)
    ]


async def rehearse(connection: Connection, units: Sequence[Decoded], now: datetime) -> list[Verdict]:
    """Write the units one after the other as ingest would, and take everything back. Raises psycopg.Error."""
    nothing = LiveConverter(References(Registry(version=1), FactorBook(()), {}, {}), now)
    verdicts: list[Verdict] = []
    async with connection.transaction():
        for unit, verdict in zip(units, await judge_assigned(connection, units, now), strict=True):
            account = await Flush(connection, "check", Known(), nothing).write([unit])
            if account.duplicate:
                verdict = verdict._replace(outcome=Outcome.DUPLICATE, detail="It is kept already.")
            elif account.refused:
                _, (reason, detail) = account.refused[0]
                verdict = verdict._replace(outcome=Outcome.REJECTED, reason=reason, detail=detail)
            verdicts.append(verdict)
        raise Rollback
    return verdicts


def _is_assigned(registry: Registry, key: DeviceKey, now: datetime) -> bool:
    site = registry.sites.get(key.site)
    device = None if site is None else site.devices.get(f"{key.kind}/{key.device}")
    if device is None or facts_at(device.facts, now) is None:
        return False
    return device.ended is None or now < device.ended
