"""The ledger's world, and how its hours are explained."""

from __future__ import annotations

from datetime import datetime

import pytest

from services.analytics.explain import Explainer
from services.analytics.explanation import Basis, Explanation
from tests.ledger.conftest import Database, World, database, factors, world

__all__ = ["Database", "Explain", "World", "database", "explain", "factors", "world"]


class Explain:
    """Explains hours of site `s`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._explainer = Explainer()

    async def __call__(self, source: str, hour: datetime, basis: str | None = None) -> Explanation:
        return await self._explainer.explain(
            self._database.connection, "s", source, hour, None if basis is None else Basis(basis)
        )


@pytest.fixture
def explain(database: Database) -> Explain:
    return Explain(database)
