"""What is lost when the broker itself is killed -9, with the shipped settings. Nothing is promised here."""

from __future__ import annotations

import asyncio
import signal
import time
from random import Random
from typing import Final, NamedTuple

from tests.torture.run import Outcome, Plan, Torture, finish, say, stage

_KEEPING_UP: Final = "kill broker, ingest keeping up"
_AWAY: Final = "kill broker, ingest away"


class Kill(NamedTuple):
    """One kill of the broker."""

    how: str
    newest: list[int]
    """The highest number of an acknowledged message in each journal, then."""


async def measure(plan: Plan, kills: int) -> Outcome:
    """Kill the broker, every second time with a queue behind ingest that is away. Raises SetupError."""
    async with stage(plan) as torture:
        random, started = Random(plan.seed), time.monotonic()
        done = []
        for number in range(kills):
            done.append(await _kill(torture, random, away=number % 2 == 1))
            say(f"{number + 1} of {kills}: {await torture.progress()}")
        outcome = await finish(torture, time.monotonic() - started, loss_expected=True)
        outcome.notes = _by_kill(done, outcome.verdict.lost_messages)
        return outcome


async def _kill(torture: Torture, random: Random, *, away: bool) -> Kill:
    world = torture.world
    await asyncio.sleep(random.uniform(2.0, 4.0))
    if away and world.ingest is not None:
        await world.ingest.end(signal.SIGTERM)
        world.ingest = None
        await asyncio.sleep(random.uniform(2.0, 4.0))
    await torture.machines.signal_broker(signal.SIGKILL)
    newest = await asyncio.to_thread(torture.newest_acknowledged)
    await torture.machines.up()
    how = _AWAY if away else _KEEPING_UP
    world.faults[how] += 1
    await world.running_ingest()
    return Kill(how, newest)


def _by_kill(kills: list[Kill], lost: list[tuple[int, int]]) -> list[str]:
    """How much each sort of kill lost: a message goes with the first kill after it was sent."""
    of_kill = [0] * (len(kills) + 1)
    for journal, number in lost:
        first = (position for position, kill in enumerate(kills) if number <= kill.newest[journal])
        of_kill[next(first, len(kills))] += 1
    notes = []
    for how in (_KEEPING_UP, _AWAY):
        counts = [count for kill, count in zip(kills, of_kill, strict=False) if kill.how == how]
        if counts:
            notes.append(f"{how}: {sum(counts)} lost in {len(counts)} kills, at most {max(counts)} in one")
    return notes
