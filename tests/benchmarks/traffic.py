"""What the devices of a benchmark are and say. Pure: the same number gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

SITES: Final = 100
INTERVAL_S: Final = 30
# Of twenty devices of a site two are gas meters, one a belt scale, one a CEMS, the others electricity meters.
_CYCLE: Final = ("flowmeter", "flowmeter", "beltscale", "cems", *["meter"] * 16)


@dataclass(frozen=True, slots=True)
class Fleet:
    """`devices` devices over `sites` sites, registered, each with an emission source of its own."""

    devices: int
    sites: int = SITES

    def kind(self, device: int) -> str:
        """The kind of a device by its number."""
        return _CYCLE[device // self.sites % len(_CYCLE)]

    def site(self, device: int) -> str:
        """The site of a device by its number."""
        return f"bench-{device % self.sites:03d}"

    def topic(self, device: int) -> str:
        """Where a device publishes."""
        return f"telemetry/v1/{self.site(device)}/{self.kind(device)}/d-{device:05d}"


def instant(start_s: int, number: int) -> str:
    """`ts` of each device's reading `number`."""
    return datetime.fromtimestamp(start_s + INTERVAL_S * number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reading(kind: str, device: int, number: int, ts: str) -> str:
    """Reading `number` of a device, 120 to 200 bytes of JSON: registers rise, gauges waver."""
    waver = (device * 7919 + number * 104_729) % 1000 / 1000
    return _MAKE[kind](ts, number, waver, device % 500 + 1000.0)


def _meter(ts: str, number: int, waver: float, start: float) -> str:
    return (
        f'{{"ts":"{ts}","seq":{number},"energy_import_kwh":{start + number:.3f},'
        f'"power_kw":{100 + 40 * waver:.3f},"reactive_power_kvar":{30 + 9 * waver:.3f},'
        f'"voltage_v":{398 + 4 * waver:.1f},"current_a":{150 + 60 * waver:.2f},'
        f'"power_factor":{0.9 + 0.09 * waver:.3f}}}'
    )


def _flowmeter(ts: str, number: int, waver: float, start: float) -> str:
    return (
        f'{{"ts":"{ts}","seq":{number},"volume_nm3":{start + 2 * number:.3f},'
        f'"flow_nm3_h":{200 + 80 * waver:.2f},"temperature_c":{15 + 9 * waver:.1f},'
        f'"pressure_kpa":{300 + 9 * waver:.1f}}}'
    )


def _beltscale(ts: str, number: int, waver: float, start: float) -> str:
    return (
        f'{{"ts":"{ts}","seq":{number},"mass_t":{start + number / 2:.3f},"rate_t_h":{50 + 20 * waver:.2f},'
        f'"speed_m_s":{1.5 + waver / 2:.2f},"load_kg_m":{9 + 4 * waver:.2f},"running":true}}'
    )


def _cems(ts: str, number: int, waver: float, _start: float) -> str:
    return (
        f'{{"ts":"{ts}","seq":{number},"co2_pct":{11 + 2 * waver:.2f},"o2_pct":{6 + waver:.2f},'
        f'"moisture_pct":{8 + waver:.2f},"velocity_m_s":{12 + 4 * waver:.2f},'
        f'"temperature_c":{120 + 9 * waver:.1f},"static_pressure_pa":{-200 + 50 * waver:.0f},'
        f'"barometric_pressure_pa":{101_000 + 300 * waver:.0f}}}'
    )


_MAKE: Final = {"meter": _meter, "flowmeter": _flowmeter, "beltscale": _beltscale, "cems": _cems}

_SINCE: Final = {"from": "2020-01-01T00:00:00Z"}
_DEVICE_FACTS: Final[dict[str, dict[str, Any]]] = {
    "meter": {"carrier": "electricity", "energy_quantity": "energy_import_kwh", "rated_power_kw": 1000},
    "flowmeter": {
        "carrier": "natural_gas",
        "energy_quantity": "volume_nm3",
        "base_state": "20C",
        "rated_flow": 2000,
    },
    # A site has several, each of which weighs its own.
    "beltscale": {
        "carrier": "bituminous_coal",
        "energy_quantity": "mass_t",
        "rated_flow": 200,
        "metering_point": "use",
    },
    "cems": {"analyser": "dry", "duct_area_m2": 20.0, "gauges": "instant"},
}
_SOURCES: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
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


def registry_document(fleet: Fleet) -> dict[str, Any]:
    """The registry of a fleet, as YAML or JSON would give it."""
    sites: dict[str, Any] = {}
    for device in range(fleet.devices):
        kind, name = fleet.kind(device), f"d-{device:05d}"
        site = sites.setdefault(
            fleet.site(device),
            {"timezone": "Asia/Shanghai", "country": "CN", "region": "CN-SH", "devices": {}, "sources": {}},
        )
        facts = {**_SINCE, "interval_s": INTERVAL_S, **_DEVICE_FACTS[kind]}
        site["devices"][f"{kind}/{name}"] = {"facts": [facts]}
        fixed, dated = _SOURCES[kind]
        dated = {**_SINCE, "devices": [f"{kind}/{name}"], **dated, "in_total": kind != "cems"}
        site["sources"][name] = {**fixed, "facts": [dated]}
    return {"version": 1, "sites": sites}
