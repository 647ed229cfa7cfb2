"""Global warming potentials over 100 years, by the IPCC assessment report that printed them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class GwpSet:
    """kg CO2e per kg of gas; CO2 is 1. AR6 tells fossil methane, whose carbon is new to the air, from
    biogenic."""

    ch4_fossil: float
    ch4_biogenic: float
    n2o: float

    def ch4(self, *, biogenic: bool) -> float:
        return self.ch4_biogenic if biogenic else self.ch4_fossil


GWP_SETS: Final = MappingProxyType(
    {
        "AR4": GwpSet(ch4_fossil=25.0, ch4_biogenic=25.0, n2o=298.0),
        "AR5": GwpSet(ch4_fossil=28.0, ch4_biogenic=28.0, n2o=265.0),
        "AR6": GwpSet(ch4_fossil=29.8, ch4_biogenic=27.0, n2o=273.0),
    }
)
"""IPCC AR4 WG1 table 2.14, AR5 WG1 table 8.A.1 (without climate-carbon feedback), AR6 WG1 table 7.15."""
