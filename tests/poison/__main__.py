"""`make poison`: what no device should send, a million times, and what becomes of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from random import SystemRandom

from deploy.local.errors import SetupError
from deploy.local.progress import LineProgress
from tests.benchmarks.child import BenchError
from tests.poison.run import Plan, judge, run
from tests.poison.sender import SMALL
from tests.torture.probe import ProbeError


def main() -> int:
    """Run it; the exit status: 1 where anything is not as it must be."""
    plan = _plan()
    say(f"seed {plan.seed}")
    try:
        result = asyncio.run(run(plan, LineProgress(), say))
    except (BenchError, ProbeError, SetupError) as error:
        say(str(error))
        return 1
    wrong = judge(plan, result)
    for sentence in wrong:
        say(sentence)
    sys.stdout.write(json.dumps({**result.line(plan), "wrong": wrong}) + "\n")
    return 1 if wrong else 0


def say(text: str) -> None:
    """Tell on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="make poison", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="poisoned messages, beside clean ones")
    parser.add_argument("--seed", help="of the messages; chosen and shown where not given")
    parser.add_argument("--slice", type=int, default=20_000, help="messages published and measured at once")
    parser.add_argument("--category", default=SMALL, help="only messages of this sort; see payloads.py")
    given = parser.parse_args()
    seed = given.seed or str(SystemRandom().randrange(1_000_000))
    return Plan(given.count, seed, given.slice, clean_slice=given.slice // 2, category=given.category)


if __name__ == "__main__":
    sys.exit(main())
