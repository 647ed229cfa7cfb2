"""The energy view: what each device that carries energy counts, whether an emission source uses it or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import nan

from services.domain import activity
from services.domain.activity import Activity, Measure, Use, quantity_of
from services.domain.conversion import convert, device_at, device_key, kind_of, lasts, members
from services.domain.factors import FactorBook
from services.domain.formulas import Formula
from services.domain.quantities import Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import DeviceFacts, Method, Registry, Site
from services.domain.units import KWH_PER_GJ

_ENERGY_METHODS = frozenset({Method.FUEL, Method.ELECTRICITY, Method.HEAT})
_EXPORTED = "energy_export_kwh"


@dataclass(frozen=True, slots=True)
class EnergyUse:
    """What a device's energy quantity is worth.

    The amount in `unit` is `formula.evaluate(x, inputs, params)` as in a `Conversion`; times
    `energy_kwh_per_unit` it is energy (fuels: by NCV), NaN where that is unknown. Not in the total are a
    sub-meter beside its main meter, a device all of whose sources are outside it, and what is fed back.
    """

    device: DeviceKey
    area: str | None
    carrier: str
    quantity: str
    formula: Formula
    inputs: tuple[str, ...]
    params: tuple[float, ...]
    unit: str
    energy_kwh_per_unit: float
    in_total: bool


def compile_energy_uses(registry: Registry, factors: FactorBook, at: datetime) -> dict[DeviceKey, EnergyUse]:
    """The energy use of every device whose facts at `at` name a carrier, of the energy quantity they name or
    that goes without saying (`activity.quantity_of`).

    How heat is found and what a fuel's heating value is follows from the source that uses the device, else
    from the one that uses its main meter.
    """
    return {
        use.device: use
        for site_id, site in registry.sites.items()
        if lasts(site.ended, at)
        for use in _of_site(site_id, site, factors, at)
    }


def _of_site(site_id: str, site: Site, factors: FactorBook, at: datetime) -> Iterator[EnergyUse]:
    used: defaultdict[str, list[Use]] = defaultdict(list)
    for member in members(site, factors, at):
        if member.use.source.method in _ENERGY_METHODS:
            used[member.device].append(member.use)
    for ref in site.devices:
        facts = device_at(site, ref, at)
        if facts is None or facts.carrier is None or not _accounted(ref, facts):
            continue
        mains = _main_meters(site, ref, at)
        counted, energy_kwh = _amount(
            kind_of(ref), facts, _nearest(used, [ref, *(main for main, _ in mains)])
        )
        yield EnergyUse(
            device=device_key(site_id, ref),
            area=facts.area,
            carrier=facts.carrier,
            quantity=counted.quantity,
            formula=counted.formula,
            inputs=counted.formula.inputs,
            params=counted.params,
            unit=counted.unit,
            energy_kwh_per_unit=energy_kwh,
            in_total=_counts(facts, used.get(ref, [])) and not any(_accounted(*main) for main in mains),
        )


def _main_meters(site: Site, ref: str, at: datetime) -> list[tuple[str, DeviceFacts]]:
    """The main meters in force above the device, nearest first, with their facts."""
    above: dict[str, DeviceFacts] = {}
    facts = device_at(site, ref, at)
    while facts is not None and facts.submeter_of is not None and facts.submeter_of not in (ref, *above):
        main = facts.submeter_of
        facts = device_at(site, main, at)
        if facts is not None:
            above[main] = facts
    return list(above.items())


def _nearest(used: Mapping[str, list[Use]], refs: Iterable[str]) -> list[Use]:
    return next((used[ref] for ref in refs if ref in used), [])


def _accounted(ref: str, facts: DeviceFacts) -> bool:
    return facts.carrier is not None and quantity_of(kind_of(ref), facts, None) != ""


def _counts(facts: DeviceFacts, uses: list[Use]) -> bool:
    if facts.energy_quantity == _EXPORTED:
        return False
    return not uses or any(use.facts.in_total for use in uses)


def _amount(kind: Kind, facts: DeviceFacts, uses: list[Use]) -> tuple[Activity, float]:
    """The device's amount and what its unit is worth in kWh: by the source of its own carrier, if there is
    one."""
    quantity = quantity_of(kind, facts, None)
    for use in sorted(uses, key=lambda each: each.source.carrier != facts.carrier):
        counted, factor = convert(replace(use, kind=kind, device=facts, quantity=quantity))
        if counted.missing_reason is None:
            return counted, factor.energy_kwh_per_unit
    return activity.plain(kind, facts, quantity), _worth(activity.measure_of(kind, quantity))


def _worth(measure: Measure | None) -> float:
    match measure:
        case Measure.ELECTRICITY:
            return 1.0
        case Measure.HEAT:
            return KWH_PER_GJ
        case _:
            return nan
