"""Whether a service's database user is let in, asked once when the service starts."""

from __future__ import annotations

from typing import Final

import psycopg

from services.store.errors import StoreError, explain, is_refusal
from services.store.pool import connect


class AccessRefusedError(StoreError):
    """The database refuses the service's user; waiting changes nothing."""


_MAY_WRITE: Final = "SELECT has_table_privilege(%s, 'INSERT')"


async def check_access(url: str, *, name: str, writes: str) -> None:
    """Log in as a service that writes the table `writes`, such as `core.device_hour`.

    Raises AccessRefusedError for a wrong user or password, a database that does not exist, a lack of rights.
    A database that is away or not yet migrated passes: services wait for it. Once a service runs, it waits
    through refusals, too: somebody may be changing a password.
    """
    try:
        async with await connect(url, name=name, autocommit=True) as connection:
            cursor = await connection.execute(_MAY_WRITE, [writes])
            row = await cursor.fetchone()
    except psycopg.Error as error:
        if is_refusal(error):
            raise AccessRefusedError(explain(error)) from error
        return
    if row != (True,):
        raise AccessRefusedError(
            f"The database user may not write {writes}: put the service's own user into "
            "CARBONFLOW_DATABASE_URL, or run `carbonflow migrate`."
        )
