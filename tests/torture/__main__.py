"""`make torture`: kill everything at random, and show that nothing was lost or doubled."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from deploy.local.errors import SetupError
from tests.torture.broker_kill import measure
from tests.torture.check import report
from tests.torture.run import Outcome, Plan, run, say


def main() -> int:
    """Run it; the exit status: 1 where anything was lost, doubled or not as it must be."""
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="carbonflow-torture-"))
    plan = Plan(
        folder,
        seconds=arguments.seconds,
        kills=arguments.kills,
        seed=arguments.seed or str(SystemRandom().randrange(1_000_000)),
        publishers=arguments.publishers,
        rate_per_s=arguments.rate / arguments.publishers,
    )
    say(f"seed {plan.seed}, {arguments.rate:g} messages/s, in {folder}")
    try:
        if arguments.broker_kills:
            outcome = asyncio.run(measure(plan, arguments.broker_kills))
        else:
            outcome = asyncio.run(run(plan))
    except SetupError as error:
        say(str(error))
        return 1
    _show(outcome)
    good = outcome.verdict.good or bool(arguments.broker_kills and not _besides_loss(outcome))
    if good and not arguments.keep:
        shutil.rmtree(folder)
    else:
        say(f"journals and logs are kept in {folder}")
    sys.stdout.write(json.dumps(outcome.line) + "\n")
    return 0 if good else 1


def _besides_loss(outcome: Outcome) -> bool:
    return bool(outcome.verdict.doubled or outcome.verdict.wrong)


def _show(outcome: Outcome) -> None:
    for name, count in sorted(outcome.world.faults.items()):
        say(f"{count:6}  {name}")
    say(f"{outcome.verdict.unknown} units were sent without an acknowledgement: they may be there, or not")
    if outcome.world.most_journalled:
        say(f"{outcome.world.most_journalled} messages were seen in the journal at once")
    if outcome.verdict.in_order:
        say(f"{outcome.verdict.in_order} readings surely came in order: each must have its live emissions")
    for line in outcome.notes:
        say(line)
    for line in report(outcome.verdict):
        say(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long things go wrong")
    parser.add_argument("--kills", type=int, default=0, help="at least so many kills, however long it takes")
    parser.add_argument("--seed", help="of the faults and messages; chosen and shown where not given")
    parser.add_argument("--rate", type=float, default=300.0, help="messages/s of all publishers")
    parser.add_argument("--publishers", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep journals and logs in any case")
    parser.add_argument(
        "--broker-kills",
        type=int,
        default=0,
        help="measure the loss when the broker itself is killed -9 so often; nothing else goes wrong",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
