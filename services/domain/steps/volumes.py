"""Steps of amounts that are counted as they are, and of gas and liquid volumes."""

from __future__ import annotations

from services.domain import liquids
from services.domain.arrays import FloatArray
from services.domain.conditions import STANDARD_PRESSURE_KPA, ZERO_C_K, volume_at_base
from services.domain.steps.step import Step, Values, step


def absolute_kpa(values: Values) -> Step:
    """The pressure as the formula takes it."""
    pressure = values["pressure_kpa"] + values["pressure_offset_kpa"]
    return step("pressure_kpa_abs", pressure, "kPa", "measured + atmospheric pressure where gauge")


def gas_line(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.GAS_LINE`."""
    absolute = values["pressure_kpa"] + values["pressure_offset_kpa"]
    base_k, temperature_k = values["base_temperature_k"], values["temperature_c"] + ZERO_C_K
    volume = volume_at_base(
        x * values["scale"], values["temperature_c"], absolute, base_k, values["compressibility_ratio"]
    )
    return [
        absolute_kpa(values),
        step("pressure_ratio", absolute / STANDARD_PRESSURE_KPA, "", "p/pb, pb = 101.325 kPa"),
        step("temperature_k", temperature_k, "K", "t + 273.15"),
        step("temperature_ratio", base_k / temperature_k, "", "Tb/T"),
        step("compressibility_ratio", values["compressibility_ratio"], "", "Zb/Z"),
        step("activity", volume, "", "Vb = Vm (p/pb)(Tb/T)(Zb/Z), EN 12405-1"),
    ]


def liquid_line(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.LIQUID_LINE`."""
    expansion = values["density_at_c"], values["expansion_per_k"], values["curvature"]
    correction = liquids.volume_correction(values["temperature_c"], *expansion)
    return [
        step("density_at_c", values["density_at_c"], "degC", "the temperature of the density"),
        step("expansion_per_k", values["expansion_per_k"], "1/K", "stated, or ISO 91-1 from the density"),
        step("volume_correction", correction, "", "exp(-a dt (1 + k a dt)), ISO 91-1"),
        step("scale", values["scale"], "", "density, and the device's multiplier"),
        step("activity", x * values["scale"] * correction, "", "V scale correction"),
    ]
