"""A fleet of any size, for load: sites of some hundred devices of all four kinds, each with its physics."""

from __future__ import annotations

from typing import Any, Final

from simulators.hashing import FloatArray, between, stable_key
from simulators.physics import factors
from simulators.process import Process, Series
from simulators.signals import Flicker, Occupancy
from simulators.sites.campus import UTC_OFFSET_H
from simulators.sites.electrical import Supply, meter
from simulators.sites.furnace import DUCT_AREA_M2, CoalUnit
from simulators.sites.plant import cems, coal_belt
from simulators.spec import DeviceId, DeviceSpec, Gauge, Plan, Register, SourceSpec

PER_SITE: Final = 250
"""Below the quota of new devices that one site may bring in an hour."""
_STEP_S: Final = 30
_INTERVAL_S: Final = 30
# Of twenty devices one is a CEMS, one a belt scale (of the same unit), two are gas meters, sixteen meters.
_CYCLE: Final = 20
_GAS_20C_TO_0C: Final = 273.15 / 293.15


class Load(Process):
    """An electrical load that follows office hours."""

    def __init__(self, seed: int, device: DeviceId) -> None:
        super().__init__(_STEP_S)
        key = stable_key(seed, str(device))
        self._rated_kw = between(key, 15.0, 300.0)
        self._occupancy = Occupancy(UTC_OFFSET_H, arrive_h=between(key, 6.0, 10.0, 1))
        self._waver = Flicker.of(seed, f"{device}/load", 3600.0, 400.0)
        self._supply = Supply.of(seed, device.site, device.device, 400.0, 0.94)

    def compute(self, t: FloatArray) -> Series:
        power = self._rated_kw * (0.2 + 0.6 * self._occupancy(t)) * (1.0 + 0.2 * self._waver(t))
        return {
            **self._supply.series("load", t, power),
            "co2_kg_h": power * factors.GRID_SHANGHAI_KG_CO2_PER_KWH,
        }


class Burner(Process):
    """A gas burner that modulates, metered at 20 degC."""

    def __init__(self, seed: int, device: DeviceId) -> None:
        super().__init__(_STEP_S)
        self._rated_nm3_h = between(stable_key(seed, str(device)), 20.0, 400.0)
        self._waver = Flicker.of(seed, f"{device}/load", 7200.0, 600.0)

    def compute(self, t: FloatArray) -> Series:
        flow = self._rated_nm3_h * (0.6 + 0.35 * self._waver(t))
        return {
            "flow_nm3_h": flow,
            "co2_kg_h": flow * _GAS_20C_TO_0C * factors.NATURAL_GAS_KG_CO2_PER_NM3_0C,
        }


def _gas_meter(device: DeviceId, burner: Burner) -> DeviceSpec:
    return DeviceSpec(
        device,
        _INTERVAL_S,
        burner,
        registers=(Register("volume_nm3", "flow_nm3_h", 3, 10_000_000, (1e4, 9e5)),),
        gauges=(Gauge("flow_nm3_h", "flow_nm3_h", 2),),
        bridges=True,
    )


def _device(seed: int, site: str, index: int) -> tuple[DeviceSpec, SourceSpec]:
    """Device number `index` of a site, and the source it measures."""
    kind = index % _CYCLE
    if kind in (0, 1):
        # Neighbours by number share a unit.
        unit = CoalUnit(stable_key(seed, site, str(index - kind)))
        if kind == 0:
            spec = cems(DeviceId(site, "cems", f"stack-{index:04d}"), unit)
            return spec, SourceSpec(site, f"stack-{index:04d}", spec.id, unit, "stack_co2_kg_h", linear=False)
        spec = coal_belt(DeviceId(site, "beltscale", f"coal-{index:04d}"), unit)
        return spec, SourceSpec(site, f"coal-{index:04d}", spec.id, unit, "coal_co2_kg_h")
    if kind in (2, 3):
        name = DeviceId(site, "flowmeter", f"gas-{index:04d}")
        burner = Burner(seed, name)
        spec = _gas_meter(name, burner)
        return spec, SourceSpec(site, name.device, spec.id, burner)
    name = DeviceId(site, "meter", f"meter-{index:04d}")
    load = Load(seed, name)
    spec = meter(name, load, "load", modulus=10_000_000, start=(1e4, 9e5))
    return spec, SourceSpec(site, name.device, spec.id, load)


def generated_fleet(seed: int, count: int) -> Plan:
    """`count` devices, `PER_SITE` on each of the sites gen-000, gen-001, ..."""
    pairs = [_device(seed, f"gen-{n // PER_SITE:03d}", n % PER_SITE) for n in range(count)]
    return Plan(tuple(spec for spec, _ in pairs), tuple(source for _, source in pairs))


_DEVICE_FACTS: Final[dict[str, dict[str, Any]]] = {
    "meter": {"carrier": "electricity", "energy_quantity": "energy_import_kwh", "rated_power_kw": 1000},
    "flowmeter": {
        "carrier": "natural_gas",
        "energy_quantity": "volume_nm3",
        "base_state": "20C",
        "rated_flow": 2000,
    },
    "beltscale": {"carrier": "bituminous_coal", "energy_quantity": "mass_t", "rated_flow": 200},
    "cems": {"analyser": "dry", "duct_area_m2": DUCT_AREA_M2, "gauges": "instant"},
}
_SOURCE_FACTS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "meter": (
        {"scope": 2, "method": "electricity", "carrier": "electricity"},
        {"quantity": "energy_import_kwh", "factor_set": "CN_MEE_PROVINCE"},
    ),
    "flowmeter": (
        {"scope": 1, "method": "fuel", "carrier": "natural_gas"},
        {"quantity": "volume_nm3", "factor_set": "CN_NDRC_2.1", "factor_base_state": "0C"},
    ),
    "beltscale": (
        {"scope": 1, "method": "fuel", "carrier": "bituminous_coal"},
        {"quantity": "mass_t", "factor_set": "CN_NDRC_2.1"},
    ),
    "cems": ({"scope": 1, "method": "cems", "carrier": "flue_gas"}, {}),
}


def registry_document(plan: Plan) -> dict[str, Any]:
    """A registry of a generated fleet, ready to be written as YAML. Every fact from 2020 on; the stacks are
    not in the total, their coal is."""
    since = {"from": "2020-01-01T00:00:00+08:00"}
    sites: dict[str, Any] = {}
    for spec, source in zip(plan.devices, plan.sources, strict=True):
        kind, ref = spec.id.kind, f"{spec.id.kind}/{spec.id.device}"
        site = sites.setdefault(
            spec.id.site,
            {"timezone": "Asia/Shanghai", "country": "CN", "region": "CN-SH", "devices": {}, "sources": {}},
        )
        facts = {**since, "interval_s": spec.interval_s, **_DEVICE_FACTS[kind], **_registers(spec)}
        site["devices"][ref] = {"facts": [facts]}
        fixed, dated = _SOURCE_FACTS[kind]
        site["sources"][source.source] = {
            **fixed,
            "facts": [{**since, "devices": [ref], **dated, "in_total": kind != "cems"}],
        }
    return {"version": 1, "sites": sites}


def _registers(spec: DeviceSpec) -> dict[str, Any]:
    registers = {
        each.quantity: {"modulus": each.modulus, "resolution": 10.0**-each.digits} for each in spec.registers
    }
    return {"registers": registers} if registers else {}
