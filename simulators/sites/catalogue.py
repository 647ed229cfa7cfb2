"""The fleets there are, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from simulators.errors import ConfigError
from simulators.sites.campus import campus
from simulators.sites.generated import generated_fleet
from simulators.sites.plant import plant
from simulators.spec import Plan

SITES: Final[Mapping[str, Callable[[int], Plan]]] = MappingProxyType({"campus": campus, "plant": plant})


def demo_sites(names: Sequence[str], seed: int) -> Plan:
    """The named sites. Raises ConfigError for a name that is none."""
    plan = Plan()
    for name in names:
        if name not in SITES:
            raise ConfigError(f"No site is called {name!r}; there are {', '.join(SITES)}.")
        plan += SITES[name](seed)
    return plan


def generated(count: int, seed: int) -> Plan:
    """`count` generated devices."""
    return generated_fleet(seed, count)
