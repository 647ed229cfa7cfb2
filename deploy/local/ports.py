"""Free ports on loopback."""

import random
import socket
from collections.abc import Callable, Iterable

from deploy.local.errors import SetupError

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports of outgoing connections (32768 on), so that a port stays
# ours between two starts.
_RANGE = range(20_000, 32_000)
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose(previous: int | None, free: Callable[[int], bool] = is_free, avoid: Iterable[int] = ()) -> int:
    """The previous port where it is still free, else a free one chosen at random."""
    taken = set(avoid)
    if previous is not None and previous not in taken and free(previous):
        return previous
    for port in random.sample(_RANGE, _TRIES):
        if port not in taken and free(port):
            return port
    raise SetupError(
        f"No free port between {_RANGE.start} and {_RANGE.stop}: stop some servers and try again."
    )
