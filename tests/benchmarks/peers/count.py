"""How a consumer tells how far it is: lines on stdout, the first once it is subscribed."""

from __future__ import annotations

import sys
from typing import Final

CLIENT_ID: Final = "bench-consumer"
TOPIC_FILTER: Final = "telemetry/v1/#"
PRINT_EVERY_S: Final = 0.02


def tell(count: int) -> None:
    """So many messages are done."""
    sys.stdout.write(f"{count}\n")
    sys.stdout.flush()
