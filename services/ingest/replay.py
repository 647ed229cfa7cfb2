"""Dead letters once more through today's code: each in a transaction of its own, by which it is marked, too.

They are judged as of when they were received, by the limits of today. Nothing of a letter that is still
rejected remains, neither a new device nor a count; and no live emissions are made of what was stored late.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import psycopg
from psycopg import Rollback
from psycopg.errors import UniqueViolation

from services.domain.factors import FactorBook
from services.domain.outcome import Reason
from services.domain.registry.model import Registry
from services.ingest.convert import LiveConverter, References
from services.ingest.decode import Decoder
from services.ingest.flush import Account, Flush
from services.ingest.known import Known
from services.ingest.message import Cut, Limits, Message, Rejection
from services.ingest.write import blame
from services.store.dead_letters import ReplayableLetter, lock_open_letter, mark_replayed
from services.store.errors import Failure, classify
from services.store.pool import Connection

CLIENT: Final = "replay"
"""Under which name the account of replays is kept."""

# Ingest may write the same reading between our look and our write; a second look settles it.
_LOOKS: Final = 3


class Replayed(NamedTuple):
    """What became of a dead letter."""

    letter_id: int
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    """Elements of an array that could not be read before: they have dead letters of their own now."""
    refusal: Rejection | None = None
    """Why it is still rejected."""

    @property
    def reason(self) -> Reason | None:
        """Why it is still rejected, in a word."""
        return None if self.refusal is None else self.refusal.reason


async def replay_letter(connection: Connection, letter_id: int, limits: Limits) -> Replayed | None:
    """Replay one dead letter; None where it was, or is being, replayed by another.

    Raises psycopg.Error where the database, not the letter, is to blame.
    """
    looks = 0
    while True:
        try:
            return await _replay(connection, letter_id, limits)
        except UniqueViolation:
            looks += 1
            if looks == _LOOKS:
                raise
        except psycopg.Error as error:
            if classify(error) is Failure.TRANSIENT:
                raise
            return Replayed(letter_id, refusal=blame(error))


async def _replay(connection: Connection, letter_id: int, limits: Limits) -> Replayed | None:
    async with connection.transaction():
        letter = await lock_open_letter(connection, letter_id)
        if letter is None:
            return None
        units = Decoder(limits).decode(_message(letter))
        nothing = LiveConverter(References(Registry(version=1), FactorBook(()), {}, {}), letter.received_at)
        account = await Flush(connection, CLIENT, Known(), nothing).write(units)
        replayed = _outcome(letter_id, account, len(units))
        if replayed.refusal is not None:
            raise Rollback
        await mark_replayed(connection, letter_id)
    return replayed


def _message(letter: ReplayableLetter) -> Message:
    is_whole = letter.payload_bytes == len(letter.payload)
    cut = None if is_whole else Cut(letter.payload_bytes, letter.payload_sha256)
    return Message(letter.topic, letter.payload, 0, letter.received_at, cut)


def _outcome(letter_id: int, account: Account, units: int) -> Replayed:
    if account.refused and len(account.refused) == units:
        _, refusal = account.refused[0]
        return Replayed(letter_id, refusal=refusal)
    return Replayed(letter_id, account.stored, account.duplicate, account.rejected.total())
