"""What no single entry of a registry can tell: references between them, and what each needs of the others."""

from __future__ import annotations

from collections.abc import Collection

from services.domain.registry.check_balance import check_stocks
from services.domain.registry.check_devices import check_devices, check_events
from services.domain.registry.check_market import check_market
from services.domain.registry.check_sources import check_sources
from services.domain.registry.check_totals import check_totals
from services.domain.registry.check_uncertainty import check_uncertainties
from services.domain.registry.check_virtual import check_virtual_meters
from services.domain.registry.model import Registry
from services.domain.registry.problems import Place, Problem
from services.domain.registry.scope import FactorNames, SiteScope


def check(
    registry: Registry, factors: FactorNames | None = None, broken: Collection[Place] = frozenset()
) -> list[Problem]:
    """Everything that is wrong between the entries of a registry.

    `broken` are entries left out because they are wrong in themselves: references to them are no errors.
    `factors` are the known factor sets with their fuels.
    """
    problems: list[Problem] = []
    for site_id, site in registry.sites.items():
        scope = SiteScope(("sites", site_id), site, frozenset(broken), factors)
        for examine in (
            check_devices,
            check_events,
            check_sources,
            check_market,
            check_stocks,
            check_totals,
            check_uncertainties,
            check_virtual_meters,
        ):
            problems += examine(scope)
    return problems
