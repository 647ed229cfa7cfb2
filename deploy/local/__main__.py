"""`python -m deploy.local up|down`: the servers of this clone without the rest of the command line."""

import argparse
import json
import sys
from pathlib import Path

from deploy.local import servers
from deploy.local.errors import SetupError
from deploy.local.progress import LineProgress

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    try:
        if command == "down":
            servers.down(ROOT)
        else:
            up = servers.ensure_up(ROOT, LineProgress())
            json.dump({"database_url": up.database_url, "mqtt_url": up.operator_mqtt_url}, sys.stdout)
            sys.stdout.write("\n")
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
