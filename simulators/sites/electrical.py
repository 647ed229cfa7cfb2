"""What an electricity meter shows beside its register, from the power that flows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.hashing import FloatArray
from simulators.process import Process
from simulators.signals import Flicker
from simulators.spec import DeviceId, DeviceSpec, Gauge, Register


@dataclass(frozen=True, slots=True)
class Supply:
    """A three-phase supply: line voltage and frequency, and the power factor of what hangs on it."""

    nominal_v: float
    power_factor: float
    voltage: Flicker
    frequency: Flicker
    phase_angle: Flicker

    @classmethod
    def of(cls, seed: int, site: str, name: str, nominal_v: float, power_factor: float) -> Supply:
        """One frequency a site, a voltage and a power factor of its own."""
        return cls(
            nominal_v,
            power_factor,
            Flicker.of(seed, f"{site}/{name}/voltage", 7200.0, 300.0, 40.0),
            Flicker.of(seed, f"{site}/frequency", 120.0, 20.0),
            Flicker.of(seed, f"{site}/{name}/power-factor", 3600.0, 600.0),
        )

    def series(self, prefix: str, t: FloatArray, power_kw: FloatArray) -> dict[str, FloatArray]:
        """`{prefix}_kw`, `_v`, `_a`, `_pf`, `_kvar` and `_hz`. P = sqrt(3) U I cos(phi)."""
        voltage = self.nominal_v * (1.0 + 0.02 * self.voltage(t))
        factor = np.minimum(self.power_factor + 0.025 * self.phase_angle(t), 0.995)
        apparent_kva = power_kw / factor
        return {
            f"{prefix}_kw": power_kw,
            f"{prefix}_v": voltage,
            f"{prefix}_a": apparent_kva * 1000.0 / (np.sqrt(3.0) * voltage),
            f"{prefix}_pf": factor,
            f"{prefix}_kvar": apparent_kva * np.sqrt(1.0 - factor * factor),
            f"{prefix}_hz": 50.0 + 0.04 * self.frequency(t),
        }


def meter(
    device: DeviceId,
    process: Process,
    prefix: str,
    *,
    modulus: int,
    digits: int = 2,
    start: tuple[float, float],
    interval_s: int = 30,
    phase_s: int = 0,
) -> DeviceSpec:
    """An electricity meter on the signals `{prefix}_*` of `process`."""
    return DeviceSpec(
        id=device,
        interval_s=interval_s,
        phase_s=phase_s,
        process=process,
        registers=(Register("energy_import_kwh", f"{prefix}_kw", digits, modulus, start),),
        gauges=(
            Gauge("power_kw", f"{prefix}_kw", 2),
            Gauge("reactive_power_kvar", f"{prefix}_kvar", 2),
            Gauge("voltage_v", f"{prefix}_v", 1),
            Gauge("current_a", f"{prefix}_a", 2),
            Gauge("power_factor", f"{prefix}_pf", 3),
            Gauge("frequency_hz", f"{prefix}_hz", 3),
        ),
        bridges=True,
    )
