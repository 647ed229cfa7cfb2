"""What is lost when the broker itself is killed -9, with the shipped settings. Nothing is promised here."""

from __future__ import annotations

import asyncio
import signal
import time
from random import Random

from tests.torture.run import Outcome, Plan, finish, say, stage


async def measure(plan: Plan, kills: int) -> Outcome:
    """Kill the broker, every second time with a queue behind ingest that is away. Raises SetupError."""
    async with stage(plan) as torture:
        world, random, started = torture.world, Random(plan.seed), time.monotonic()
        for number in range(kills):
            await asyncio.sleep(random.uniform(2.0, 4.0))
            away = number % 2 == 1
            if away and world.ingest is not None:
                await world.ingest.end(signal.SIGTERM)
                world.ingest = None
                await asyncio.sleep(random.uniform(2.0, 4.0))
            await torture.machines.signal_broker(signal.SIGKILL)
            await torture.machines.up()
            world.faults["broker killed, ingest away" if away else "broker killed"] += 1
            await world.running_ingest()
            say(f"{number + 1} of {kills}: {await torture.progress()}")
        return await finish(torture, time.monotonic() - started)
