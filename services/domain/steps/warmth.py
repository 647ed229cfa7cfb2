"""Steps of steam and hot water. Pressures in MPa absolute, enthalpies in kJ/kg, densities in kg/m3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.domain import steam
from services.domain.arrays import FloatArray
from services.domain.methods import heat
from services.domain.steps.step import Explain, Step, Values, step

_Of = Callable[[Values], FloatArray]
_STEAM = "Q = m (h - 83.74)/1000"
_OPEN = "Q = m (T - 20) 4.1868/1000"
_CLOSED = "Q = m (h_supply - h_return)/1000, EN 1434"


def _mpa(values: Values) -> FloatArray:
    absolute: FloatArray = (values["pressure_kpa"] + values["pressure_offset_kpa"]) / 1000.0
    return absolute


def _circuit_mpa(values: Values) -> FloatArray:
    return heat.circuit_pressure(_mpa(values))


def _pressure(values: Values) -> Step:
    return step("pressure_mpa_abs", _mpa(values), "MPa", "measured + atmospheric pressure where gauge")


def _steam(
    enthalpy: _Of, density: _Of | None, before: Callable[[Values], list[Step]], *, may_idle: bool = False
) -> Explain:
    """Steam whose enthalpy, and density where it is metered by volume, are found so; whether a line that is
    shut off may be too cold for it."""

    def explain(x: FloatArray, values: Values) -> list[Step]:
        mass_t, steps = _mass(x * values["scale"], values, density)
        found = enthalpy(values)
        gj = heat.steam_gj(mass_t, found)
        if may_idle:
            amount = x * values["scale"]
            gj = heat.nothing_of_a_cold_line(amount, _mpa(values), values["temperature_c"], gj)
        return [
            *before(values),
            *steps,
            step("enthalpy_kj_per_kg", found, "kJ/kg", "IAPWS-IF97"),
            step("activity", gj, "GJ", _STEAM),
        ]

    return explain


def _mass(amount: FloatArray, values: Values, density: _Of | None) -> tuple[FloatArray, list[Step]]:
    if density is None:
        return amount, []
    found = density(values)
    mass_t = amount * found / 1000.0
    return mass_t, [
        step("density_kg_per_m3", found, "kg/m3", "IAPWS-IF97, at the meter"),
        step("mass_t", mass_t, "t", "V rho/1000"),
    ]


def _superheat(values: Values) -> list[Step]:
    pressure = _mpa(values)
    saturation = steam.saturation_temperature(pressure)
    return [
        _pressure(values),
        step("saturation_c", saturation, "degC", "IAPWS-IF97 region 4, Tsat(p)"),
        step("superheat_k", values["temperature_c"] - saturation, "K", "T - Tsat"),
    ]


def _by_pressure(values: Values) -> list[Step]:
    saturation = steam.saturation_temperature(_mpa(values))
    return [
        _pressure(values),
        step("saturation_c", saturation, "degC", "IAPWS-IF97 region 4, Tsat(p)"),
        _dryness(values),
    ]


def _by_temperature(values: Values) -> list[Step]:
    pressure = steam.saturation_pressure(values["temperature_c"])
    return [step("saturation_mpa", pressure, "MPa", "IAPWS-IF97 region 4, psat(T)"), _dryness(values)]


def _dryness(values: Values) -> Step:
    return step("dryness_fraction", values["dryness_fraction"], "", "vapour by mass; 1 is dry")


superheated = _steam(
    lambda values: steam.superheated_enthalpy(_mpa(values), values["temperature_c"]),
    None,
    _superheat,
    may_idle=True,
)
superheated_volume = _steam(
    lambda values: steam.superheated_enthalpy(_mpa(values), values["temperature_c"]),
    lambda values: steam.superheated_density(_mpa(values), values["temperature_c"]),
    _superheat,
    may_idle=True,
)


def _enthalpy_p(values: Values) -> FloatArray:
    return steam.wet_steam_enthalpy_by_pressure(_mpa(values), values["dryness_fraction"])


def _density_p(values: Values) -> FloatArray:
    return steam.wet_steam_density_by_pressure(_mpa(values), values["dryness_fraction"])


def _enthalpy_t(values: Values) -> FloatArray:
    return steam.wet_steam_enthalpy_by_temperature(values["temperature_c"], values["dryness_fraction"])


def _density_t(values: Values) -> FloatArray:
    return steam.wet_steam_density_by_temperature(values["temperature_c"], values["dryness_fraction"])


saturated_p = _steam(_enthalpy_p, None, _by_pressure)
saturated_p_volume = _steam(_enthalpy_p, _density_p, _by_pressure)
saturated_t = _steam(_enthalpy_t, None, _by_temperature)
saturated_t_volume = _steam(_enthalpy_t, _density_t, _by_temperature)


def open_water(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.HOT_WATER_OPEN`."""
    mass_t = x * values["scale"]
    return [step("activity", heat.hot_water_open_gj(mass_t, values["temperature_c"]), "GJ", _OPEN)]


def open_water_volume(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.HOT_WATER_OPEN_VOLUME`."""
    mass_t, steps = _mass(
        x * values["scale"],
        values,
        lambda of: steam.water_density(_circuit_mpa(of), of["temperature_c"]),
    )
    gj = heat.hot_water_open_gj(mass_t, values["temperature_c"])
    return [_circuit(values), *steps, step("activity", gj, "GJ", _OPEN)]


def closed_water(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.HOT_WATER_CLOSED_MASS`."""
    return _loop(x * values["scale"], values, [_circuit(values)])


def closed_water_volume(x: FloatArray, values: Values) -> list[Step]:
    """Of `formulas.HOT_WATER_CLOSED`."""
    mass_t, steps = _mass(
        x * values["scale"], values, lambda of: steam.water_density(_circuit_mpa(of), _at_meter_c(of))
    )
    at_meter = step("at_meter_c", _at_meter_c(values), "degC", "where the meter sits: supply or return")
    return _loop(mass_t, values, [_circuit(values), at_meter, *steps])


def _at_meter_c(values: Values) -> FloatArray:
    in_return = values["meter_in_return"] != 0.0
    return np.where(in_return, values["return_temperature_c"], values["temperature_c"])


def _circuit(values: Values) -> Step:
    by = "measured, or 1.6 MPa (EN 1434-1) where it is not"
    return step("pressure_mpa_abs", _circuit_mpa(values), "MPa", by)


def _loop(mass_t: FloatArray, values: Values, before: list[Step]) -> list[Step]:
    supply_c, return_c = values["temperature_c"], values["return_temperature_c"]
    pressure = _circuit_mpa(values)
    gj = heat.hot_water_closed_gj(mass_t, _mpa(values), supply_c, return_c)
    return [
        *before,
        step("supply_kj_per_kg", steam.water_enthalpy(pressure, supply_c), "kJ/kg", "IAPWS-IF97 region 1"),
        step("return_kj_per_kg", steam.water_enthalpy(pressure, return_c), "kJ/kg", "IAPWS-IF97 region 1"),
        step("activity", gj, "GJ", _CLOSED),
    ]
