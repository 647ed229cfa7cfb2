"""Units of emission factors: what each one is and how many of the ledger's units it holds.

The ledger counts mass in t, gas in Nm3 at a named base state, liquids in m3, heat in GJ and electricity in
kWh.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

GJ_PER_KWH: Final = 0.0036
KWH_PER_GJ: Final = 1.0 / GJ_PER_KWH
GJ_PER_MMBTU: Final = 1.05505585262
"""International-table Btu (ISO 31-4), 1e6 of them."""
M3_PER_SCF: Final = 0.3048**3
M3_PER_GALLON: Final = 0.003785411784
"""US liquid gallon, 231 cubic inches."""
T_PER_SHORT_TON: Final = 0.90718474


class Dimension(StrEnum):
    """What a factor's unit counts. `VOLUME` is a cubic metre of a gas or of a liquid: the source says
    which."""

    MASS = "mass"
    GAS = "gas"
    LIQUID = "liquid"
    VOLUME = "volume"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class FactorUnit:
    """A unit as `size` of the ledger's own unit: t, Nm3 (at the base state the source names), m3 or GJ."""

    dimension: Dimension
    size: float


FACTOR_UNITS: Final = MappingProxyType(
    {
        "t": FactorUnit(Dimension.MASS, 1.0),
        "short ton": FactorUnit(Dimension.MASS, T_PER_SHORT_TON),
        "1e4 Nm3": FactorUnit(Dimension.GAS, 10_000.0),
        "scf": FactorUnit(Dimension.GAS, M3_PER_SCF),
        "gal": FactorUnit(Dimension.LIQUID, M3_PER_GALLON),
        "m3": FactorUnit(Dimension.VOLUME, 1.0),
        "kWh": FactorUnit(Dimension.ENERGY, GJ_PER_KWH),
        "MJ": FactorUnit(Dimension.ENERGY, 0.001),
        "GJ": FactorUnit(Dimension.ENERGY, 1.0),
        "mmBtu": FactorUnit(Dimension.ENERGY, GJ_PER_MMBTU),
    }
)

HEATING_VALUE_UNITS: Final = MappingProxyType(
    {
        "GJ/t": ("t", 1.0),
        "GJ/1e4 Nm3": ("1e4 Nm3", 1.0),
        "kJ/kg": ("t", 0.001),
        "kJ/m3": ("m3", 1e-6),
        "mmBtu/scf (HHV)": ("scf", GJ_PER_MMBTU),
        "mmBtu/gal (HHV)": ("gal", GJ_PER_MMBTU),
        "mmBtu/short ton (HHV)": ("short ton", GJ_PER_MMBTU),
    }
)
"""Unit of a heating value: the factor unit it is per, and GJ per that unit for a figure of 1."""
