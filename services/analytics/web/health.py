"""/healthz says that the process runs, /readyz that its numbers can be trusted."""

from __future__ import annotations

from typing import Final

import psycopg
from fastapi import APIRouter, Response
from psycopg_pool import PoolTimeout

from services.analytics.web.answers import Alive, Ready
from services.analytics.web.reader import POOL_TIMEOUT_S
from services.store import board, migrate
from services.store.board_rows import BacklogRow
from services.store.errors import explain
from services.store.pool import Pool

READY_LAG_S: Final = 600.0
"""Beyond this the running hour and the last are too old to steer by. One that keeps up is seconds behind;
a factor or registry that re-opens the past may take hours, and changes nothing of that."""


def router(pool: Pool) -> APIRouter:
    """The routes for supervisors and container engines."""
    routes = APIRouter(tags=["health"])
    expected = frozenset(file.name for file in migrate.read_files(migrate.MIGRATIONS))

    @routes.get("/healthz")
    async def healthz() -> Alive:
        """The process runs."""
        return Alive()

    @routes.get("/readyz", responses={503: {"model": Ready}})
    async def readyz(response: Response) -> Ready:
        """The database answers, is migrated, and the ledger keeps up."""
        state = await _state(pool, expected)
        response.status_code = 200 if state.ready else 503
        return state

    return routes


async def _state(pool: Pool, expected: frozenset[str]) -> Ready:
    try:
        async with pool.connection(timeout=POOL_TIMEOUT_S) as connection:
            missing = expected - await board.applied_migrations(connection)
            if missing:
                return _not_migrated(f"{min(missing)} has not run: run `carbonflow migrate`")
            return _judge(await board.ledger_backlog(connection))
    except PoolTimeout:
        return _away("no connection within 5 s")
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        return _not_migrated(explain(error))
    except psycopg.Error as error:
        return _away(explain(error))


def _judge(backlog: BacklogRow) -> Ready:
    behind = backlog.live_lag_s > READY_LAG_S
    return Ready(
        ready=not behind,
        database="ok",
        migrations="ok",
        ledger=f"{backlog.live_lag_s:.0f} s behind, more than {READY_LAG_S:.0f} s" if behind else "ok",
        ledger_lag_s=backlog.lag_s,
    )


def _not_migrated(what: str) -> Ready:
    return Ready(ready=False, database="ok", migrations=what, ledger="unknown", ledger_lag_s=None)


def _away(what: str) -> Ready:
    return Ready(ready=False, database=what, migrations="unknown", ledger="unknown", ledger_lag_s=None)
