"""Published emission factors by which the simulated truth is expressed, typed in here from their sources.

They are written again on purpose, not imported: a wrong figure in the services must not make the truth
wrong in the same way.
"""

from __future__ import annotations

from typing import Final

CO2_PER_C: Final = 44.0 / 12.0
"""t CO2 per t C, as all Chinese guidelines have it."""

# NDRC guidelines for greenhouse gas accounting (24 industries), appendix table 2.1: NCV, carbon, oxidation.
BITUMINOUS_KG_CO2_PER_T: Final = 23.204 * 0.02618 * 0.93 * CO2_PER_C * 1000.0
NATURAL_GAS_KG_CO2_PER_NM3_0C: Final = 389.31 * 0.0153 * 0.99 * CO2_PER_C * 1000.0 / 10_000.0
"""At 0 degC, 101.325 kPa: the guideline prints no base state; 0 degC is the demo's choice, unconfirmed."""

# Average CO2 factors of the provinces' electricity, data year 2023: MEE and NBS, announcement 2025 No. 47.
GRID_SHANGHAI_KG_CO2_PER_KWH: Final = 0.5737
GRID_SHANXI_KG_CO2_PER_KWH: Final = 0.6634

# GB/T 32150-2025, clause 7.5.6: purchased heat.
HEAT_KG_CO2_PER_GJ: Final = 110.0
FEED_WATER_KJ_PER_KG: Final = 83.74
"""Enthalpy of water at 20 degC that the guidelines subtract from steam's. A convention, not a measurement."""

# CaCO3 -> CaO + CO2 by molar masses 44.0095 and 100.0869 g/mol.
CALCIUM_CARBONATE_T_CO2_PER_T: Final = 44.0095 / 100.0869

CO2_KG_PER_NM3: Final = 44.0095 / 22.41397
"""Ideal gas at 0 degC, 101.325 kPa."""
