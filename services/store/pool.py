"""Connections to the database."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

Connection: TypeAlias = AsyncConnection[TupleRow]
Cursor: TypeAlias = AsyncCursor[TupleRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]

STATEMENT_TIMEOUT_S: Final = 60
"""No statement of a service needs longer; a hung one must not hold its readings for ever."""
_IDLE_IN_TRANSACTION_S: Final = 120
_CONNECT_TIMEOUT_S: Final = 5
# A database that vanished without a word is noticed within about half a minute, in a statement or between.
_KEEPALIVES: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
}


def _parameters(name: str, statement_timeout_s: float) -> dict[str, Any]:
    """Connection parameters of every session: UTC, and no statement or forgotten transaction without end."""
    return {
        "application_name": name,
        "connect_timeout": _CONNECT_TIMEOUT_S,
        **_KEEPALIVES,
        "options": "-c timezone=UTC"
        f" -c statement_timeout={statement_timeout_s * 1000:.0f}"
        f" -c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_S * 1000}",
    }


def open_pool(
    url: str,
    *,
    min_size: int = 1,
    max_size: int = 4,
    name: str,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
) -> Pool:
    """A pool of connections in UTC, to be entered: `async with open_pool(...) as pool`.

    Entering does not wait for the database: a service starts while it is away, and says that it is not ready.
    `name` is the connections' application_name.
    """
    return AsyncConnectionPool(
        url,
        connection_class=AsyncConnection[TupleRow],
        kwargs=_parameters(name, statement_timeout_s),
        min_size=min_size,
        max_size=max_size,
        name=name,
        open=False,
    )


async def connect(
    url: str, *, name: str, statement_timeout_s: float = STATEMENT_TIMEOUT_S, autocommit: bool = False
) -> Connection:
    """One connection like the pool's, for a command that needs only one. Raises psycopg.OperationalError."""
    parameters = _parameters(name, statement_timeout_s)
    return await AsyncConnection[TupleRow].connect(url, autocommit=autocommit, **parameters)
