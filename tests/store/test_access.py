"""Who is refused when a service starts, by a real server, and what is waited for."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from services.store.access import AccessRefusedError, check_access
from tests.conftest import with_database

pytestmark = pytest.mark.anyio

TABLE = "core.emission_hour"


async def refusal(url: str) -> str:
    with pytest.raises(AccessRefusedError) as caught:
        await check_access(url, name="test", writes=TABLE)
    return str(caught.value)


async def test_a_wrong_password_or_database(database_url: str) -> None:
    parts = urlsplit(database_url)
    assert parts.password is not None
    if parts.password != parts.username:  # a server that trusts everyone asks for none
        wrong = database_url.replace(f":{parts.password}@", ":wrong@")
        assert "refuses this user or password" in await refusal(wrong)
    assert "does not exist" in await refusal(with_database(database_url, "no_such_database"))


async def test_a_user_without_the_rights(role_url: Callable[[str], str]) -> None:
    await check_access(role_url("carbonflow_analytics"), name="test", writes=TABLE)
    assert "lacks a right" in await refusal(role_url("carbonflow_ops"))
    assert f"may not write {TABLE}" in await refusal(role_url("carbonflow_ingest"))


async def test_a_database_that_is_away_or_not_migrated_is_waited_for(empty_database_url: str) -> None:
    await check_access(empty_database_url, name="test", writes=TABLE)
    await check_access("postgresql://a:b@127.0.0.1:1/c", name="test", writes=TABLE)
