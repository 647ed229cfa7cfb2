"""The hours of the energy view: what each device that carries energy counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.domain.energy import EnergyUse
from services.domain.ledger.activities import Amount
from services.domain.ledger.emissions import Heard, exists
from services.domain.ledger.hours import from_us
from services.domain.ledger.rows import EnergyHour, total
from services.domain.reading import DeviceKey


class EnergyPart(NamedTuple):
    """What a device counted in one hour, or in a part of it between change points."""

    hour_us: int
    end_us: int
    use: EnergyUse
    amount: Amount


def energy_hours(parts: Iterable[EnergyPart], heard: Mapping[DeviceKey, Heard]) -> list[EnergyHour]:
    """The rows of all hours between a device's first and last reading, and of those in which something is
    held beyond them; `parts` in order of time."""
    hours: dict[tuple[DeviceKey, int], list[EnergyPart]] = {}
    for part in parts:
        hours.setdefault((part.use.device, part.hour_us), []).append(part)
    return [
        _row(device, hours[device, hour_us])
        for device, hour_us in sorted(hours)
        if exists(hours[device, hour_us], heard.get(device))
    ]


def _row(device: DeviceKey, parts: Sequence[EnergyPart]) -> EnergyHour:
    use = parts[0].use
    counted = [(part.amount.activity, part.use) for part in parts if part.amount.activity is not None]
    return EnergyHour(
        device=device,
        hour=from_us(parts[0].hour_us),
        area=use.area,
        carrier=use.carrier,
        amount=total([activity for activity, _ in counted]),
        unit=use.unit,
        energy_kwh=total([activity * of.energy_kwh_per_unit for activity, of in counted]),
        in_total=use.in_total,
        coverage=sum(part.amount.covered_us for part in parts) / sum(part.amount.length_us for part in parts),
        estimated=any(part.amount.estimated for part in parts),
    )
