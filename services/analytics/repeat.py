"""Doing something again and again, until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


async def until(stop: asyncio.Event, once: Callable[[], Awaitable[float]]) -> None:
    """Call `once` until `stop`; it returns how long to wait before the next time [s]."""
    while not stop.is_set():
        wait_s = await once()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await stop.wait()
