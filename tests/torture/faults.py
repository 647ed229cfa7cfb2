"""What goes wrong, at random from a seed: every fault heals itself before it returns.

Each actor has its own source of randomness and takes its faults from a shuffled deck, so that all occur.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

import psycopg

from tests.torture.observe import end_writers
from tests.torture.processes import INGEST_CLIENT, Child, Ingest, Machines, logged
from tests.torture.proxy import CutError, Direction, Path, Pipe, Trap

_STOP_S: Final = 30.0
_TAKEOVER_S: Final = 60.0
_TRAP_S: Final = 4.0
_REPLY_S: Final = 2.0


class World:
    """Everything that faults act on, and the account of them."""

    def __init__(
        self,
        machines: Machines,
        database: Path,
        broker: Path,
        devices: Path,
        launch_ingest: Callable[[], Awaitable[Ingest]],
        launch_publisher: Callable[[int], Awaitable[Child]],
    ) -> None:
        self.machines = machines
        self.database = database
        self.broker = broker
        self.devices = devices
        self.launch_ingest = launch_ingest
        self.launch_publisher = launch_publisher
        self.ingest: Ingest | None = None
        self.publishers: list[Child] = []
        self.over = asyncio.Event()
        """Set when no more faults are wanted."""
        self.faults: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.most_journalled = 0
        """Messages that were seen in the journal at once."""

    @property
    def kills(self) -> int:
        """Ingest killed and the database stopped hard; the broker killed, where that is measured."""
        return sum(count for name, count in self.faults.items() if name.startswith("kill "))

    async def running_ingest(self) -> Ingest:
        """The ingest process. One that ended by itself is a defect, and is started again."""
        if self.ingest is not None and not self.ingest.running:
            _, said = logged(self.ingest.log)
            self.wrong.append(f"ingest ended by itself with {await self.ingest.wait()}: {said[-3:]}")
            self.ingest = None
        if self.ingest is None:
            self.ingest = await self.launch_ingest()
        return self.ingest

    async def pause(self, seconds: float) -> bool:
        """Wait; whether more faults are wanted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()
        return not self.over.is_set()


Fault = Callable[[World, Random], Awaitable[None]]


async def act(world: World, random: Random, faults: Sequence[Fault], mean_s: float) -> None:
    """Commit faults, at random intervals of `mean_s` on average, until the world is over."""
    deck: list[Fault] = []
    while await world.pause(random.expovariate(1 / mean_s)):
        if not deck:
            deck = list(faults)
            random.shuffle(deck)
        await deck.pop()(world, random)


# Ingest.


async def kill_ingest(world: World, random: Random) -> None:
    """Kill -9, and start it again at once or a little later."""
    await (await world.running_ingest()).kill()
    world.faults["kill ingest"] += 1
    await _restart_ingest(world, random)


async def kill_ingest_before_commit(world: World, random: Random) -> None:
    """Kill -9 with a transaction written and COMMIT said, but not heard."""
    ingest = await world.running_ingest()

    async def trap(_pipe: Pipe, _data: bytes) -> bytes:
        await ingest.kill()
        raise CutError

    await _trapped_kill(world, random, ingest, "kill ingest before COMMIT", trap)


async def kill_ingest_after_commit(world: World, random: Random) -> None:
    """Kill -9 when the transaction is committed, but nothing acknowledged."""
    ingest = await world.running_ingest()

    async def trap(pipe: Pipe, data: bytes) -> bytes:
        await _reply_lost(pipe, data)
        await ingest.kill()
        raise CutError

    await _trapped_kill(world, random, ingest, "kill ingest after COMMIT", trap)


async def _trapped_kill(world: World, random: Random, ingest: Ingest, name: str, trap: Trap) -> None:
    if not await _trap(world, trap):
        await ingest.kill()
        name = "kill ingest"
    await ingest.wait()
    world.faults[name] += 1
    await _restart_ingest(world, random)


async def stop_ingest(world: World, random: Random) -> None:
    """SIGTERM: it writes what it has, and leaves with status 0."""
    ingest = await world.running_ingest()
    if not await asyncio.wait_for(_answers(world, ingest), _STOP_S):
        return
    try:
        status = await ingest.end(signal.SIGTERM, _STOP_S)
    except TimeoutError:
        world.wrong.append("ingest does not end on SIGTERM")
    else:
        if status != 0:
            world.wrong.append(f"ingest ended on SIGTERM with {status}: {logged(ingest.log)[1][-3:]}")
    world.faults["stop ingest"] += 1
    await _restart_ingest(world, random)


async def second_ingest(world: World, _random: Random) -> None:
    """A second process with the same client id and journal: it leaves with a sentence, the first stays."""
    first = await world.running_ingest()
    second = await world.launch_ingest()
    waits = {asyncio.create_task(each.wait()): each for each in (first, second)}
    done, _ = await asyncio.wait(waits, timeout=_TAKEOVER_S, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    world.faults["second ingest turned away"] += 1
    if not done:
        world.wrong.append("two ingest processes share one journal, and none leaves")
        await first.kill()
    for each in (first, second):
        if each.running:
            world.ingest = each
            continue
        status, said = await each.wait(), logged(each.log)[1]
        if done and (status != 1 or not said or not said[-1].startswith("Another process has the journal")):
            world.wrong.append(f"ingest ended with {status}: {said[-3:]}")
    if not (first.running or second.running):
        world.ingest = None


async def _restart_ingest(world: World, random: Random) -> None:
    world.ingest = None
    await asyncio.sleep(random.choice((0.0, random.uniform(0.0, 1.5))))
    await world.running_ingest()


async def _answers(world: World, ingest: Ingest) -> bool:
    """Wait until its HTTP side is there: before that it does not know signals. False where no more faults are
    wanted before that."""
    while ingest.running and await ingest.in_flight() is None:
        if not await world.pause(0.05):
            return False
    return True


# The database.


async def _trap(world: World, trap: Trap) -> bool:
    """Have `trap` happen at the next COMMIT of readings; whether there was one in time."""
    sprung = asyncio.Event()

    async def spring(pipe: Pipe, data: bytes) -> bytes:
        sprung.set()
        return await trap(pipe, data)

    world.database.trap = spring
    with suppress(TimeoutError):
        async with asyncio.timeout(_TRAP_S):
            await sprung.wait()
    if world.database.trap is spring:
        world.database.trap = None
    return sprung.is_set()


async def _reply_lost(pipe: Pipe, data: bytes) -> None:
    """Let COMMIT through and throw the answer away."""
    pipe.muted = True
    pipe.sink(Direction.UP).write(data)
    with suppress(TimeoutError):
        async with asyncio.timeout(_REPLY_S):
            await pipe.replied.wait()


async def lose_commit(world: World, random: Random) -> None:
    """The connection ends before COMMIT arrives, with half of it, or before its answer arrives."""
    how = random.choice(("before", "half", "after", "after"))

    async def trap(pipe: Pipe, data: bytes) -> bytes:
        if how == "after":
            await _reply_lost(pipe, data)
        elif how == "half":
            sink = pipe.sink(Direction.UP)
            sink.write(data[: -random.randint(1, 8)])
            await sink.drain()
        raise CutError

    if await _trap(world, trap):
        world.faults[f"COMMIT lost, {how} its way" if how != "after" else "answer to COMMIT lost"] += 1


async def end_backends(world: World, random: Random) -> None:
    """Terminate the writer's backend, at any moment or between COPY and COMMIT."""
    url = world.machines.superuser_url()

    async def end() -> int:
        with suppress(psycopg.OperationalError):
            return await asyncio.to_thread(end_writers, url, INGEST_CLIENT)
        return 0

    async def trap(_pipe: Pipe, data: bytes) -> bytes:
        if await end():
            world.faults["backend ended before COMMIT"] += 1
        return data

    if random.random() < 0.5:
        await _trap(world, trap)
    elif await end():
        world.faults["backend ended"] += 1


async def kill_database(world: World, random: Random) -> None:
    """SIGKILL to the postmaster, at any moment or right after COMMIT was sent, and start it again."""
    await _database_killed(world, random, signal.SIGKILL)


async def crash_database(world: World, random: Random) -> None:
    """The same with SIGQUIT, PostgreSQL's immediate shutdown."""
    await _database_killed(world, random, signal.SIGQUIT)


async def _database_killed(world: World, random: Random, number: signal.Signals) -> None:
    async def trap(pipe: Pipe, data: bytes) -> bytes:
        pipe.sink(Direction.UP).write(data)
        await world.machines.signal_database(number)
        raise CutError

    if random.random() < 0.5 or not await _trap(world, trap):
        await world.machines.signal_database(number)
    await asyncio.sleep(random.uniform(0.0, 1.5))
    await world.machines.up()
    world.faults[f"kill database ({number.name})"] += 1


async def restart_database(world: World, random: Random) -> None:
    """Restart the database in order."""
    await world.machines.signal_database(signal.SIGINT)
    await asyncio.sleep(random.uniform(0.0, 1.0))
    await world.machines.up()
    world.faults["database restarted"] += 1


async def leave_without_database(world: World, random: Random) -> None:
    """Stop the database for so long that messages go to the journal, while everything else goes on."""
    await world.machines.signal_database(signal.SIGINT)
    for _ in range(random.randint(4, 12)):
        await asyncio.sleep(1.0)
        ingest = world.ingest
        kept = None if ingest is None else await ingest.metric("journal_messages")
        world.most_journalled = max(world.most_journalled, int(kept or 0))
    await world.machines.up()
    world.faults["database away for long"] += 1


# The broker.


async def restart_broker(world: World, random: Random) -> None:
    """Restart the broker in order."""
    await world.machines.signal_broker(signal.SIGTERM)
    await asyncio.sleep(random.uniform(0.0, 1.0))
    await world.machines.up()
    world.faults["broker restarted"] += 1


# The network.


def network(name: str, path: Callable[[World], Path]) -> list[Fault]:
    """The faults of one path."""

    async def cut(world: World, _random: Random) -> None:
        path(world).cut()
        world.faults[f"{name} cut"] += 1

    async def cut_in_a_message(world: World, random: Random) -> None:
        direction, most = random.choice(
            ((Direction.UP, 600), (Direction.UP, 20_000), (Direction.DOWN, 6_000))
        )
        path(world).left[direction] = random.randint(1, most)
        world.faults[f"{name} cut within bytes"] += 1

    async def refuse(world: World, random: Random) -> None:
        path(world).refusing = True
        path(world).cut()
        await asyncio.sleep(random.uniform(0.2, 2.0))
        path(world).refusing = False
        world.faults[f"{name} refused"] += 1

    async def pause(world: World, random: Random) -> None:
        path(world).pause()
        await asyncio.sleep(random.uniform(0.2, 3.0))
        path(world).resume()
        world.faults[f"{name} paused"] += 1

    async def slow(world: World, random: Random) -> None:
        path(world).bytes_per_s = random.uniform(20_000, 200_000)
        await asyncio.sleep(random.uniform(0.5, 4.0))
        path(world).bytes_per_s = None
        world.faults[f"{name} slowed"] += 1

    return [cut, cut_in_a_message, refuse, pause, slow]


# Publishers.


async def kill_publisher(world: World, random: Random) -> None:
    """Kill -9 a publisher and start it again: what was not acknowledged may be there, or not."""
    number = random.randrange(len(world.publishers))
    await world.publishers[number].kill()
    world.publishers[number] = await world.launch_publisher(number)
    world.faults["publisher killed"] += 1


def actors(world: World, seed: str) -> list[Coroutine[Any, Any, None]]:
    """Everybody who makes trouble."""
    cast: tuple[tuple[str, list[Fault], float], ...] = (
        (
            "ingest",
            [
                kill_ingest,
                kill_ingest,
                kill_ingest_before_commit,
                kill_ingest_after_commit,
                stop_ingest,
                second_ingest,
            ],
            2.0,
        ),
        ("database", [kill_database, crash_database, end_backends, restart_database], 3.0),
        ("outages", [leave_without_database], 15.0),
        ("commits", [lose_commit, end_backends], 4.0),
        ("broker", [restart_broker], 12.0),
        ("broker path", network("ingest to broker", lambda world: world.broker), 5.0),
        ("database path", network("ingest to database", lambda world: world.database), 5.0),
        ("devices path", network("devices to broker", lambda world: world.devices), 8.0),
        ("publishers", [kill_publisher], 12.0),
    )
    return [act(world, Random(f"{seed} {name}"), faults, mean_s) for name, faults, mean_s in cast]
